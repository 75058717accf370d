"""How answers read: times in the reader's zone, what one needs first, plurals, who is where, what is left to do."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from git_peer.store.clone import times
from tests.cli.asking import ask, refused
from tests.cli.test_locks import lapsed
from tests.world import Clone, World

STAMP = re.compile(r"\d{4}-\d\d-\d\dT")
WHEN = r"(?:now|in \d+ (?:s|min|h|days)|[\d,]+ (?:s|min|h|days) ago) \((?:\d+ [A-Z][a-z]{2} (?:\d{4} )?)?\d\d:\d\d\)"


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Noon of a day in a zone two hours ahead of UTC."""
    now = 1_795_250_000 - 1_795_250_000 % 86400 + 10 * 3600
    monkeypatch.setenv("TZ", "XXX-2")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: float(now))
    yield now
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("away", "said"),
    [
        (0, "now (12:00)"),
        (40, "in 40 s (12:00)"),
        (25 * 60, "in 25 min (12:25)"),
        (-5 * 60, "5 min ago (11:55)"),
        (8 * 3600, "in 8 h (20:00)"),
        (13 * 3600, "in 13 h (22 Nov 01:00)"),
        (-3 * 86400, "3 days ago (18 Nov 12:00)"),
        (60 * 86400, "in 60 days (20 Jan 2027 12:00)"),
    ],
)
def test_a_moment(noon: int, away: int, said: str) -> None:
    assert times.when(noon + away) == said


def test_a_lease(noon: int) -> None:
    assert times.lapse(noon + 60, live=True) == "lapses in 1 min (12:01)"
    assert times.lapse(noon - 60, live=False) == "lapsed 1 min ago (11:59)"
    assert times.lapse(noon + 60, live=False) == "lapsed, for its session is gone"


def test_no_answer_has_two_ways_to_tell_the_time(pair: tuple[Clone, Clone]) -> None:
    """The zone is the reader's; JSON has RFC 3339 in UTC."""
    one, two = pair
    one.peer("lock", "src/", "--ttl", "25m", as_="ana")
    two.peer("sync")
    two.write("src/api.py", "x\n")
    answers = [
        two.peer("lock", "src/api.py", as_="ben", status=1).err,
        two.peer("check", "src/api.py", as_="ben", status=1).err,
        two.git("commit", "-qam", "x", check=False).err,
        two.peer("locks").out,
        two.peer("status").out,
        one.peer("lock", "docs/", as_="ana").out,
    ]
    for said in answers:
        assert re.search(WHEN, said), said
        assert not STAMP.search(said), said
    for args in (("peers",), ("log",), ("deltas", "--all")):
        assert not STAMP.search(two.peer(*args).out)
    clocks = [re.findall(r"\d\d:\d\d\)", two.peer("locks", env={"TZ": zone}).out) for zone in ("UTC", "XXX-5:30")]
    assert clocks[0] != clocks[1]
    assert ask(two, "locks")["locks"][0]["expires_at"].endswith("Z")


def test_who_is_where(pair: tuple[Clone, Clone]) -> None:
    one, two = pair
    lock = ask(one, "lock", "src/", as_="ana")["locks"][0]
    ask(one, "lock", "docs/")
    two.peer("sync")
    where = f"{lock['host']}:{lock['worktree']}"
    assert f"at {where})" in two.peer("lock", "src/api.py", as_="ben", status=1).err
    assert f"at {where})" in two.peer("check", "src/api.py", status=1).err
    assert f"  src/  ana ({where}), lapses in " in two.peer("status").out
    person = ask(one, "whoami")["name"]  # says already where it is
    assert f"  docs/  {person}, lapses in " in two.peer("status").out
    assert where in two.peer("locks").out
    two.write("src/api.py", "x\n")
    assert f"at {where}" in two.git("commit", "-qam", "x", check=False).err


def test_status_begins_with_what_needs_one(pair: tuple[Clone, Clone]) -> None:
    one, two = pair
    ask(one, "session", "start", "ana")
    ask(two, "lock", "docs/", as_="ben")
    ask(two, "push-delta", "--type", "blocker", "--summary", "stop", "--to", "ana", as_="ben")
    ask(two, "task", "add", "Work", as_="ben")
    ask(two, "task", "claim", "t1", as_="ben")
    ask(one, "lock", "src/", as_="ana")
    told = one.peer("status", as_="ana")
    titles = [line.partition(" (")[0].partition(":")[0] for line in told.out.splitlines() if line and line[0] != " "]
    assert titles[1:] == ["Needs you", "Your locks", "Others' locks", "Tasks", "News", "Sessions"]
    assert "stop" in told.out.split("Your locks")[0]
    assert "stop" not in told.err  # what the text has already is no note beside it
    assert [one["code"] for one in ask(one, "status", as_="ana")["notices"]] == ["delta"]
    assert "Needs you" not in two.peer("status", as_="ben").out


