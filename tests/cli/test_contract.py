"""What the contract says of every command: one JSON object, statuses, two lines for people, the promised keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.asking import LOCK_KEYS, STATUS, ask, complaint, held, refused, snapshot, sound
from tests.world import Clone, World

COMMANDS = [
    "init", "uninstall", "doctor", "demo", "session", "peers", "whoami", "status", "lock", "unlock", "locks", "check",
    "sync", "push", "log", "watch", "fsck", "map", "version", "help",
]  # fmt: skip
READING = [
    ("status",), ("whoami",), ("peers",), ("locks",), ("locks", "--mine"), ("locks", "src/"), ("check", "src/api.py"),
    ("check", "--staged"), ("check", "--rev", "HEAD"), ("fsck",), ("map",), ("doctor",), ("lock", "--dry-run", "docs/"),
]  # fmt: skip
NEED_A_LOG = [
    ("status",), ("whoami",), ("peers",), ("locks",), ("check", "x"), ("fsck",), ("log",), ("watch",), ("sync",),
    ("push",), ("lock", "x"), ("unlock", "x"), ("session", "start"), ("session", "end"), ("session", "renew"),
    ("uninstall",),
]  # fmt: skip
WRONG = [
    ("frobnicate",), ("lock", "--frobnicate", "x"), ("lock",), ("lock", "x", "--ttl", "soon"), ("version", "more"),
    ("lock", "x", "--ttl", "0s"), ("unlock",), ("unlock", "x", "--all"), ("unlock", "x", "--force"), ("lock", ""),
    ("lock", "x", "-z"), ("check",), ("lock", "x", "--priority", "high"), ("session", "frobnicate"), ("session",),
    ("init", "--local", "--remote", "x"), ("--as", "No Name", "lock", "x"), ("log", "-n", "0"), ("help", "frobnicate"),
    ("lock", "x", "--pathspec-from-file", "x"), ("lock", "--pathspec-from-file", "absent"),
]  # fmt: skip


def test_commands_that_exist(world: World) -> None:
    """`git peer help` names each, `help COMMAND` and `COMMAND --help` tell of it."""
    here = Clone(world, world.folder)
    for name in COMMANDS:
        assert f"\n  {name} " in here.peer("help").out
    assert "Usage: git peer lock" in here.peer("help", "lock").out
    assert "Usage: git peer lock" in here.peer("lock", "--help").out
    assert "Usage: git peer" in here.peer("-h").out
    assert here.peer("version").out.startswith("git-peer version ")
    assert ask(here, "version")["version"] in here.peer("version").out
    assert ask(here, "help", "session", "start")["help"].startswith("Usage: git peer session start")


@pytest.mark.parametrize("args", WRONG, ids=" ".join)
def test_a_wrong_command_line(local: Clone, args: tuple[str, ...]) -> None:
    """129 and `usage`, as JSON wherever --json stands, and as two lines."""
    refused(local, "usage", *args)
    after = local.peer(*args, "--json", status=129)
    assert sound(after)["error"]["code"] == "usage"
    complaint(local.peer(*args, status=129))
    assert ask(local, "peers")["sessions"] == []


def test_where_nothing_is_set_up(world: World) -> None:
    """Exit 4, whatever is asked; outside a repository too."""
    clone, outside = world.clone("a"), Clone(world, world.folder)
    before = snapshot(clone.path)
    for args in NEED_A_LOG:
        answer = refused(clone, "not_set_up", *args)
        assert answer["session"] is None
    assert "git peer init" in complaint(clone.peer("lock", "x", status=4))[1]
    for args in (*NEED_A_LOG, ("init",)):
        refused(outside, "not_set_up", *args)
    assert "not a git repository" in complaint(outside.peer("status", status=4))[0]
    assert snapshot(clone.path) == before


def test_flags_stand_before_or_after(local: Clone) -> None:
    """--as, --json and -q on either side of the subcommand; a file called --json is a file."""
    for args in (
        ("--as", "zoe", "--json", "lock", "x"),
        ("lock", "--json", "--as", "zoe", "x"),
        ("--json", "lock", "x", "--as=zoe"),
    ):
        assert sound(local.peer(*args))["session"] == "zoe"
    assert sound(local.peer("session", "renew", "--json", "--as", "zoe"))["name"] == "zoe"
    assert sound(local.peer("--json", "--as", "zoe", "session", "renew"))["name"] == "zoe"
    assert sound(local.peer("session", "--json", "--as", "zoe", "renew"))["name"] == "zoe"
    assert local.peer("-q", "lock", "y").out == local.peer("lock", "-q", "z").out == ""
    assert local.peer("lock", "y").out != ""
    assert "Locked" in local.peer("lock", "--", "--json").out
    assert ("--json", "zoe") not in held(ask(local, "locks"))
    assert [view["path"] for view in ask(local, "locks", "--", "./--json")["locks"]] == ["--json"]


def test_keys_of_a_lock(local: Clone) -> None:
    """Every key of L, of lock, locks, unlock, and of the conflict that a refusal shows."""
    ask(local, "task", "add", "One", as_="zoe")
    taken = ask(local, "lock", "src/api.py", "--reason", "why", "--task", "t1", "--ttl", "10m", as_="zoe")
    assert taken["acquired"] is True
    assert (taken["session"], taken["guarantee"]) == ("zoe", "local")
    assert taken["traffic"] == {"pushes": 0, "fetches": 0}
    (lock,) = taken["locks"]
    assert lock.keys() >= LOCK_KEYS | {"task"}
    assert not {"lines", "section", "path_encoding"} & lock.keys()
    shown = {key: lock[key] for key in ("target", "kind", "path", "mode", "state", "session", "reason", "task", "ttl")}
    assert shown == {
        "target": "src/api.py", "kind": "file", "path": "src/api.py", "mode": "exclusive", "state": "held",
        "session": "zoe", "reason": "why", "task": "t1", "ttl": 600,
    }  # fmt: skip
    assert (lock["live"], lock["guarantee"], lock["branch"], lock["worktree"]) == (True, "local", "main", "a")
    assert lock["acquired_at"].endswith("Z")
    assert lock["acquired_at"] < lock["expires_at"]
    assert isinstance(lock["token"], int)

    told = refused(local, "locked", "lock", "docs/", "src/", as_="abe")
    assert told["acquired"] is False
    assert (told["guarantee"], told["traffic"]) == ("local", {"pushes": 0, "fetches": 0})
    (conflict,) = told["conflicts"]
    assert conflict["target"] == "src/"
    assert conflict["lock"] == lock
    assert ask(local, "locks")["locks"] == [lock]

    released = ask(local, "unlock", "src/api.py", as_="zoe")["released"]
    assert [view["id"] for view in released] == [lock["id"]]
    assert released[0].keys() == lock.keys()


def test_keys_of_the_readers(local: Clone) -> None:
    """status, whoami, peers, check, fsck, doctor, log and watch say what the contract promises."""
    ask(local, "session", "start", "--agent", "claude", "--doing", "tests", "--capability", "python", as_="zoe")
    ask(local, "lock", "src/", as_="zoe")
    status = ask(local, "status", as_="zoe")
    assert {"mode", "branch", "head", "log", "locks", "tasks", "deltas", "debates", "sessions"} <= status.keys()
    assert {"height", "age", "tentative"} <= status["log"].keys()
    assert status["deltas"] == {"pending": 0, "requires_action": False}
    assert (status["mode"], status["branch"], status["head"]) == ("local", "main", local.head())
    assert held(status) == [("src/", "zoe")]
    (peer,) = ask(local, "peers")["sessions"]
    keys = {"name", "sid", "agent", "host", "worktree", "branch", "head", "doing", "task", "last_seen", "live"}
    keys |= {"capabilities", "issue", "spec", "paths", "meta"}
    assert peer.keys() == keys
    assert (peer["name"], peer["agent"], peer["doing"], peer["live"]) == ("zoe", "claude", "tests", True)
    assert ask(local, "whoami", as_="zoe")["sid"] == peer["sid"]

    assert ask(local, "check", "README.md")["violations"] == []
    told = refused(local, "locked", "check", "README.md", "src/api.py", as_="abe")
    assert told["allowed"] is False
    (violation,) = told["violations"]
    assert violation.keys() == {"path", "lock", "why"}
    assert (violation["path"], violation["lock"]["session"]) == ("src/api.py", "zoe")

    fsck = ask(local, "fsck")
    assert (fsck["commits"], fsck["problems"]) == (3, [])
    assert fsck["events"] >= 3
    for check in ask(local, "doctor")["checks"]:
        assert check.keys() == {"name", "status", "detail", "hint"}
        assert check["status"] in {"ok", "warn", "fail"}

    log = local.peer("log", "--json").objects()
    for event in log:
        assert {"id", "kind", "v", "at", "by", "sid", "height"} <= event.keys()
    assert [event["height"] for event in log] == sorted((event["height"] for event in log), reverse=True)
    oldest, newest = log[-1]["id"], log[0]["id"]
    seen = local.peer("watch", "--json", "--after", oldest[:12], "--count", str(len(log) - 1)).objects()
    assert [event["id"] for event in seen] == [event["id"] for event in reversed(log[:-1])]
    assert local.peer("log", "--after", newest, "--json").objects() == []
    refused(local, "not_found", "log", "--after", "ffffffffffffffffffff")


def test_log_chooses(local: Clone) -> None:
    """-n, --by, --kind, --since, --until, PATH."""
    ask(local, "lock", "src/", as_="zoe")
    ask(local, "lock", "docs/", as_="abe")

    def kinds(*args: str) -> list[str]:
        return [event["kind"] for event in local.peer("log", "--json", *args).objects()]

    assert kinds("-n", "1") == ["lock.take"]
    assert kinds("--by", "zoe") == ["lock.take", "session.start"]
    assert kinds("--kind", "lock") == kinds("--kind", "lock.take") == ["lock.take"] * 2
    assert kinds("src/api.py") == ["lock.take"]
    assert kinds("--since", "1 hour ago") == kinds()
    assert kinds("--until", "1 hour ago") == []
    assert len(local.peer("log", "-n", "2").out.splitlines()) == 2


def test_keys_of_what_moves(pair: tuple[Clone, Clone]) -> None:
    """init, sync, push and session over a remote, with guarantee and traffic."""
    one, _ = pair
    again = ask(one, "init")
    assert {"mode", "remote", "branch", "log_id", "created", "hooks"} <= again.keys()
    assert (again["mode"], again["remote"], again["branch"]) == ("remote", "origin", "peer/coordination")
    assert again["created"] is False
    start = ask(one, "session", "start", "zoe")
    assert (start["name"], start["guarantee"]) == ("zoe", "remote")
    synced = ask(one, "sync")
    assert {"fetched", "pushed", "landed", "lost"} <= synced.keys()
    assert synced["traffic"] == {"pushes": 0, "fetches": 1}
    ask(one, "lock", "src/api.py", as_="zoe")
    one.write("src/api.py", "changed\n")
    commit = one.commit("change", env={"GIT_PEER_SESSION": "zoe"})
    old = one.head("HEAD~")
    plan = ask(one, "push", "--dry-run", as_="zoe")
    assert plan["pushed"] == [{"ref": "refs/heads/main", "old": old, "new": commit}]
    pushed = ask(one, "push", as_="zoe")
    assert pushed["pushed"] == plan["pushed"]
    assert [view["target"] for view in pushed["released"]] == ["src/api.py"]
    assert (pushed["guarantee"], pushed["traffic"]["pushes"]) == ("remote", 1)
    assert ask(one, "push", as_="zoe")["pushed"] == []
    assert ask(one, "session", "end", as_="zoe")["ended"] == "zoe"


def test_push_that_is_behind(pair: tuple[Clone, Clone]) -> None:
    """Not fast-forward: `rejected`, with the commits to pull."""
    one, two = pair
    two.write("README.md", "theirs\n")
    theirs = two.commit("theirs")
    ask(two, "push", as_="abe")
    one.write("docs/guide.md", "ours\n")
    one.commit("ours")
    told = refused(one, "rejected", "push", as_="zoe")
    assert told["pull"] == [theirs]
    error, hint = one.peer("push", as_="zoe", status=1).err.splitlines()[-2:]  # below what git itself reports
    assert "1 commit" in error
    assert "git pull" in hint


def test_errors_for_people(local: Clone) -> None:
    """A refusal names holder, reason and end; the hint leads on; -q leaves errors."""
    ask(local, "lock", "src/", "--reason", "renaming the API", as_="zoe")
    for args in (("lock", "src/api.py"), ("-q", "lock", "src/api.py"), ("check", "src/api.py")):
        error, hint = complaint(local.peer(*args, as_="abe", status=1))
        assert "zoe" in error
        assert "renaming the API" in error
        assert "zoe" in hint
    error, hint = complaint(local.peer("unlock", "src/", as_="abe", status=1))
    assert "zoe" in error
    assert "zoe" in hint
    assert "exact targets" in complaint(local.peer("unlock", "src/api.py", as_="zoe", status=1))[1]


def test_control_characters_reach_no_terminal(local: Clone) -> None:
    """A reason is data from a stranger."""
    ask(local, "lock", "src/", "--reason", "\x1b[2Jgone\u202e", as_="zoe")
    for result in (local.peer("locks"), local.peer("lock", "src/", as_="abe", status=1), local.peer("status")):
        assert "\x1b" not in result.out + result.err
        assert "\u202e" not in result.out + result.err


def test_json_is_strict_utf8(local: Clone) -> None:
    """A path that is not UTF-8 is percent-encoded, and no lone surrogate is anywhere in the object."""
    name = "caf\udce9 100%.txt"
    for result in (
        local.peer("lock", name, "--json", as_="zoe"),
        local.peer("lock", name, "--json", as_="abe", status=1),
        local.peer("check", name, "--json", as_="abe", status=1),
        local.peer("locks", "--json"),
    ):
        assert b"\\ud" not in result.raw
        result.raw.decode("utf-8", "strict")
        answer = sound(result)
        views = answer.get("locks") or [row["lock"] for row in answer.get("conflicts") or answer["violations"]]
        assert [(view["path"], view["path_encoding"]) for view in views] == [("caf%E9 100%25.txt", "percent")]
    told = refused(local, "locked", "check", name, as_="abe")["violations"][0]
    assert (told["path"], told["path_encoding"]) == ("caf%E9 100%25.txt", "percent")
    assert len(ask(local, "unlock", name, as_="zoe")["released"]) == 1


@pytest.mark.parametrize("mode", ["local", "remote"])
def test_readers_leave_no_trace(world: World, mode: str) -> None:
    """No file of .git changes, no ref, no object, no session, here or there."""
    clone = world.clone("a")
    clone.peer("init", *(("--local",) if mode == "local" else ("--remote", "origin")))
    ask(clone, "lock", "src/api.py", as_="zoe")
    clone.write("README.md", "staged\n")
    clone.git("add", "-A")
    if mode == "remote":
        (clone.common / "peer" / "stale-at").write_text("1\n")
    here, there = snapshot(clone.path), snapshot(world.remote)
    for args in READING:
        ask(clone, *args, as_="abe" if args[0] != "check" else "zoe")
    clone.peer("log", "--json", as_="abe")
    clone.peer("watch", "--after", clone.peer("log", "--json").objects()[-1]["id"], "--count", "1", as_="abe")
    refused(clone, "locked", "check", "src/api.py", as_="abe")
    refused(clone, "locked", "lock", "--dry-run", "src/", as_="abe")
    refused(clone, "usage", "lock", as_="abe")
    assert snapshot(clone.path) == here
    assert snapshot(world.remote) == there
    assert [peer["name"] for peer in ask(clone, "peers")["sessions"]] == ["zoe"]


def test_doctor_fails_with_an_error(local: Clone) -> None:
    """ok is false exactly when the exit status is not 0, and a failure says what failed."""
    (local.common / "hooks" / "pre-commit").unlink()
    told = refused(local, "failed", "doctor")
    assert "fail" in [check["status"] for check in told["checks"]]
    assert "hooks" in told["error"]["message"]
    ask(local, "doctor", "--fix")
    ask(local, "doctor")


def test_text_from_stdin_and_file(local: Clone, tmp_path: Path) -> None:
    """TEXT is itself, `-` for stdin, `@FILE` for a file."""
    file = tmp_path / "reason.txt"
    file.write_text("from a file: ä\n")
    assert ask(local, "lock", "a", "--reason", f"@{file}")["locks"][0]["reason"] == "from a file: ä"
    assert ask(local, "lock", "b", "--reason", "-", stdin=b"from stdin\n")["locks"][0]["reason"] == "from stdin"
    refused(local, "usage", "lock", "c", "--reason", "@/absent")
    refused(local, "invalid", "lock", "c", "--reason", "x" * 2001)
    assert len(ask(local, "locks")["locks"]) == 2


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("4h", 14400), ("1d", 86400), ("45", 45)])
def test_durations(local: Clone, text: str, seconds: int) -> None:
    """Times take units."""
    assert ask(local, "lock", "x", "--ttl", text)["locks"][0]["ttl"] == seconds


@pytest.mark.real
def test_interrupted(local: Clone) -> None:
    """Ctrl-C ends a stream with 130, and says so in its last object."""
    import signal

    running = local.start_peer("watch", "--json", "--after", local.peer("log", "--json").objects()[-1]["id"])
    ask(local, "lock", "src/", as_="zoe")
    assert running.process.stdout is not None
    running.process.stdout.readline()
    running.process.send_signal(signal.SIGINT)
    ended = running.finish(130)
    assert ended.objects()[-1]["error"]["code"] == "interrupted"
    assert "Traceback" not in ended.err


def test_every_code_has_its_status() -> None:
    """The table of the contract is the program's."""
    from git_peer.core.errors import EXIT

    assert EXIT == STATUS


def test_a_bug_is_no_traceback(local: Clone) -> None:
    """70 and `internal`; with GIT_PEER_DEBUG the traceback."""
    import shutil
    import sys

    from tests import modules
    from tests.world import start

    shutil.copytree(Path(__file__).parents[2] / "git_peer", local.path / "broken" / "git_peer")
    module = local.path / "broken" / "git_peer" / "cli" / "status.py"
    whole = module.read_text()
    module.write_text(whole.replace("peer = call.peer(", "peer = 1 + call.peer(", 1))
    assert module.read_text() != whole
    broken = modules.first(local.path / "broken")
    args = (sys.executable, "-P", "-m", "git_peer", "status")
    told = sound(start((*args, "--json"), local.path, broken).finish(70))
    assert told["error"]["code"] == "internal"
    complaint(start(args, local.path, broken).finish(70))
    assert "Traceback" in start(args, local.path, broken | {"GIT_PEER_DEBUG": "1"}).finish().err