def test_a_lapsed_lock_is_marked_wherever_it_is_shown(local: Clone) -> None:
    ask(local, "lock", "src/", "--ttl", "1s", as_="ana")
    lapsed()
    ago = r"lapsed \d+ s ago \(\d\d:\d\d\)"
    assert re.search(r"  src/  ana \(\S+\), " + ago, local.peer("status", as_="ben").out)
    assert re.search(r"^src/ .* lapsed ", local.peer("locks").out, re.MULTILINE)
    assert "locked: src/ (lapsed)" in local.peer("brief", as_="ana").out
    assert "src/ (lapsed)" in local.peer("brief", as_="ben").out
    checked = local.peer("check", "src/api.py", as_="ben").out
    assert re.search(r"^src/: the lock of ana " + ago, checked, re.MULTILINE)
    assert [lock["live"] for lock in ask(local, "check", "src/api.py", as_="ben")["lapsed"]] == [False]
    for args in (("locks",), ("status",)):
        assert [lock["live"] for lock in ask(local, *args)["locks"]] == [False]


def test_unlock_tells_what_is_left_to_do(pair: tuple[Clone, Clone]) -> None:
    one, _ = pair
    ask(one, "lock", "src/", "docs/", "README.md", "@deploy", as_="ana")
    one.write("src/api.py", "changed\n")
    one.write("src/new file.py", "new\n")
    one.write("docs/guide.md", "committed\n")
    one.git("commit", "-qm", "x", "docs/guide.md", env={"GIT_PEER_SESSION": "ana"})
    assert one.peer("unlock", "README.md", "@deploy", as_="ana").err == ""
    told = ask(one, "unlock", "src/", "docs/", as_="ana")
    assert [(n["code"], n["paths"]) for n in told["notices"]] == [
        ("unlanded", ["src/api.py", "src/new file.py"]),
        ("unlanded", ["docs/guide.md"]),
    ]
    assert "not committed" in told["notices"][0]["message"]
    assert "committed, and not landed on main" in told["notices"][1]["message"]
    ask(one, "lock", "docs/", as_="ana")
    one.git("push", "-q", "origin", "main", env={"GIT_PEER_SESSION": "ana"})
    assert ask(one, "unlock", "docs/", as_="ana")["notices"] == []


def test_one_is_no_plural(pair: tuple[Clone, Clone]) -> None:
    one, two = pair
    ask(one, "lock", "src/", as_="ana")
    assert two.peer("sync").out == "1 new commit of the log.\n"
    assert two.peer("sync").out == "Up to date.\n"
    two.peer("lock", "docs/", "--offline", as_="ben")
    assert two.peer("sync").out == "0 new commits of the log, 1 tentative command pushed.\n"
    assert "1 path may be changed." in two.peer("check", "docs/guide.md").out
    assert "2 paths may be changed." in two.peer("check", "docs/guide.md", "README.md").out
    assert one.peer("session", "end", as_="ana").out == "Session ana ended, 1 lock released.\n"


def test_where_git_peer_is_not_set_up(world: World) -> None:
    clone, outside = world.clone("a"), Clone(world, world.folder)
    assert clone.peer().err == "note: git-peer is not set up in this repository; `git peer init` sets it up\n"
    assert "`git init`" in outside.peer().err
    assert "nothing to take out" in clone.peer("uninstall", status=4).err
    clone.peer("init", "--local")
    assert clone.peer().err == ""


def test_init_tells_that_clones_do_not_see_each_other(world: World) -> None:
    one, two = world.clone("a"), world.clone("b")
    first = one.peer("init").out
    assert "origin has no log yet: clones of it do not see each other's locks" in first
    assert "`git peer init --remote origin`" in first
    assert ask(one, "init")["unshared"] == "origin"
    assert max(map(len, first.splitlines())) <= 80
    assert "no log yet" not in two.peer("init", "--local").out
    assert ask(one, "init", "--remote", "origin")["unshared"] is None
    assert ask(two, "init", "--remote", "origin")["unshared"] is None


def test_locks_by_id_and_some_of_many(local: Clone) -> None:
    views = ask(local, "lock", "a", "b", "c", as_="ana")["locks"]
    one = views[1]
    assert [lock["id"] for lock in ask(local, "locks", "--id", one["id"][:10])["locks"]] == [one["id"]]
    assert {lock["id"] for lock in ask(local, "locks", "--id", one["id"], "--id", views[0]["id"])["locks"]} == {
        one["id"],
        views[0]["id"],
    }
    refused(local, "not_found", "locks", "--id", "zzz")
    some = ask(local, "locks", "--limit", "2")
    assert (len(some["locks"]), some["total"]) == (2, 3)
    shown = local.peer("locks", "--limit", "2").out
    assert "and 1 more" in shown
    assert ask(local, "locks")["locks"][0]["id"][:8] in shown
    ask(local, "unlock", "--id", ask(local, "locks")["locks"][0]["id"][:8], as_="ana")  # what the table shows serves
    local.peer("locks", "--limit", "0", status=129)


def test_check_asks_of_a_name_what_lock_asks(local: Clone) -> None:
    ask(local, "lock", "@issue/42", "--reason", "mine", as_="ana")
    why = refused(local, "locked", "check", "@issue/42", as_="ben")
    assert [(one["path"], one["why"], one["lock"]["session"]) for one in why["violations"]] == [
        ("@issue/42", "locked", "ana")
    ]
    assert ask(local, "check", "@issue/42", as_="ana")["allowed"]
    assert ask(local, "check", "@issue/43", "README.md", as_="ben")["allowed"]
    refused(local, "locked", "lock", "@issue/42", as_="ben")
    local.write("@issue", "a file\n")
    assert ask(local, "check", "./@issue", as_="ben")["allowed"]


def test_what_became_of_a_task_and_the_way_on(local: Clone) -> None:
    """Each move says what it did; a refused one names the command that comes first."""
    local.peer("task", "add", "One", as_="ana")

    def hint(*args: str, who: str = "ana") -> str:
        return str(refused(local, "invalid", "task", *args, as_=who)["error"]["hint"])

    assert hint("done", "t1") == "claim it first: `git peer task claim t1`"
    assert hint("reject", "t1", "--note", "n") == "a task can be sent back once it was handed in"
    local.peer("task", "claim", "t1", as_="ana")
    assert hint("done", "t1").startswith("hand it in first: `git peer task review t1`")
    local.peer("task", "review", "t1", as_="ana")
    assert hint("done", "t1") == "another session accepts it first: `git peer task merge-point t1`"
    sent = local.peer("task", "reject", "t1", "--note", "n", as_="bob").out
    assert sent == "Sent back t1 “One” (in_progress, ana).\n"
    local.peer("task", "review", "t1", as_="ana")
    assert local.peer("task", "merge-point", "t1", as_="bob").out == "Accepted t1 “One” (merge_point, ana).\n"
    assert hint("merge-point", "t1", who="bob") == "`git peer task show t1` says more"
    assert local.peer("task", "done", "t1", as_="ana").out.startswith("Finished t1 “One” (done, ana).")
    assert hint("drop", "t1").endswith("`git peer task reopen t1`")


def test_a_refusal_names_a_path_once_and_its_hint_fits_what_was_asked(local: Clone) -> None:
    local.peer("lock", "src/api.py", as_="ana")
    assert "(exclusive, lapses in" in refused(local, "locked", "lock", "src/api.py", as_="bob")["error"]["message"]
    assert "(exclusive, src/api.py, " in refused(local, "locked", "lock", "src/", as_="bob")["error"]["message"]
    assert "land" not in refused(local, "locked", "check", "src/api.py", as_="bob")["error"]["hint"]


def test_uninstall_names_each_file_of_agents_once(local: Clone) -> None:
    local.peer("agent", "install", "codex")
    local.peer("agent", "install", "emacs")
    local.git("add", "AGENTS.md")
    told = local.peer("uninstall").out.splitlines()
    assert "Removed .codex/hooks.json." in told
    stays = [line for line in told if line.startswith("Stays: AGENTS.md")]
    assert len(stays) == 1
    assert stays[0].endswith("`git peer agent remove codex`, `git peer agent remove emacs`")


def test_a_lease_that_is_cut_is_told(local: Clone) -> None:
    local.git("config", "peer.maxTtl", "1d")
    answer = ask(local, "lock", "README.md", "--ttl", "9d", as_="ana")
    (cut,) = answer["notices"]
    assert (cut["code"], cut["ttl"], answer["locks"][0]["ttl"]) == ("cut", 86400, 86400)
    assert cut["message"] == "the lease is 24 h, and not 9 days: peer.maxTtl allows no more"
    assert ask(local, "lock", "docs/", "--ttl", "1h", as_="ana")["notices"] == []


def test_tags_are_pushed_and_branches_deleted(pair: tuple[Clone, Clone]) -> None:
    one, _ = pair
    one.git("tag", "v1")
    one.peer("push", "origin", "v1", "main:refs/heads/x", as_="ana")
    one.peer("push", "--delete", "origin", "x", as_="ana")
    said = [row["says"] for row in one.peer("--json", "log", "--kind", "push.land").objects()]
    assert said == ["ana deleted x", "ana landed work on x; pushed tags/v1"]


def test_a_lock_that_nobody_has_arbitrated_is_marked(pair: tuple[Clone, Clone]) -> None:
    one, _ = pair
    ask(one, "lock", "README.md", "--offline", as_="ana")
    assert "README.md  tentative, lapses in" in one.peer("status", as_="ana").out
