"""Notes on commits: who made them, also after amends and rebases, and how they reach the others."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from git_peer import layout
from git_peer.core.session.naming import mapped
from tests.cli.asking import ask, refused
from tests.world import Clone, World

ZOE, ABE = {"GIT_PEER_SESSION": "zoe"}, {"GIT_PEER_SESSION": "abe"}


def raw(clone: Clone, rev: str = "HEAD") -> list[dict[str, Any]]:
    """The lines that git itself has on a commit, each as often as it stands there."""
    out = clone.git("notes", "--ref=peer", "show", rev, check=False).out
    return [json.loads(line) for line in out.splitlines() if line.strip()]


def told(clone: Clone, rev: str = "HEAD") -> list[dict[str, Any]]:
    """The lines that git-peer tells of a commit."""
    found = ask(clone, "notes", rev)["notes"]
    assert isinstance(found, list)
    return found


def makers(lines: list[dict[str, Any]]) -> list[str]:
    """The sessions of the provenance lines."""
    return [line["session"] for line in lines if line["kind"] == "commit"]


def change(clone: Clone, path: str, text: str, **env: str) -> str:
    """A commit of one file by the session of `env`."""
    clone.write(path, text)
    return clone.commit(f"change {path}", path, env=env)


# -- who made a commit --------------------------------------------------------------------------------
def test_a_commit_says_who_made_it(pair: tuple[Clone, Clone]) -> None:
    """At once, for git itself; with the task and the tokens of the locks that were held then."""
    one, _ = pair
    ask(
        one,
        "plan",
        "import",
        str(one.write("../plan.toml", 'goal = "x"\n[[phases]]\nid = "p"\nname = "p"\n')),
        as_="abe",
    )
    task = ask(one, "task", "add", "serve", "--phase", "p", "--path", "src/", as_="abe")["task"]["id"]
    claimed = ask(one, "task", "claim", task, "--lock", as_="zoe")
    made = change(one, "src/api.py", "x\n", **ZOE)
    (line,) = raw(one)
    session = ask(one, "whoami", as_="zoe")
    assert (line["kind"], line["id"], line["session"], line["task"]) == ("commit", made, "zoe", task)
    assert line["tokens"] == [lock["token"] for lock in claimed["locks"]]
    assert line["sid"] == session.get("sid", line["sid"])
    ask(one, "unlock", "--all", as_="zoe")
    change(one, "src/api.py", "y\n", **ZOE)
    assert "tokens" not in raw(one)[0]
    (view,) = told(one, made)
    assert (view["commit"], view["session"], view["task"], view["tokens"]) == (made, "zoe", task, line["tokens"])
    assert one.git("status", "--porcelain").out == ""
    assert "made by zoe" in one.peer("notes", made).out
    assert '"session":"zoe"' in one.git("log", "-1", "--notes=peer").out


def test_other_sessions(pair: tuple[Clone, Clone]) -> None:
    """An agent by its own session id, in its own work tree; a person; one whom the log does not know."""
    one, _ = pair
    claude = {"CLAUDECODE": "1", "CLAUDE_CODE_SESSION_ID": "3f-1"}
    mine = ask(one, "lock", "src/", env=claude)["session"]
    change(one, "src/api.py", "x\n", **claude)
    assert makers(raw(one)) == [mine]
    assert raw(one)[0]["agent"] == "claude"
    change(one, "docs/guide.md", "y\n", CLAUDECODE="1", CLAUDE_CODE_SESSION_ID="other")
    assert raw(one) == []
    assert makers(told(one)) != [mine]
    tree = one.worktree("second")
    change(tree, "README.md", "z\n", **claude)  # a subagent there is another session
    assert raw(tree) == []
    person = ask(tree, "lock", "docs/")["session"]
    change(tree, "docs/guide.md", "z\n")
    assert makers(raw(tree)) == [person]
    change(one, "README.md", "w\n")
    assert raw(one) == []
    assert makers(told(one)) == [ask(one, "whoami")["session"]] != [person]
    change(one, "README.md", "v\n", GIT_PEER_SESSION="../../x")
    assert [line.get("session") for line in told(one)] in ([], [mapped("../../x")])


def test_what_was_prepared_goes_with_its_session(pair: tuple[Clone, Clone]) -> None:
    """A session that ended, or that lives in another work tree, is not what a commit under its name is."""
    one, _ = pair
    ask(one, "lock", "src/", as_="zoe")
    tree = one.worktree("second")
    change(tree, "docs/guide.md", "x\n", **ZOE)
    assert raw(tree) == []
    ask(one, "session", "end", "zoe", as_="zoe")
    change(one, "docs/guide.md", "x\n", **ZOE)
    assert raw(one) == []
    assert makers(told(one)) == ["zoe"]
    assert "sid" not in told(one)[0]


# -- amend, rebase, cherry-pick -----------------------------------------------------------------------
def test_amends(pair: tuple[Clone, Clone]) -> None:
    """One's own amend tells nothing new; another's is told beside whose it was."""
    one, _ = pair
    ask(one, "lock", "src/", as_="zoe")
    first = change(one, "src/api.py", "x\n", **ZOE)
    for number in range(3):
        one.git("commit", "-q", "--amend", "-m", f"again {number}", env=ZOE)
        assert [line["id"] for line in raw(one)] == [first]
    ask(one, "sync")
    assert [line["id"] for line in raw(one)] == [first]
    assert [line["id"] for line in told(one)] == [first]
    one.git("commit", "-q", "--amend", "-m", "by abe", env=ABE)
    assert makers(told(one)) == ["zoe", "abe"]
    ask(one, "sync")
    assert makers(raw(one)) == ["zoe", "abe"]
    line = told(one)[1]
    assert (line["how"], line["id"]) == ("amend", one.head())
    row = ask(one, "blame", "src/api.py")["lines"][0]
    assert (row["session"], row["others"]) == ("zoe", ["abe"])


@pytest.mark.parametrize("backend", ["--merge", "--apply"])
def test_rebase_keeps_whose_it_was(pair: tuple[Clone, Clone], backend: str) -> None:
    """Whoever rebases does not become who made it; neither in the notes nor for the check of a push."""
    one, _ = pair
    ask(one, "lock", "src/", as_="zoe")
    one.git("switch", "-q", "-c", "topic")
    for number in range(3):
        change(one, f"src/{number}.py", "x\n", **ZOE)
    one.git("switch", "-q", "main")
    change(one, "docs/guide.md", "x\n", **ABE)
    one.git("switch", "-q", "topic")
    before = one.git("rev-list", "main..topic").out.split()
    one.git("rebase", "-q", backend, "main", env=ABE)
    after = one.git("rev-list", "main..topic").out.split()
    assert not set(before) & set(after)
    for _ in range(2):
        for old, new in zip(before, after, strict=True):
            assert [line["id"] for line in raw(one, new)] == [line["id"] for line in told(one, new)] == [old]
            assert makers(raw(one, new)) == ["zoe"]
        ask(one, "sync")
    assert ask(one, "check", "--rev", "main..topic", as_="zoe")["allowed"]
    one.git("push", "-q", "origin", "topic", env=ABE)  # it is zoe's work, and zoe has the lock


def test_squashed_by_a_rebase(pair: tuple[Clone, Clone]) -> None:
    """What a fixup puts together has what both had, once; a commit made by hand on the way is its maker's."""
    one, _ = pair
    ask(one, "lock", "src/", as_="zoe")
    ask(one, "lock", "docs/", as_="abe")
    ids = [change(one, "src/api.py", "x\n", **ZOE), change(one, "docs/guide.md", "x\n", **ABE)]
    last = change(one, "src/auth.py", "x\n", **ZOE)
    edit = {"GIT_SEQUENCE_EDITOR": "sed -i -e '2s/pick/fixup/' -e '2a break'"}
    one.git("rebase", "-q", "-i", "HEAD~3", env={**ABE, **edit})
    by_hand = change(one, "docs/new.md", "x\n", **ABE)
    one.git("rebase", "--continue", env=ABE)
    for _ in range(2):
        found = [{line["id"] for line in told(one, rev)} for rev in ("HEAD~2", "HEAD~1", "HEAD")]
        assert found == [set(ids), {by_hand}, {last}]
        assert Counter(line["id"] for line in raw(one, "HEAD~2")) == Counter(ids)
        ask(one, "sync")


def test_cherry_pick(pair: tuple[Clone, Clone]) -> None:
    """Who picks has made the commit, from another's."""
    one, _ = pair
    for name in ("zoe", "abe"):
        ask(one, "lock", f"{name}/", as_=name)
    one.git("switch", "-q", "-c", "topic")
    made = change(one, "src/api.py", "x\n", **ZOE)
    one.git("switch", "-q", "main")
    one.git("commit", "-q", "--allow-empty", "-m", "apart", env=ABE)
    one.git("cherry-pick", "topic", env=ABE)
    (line,) = raw(one)
    assert (line["session"], line["how"], line["of"]) == ("abe", "cherry-pick", made)


@pytest.mark.parametrize("mode", ["overwrite", "ignore", "concatenate", "cat_sort_uniq"])
def test_no_mode_loses_a_line(pair: tuple[Clone, Clone], mode: str) -> None:
    """Whatever the user wants of git when notes meet; also with no copying at all."""
    one, _ = pair
    ask(one, "lock", "src/", as_="zoe")
    one.git("config", "notes.rewriteMode", mode)
    made = change(one, "src/api.py", "x\n", **ZOE)
    one.git("commit", "-q", "--amend", "-m", "a", env=ABE)
    one.git("-c", "notes.rewrite.amend=false", "commit", "-q", "--amend", "-m", "b", env=ABE)
    assert told(one)[0]["id"] == made
    ask(one, "sync")
    assert makers(raw(one)) == ["zoe", "abe"]
    assert one.git("config", "notes.rewriteMode").line == mode


def test_without_a_reflog_and_detached(pair: tuple[Clone, Clone]) -> None:
    """Where git's own files do not tell, the hook asks git."""
    one, _ = pair
    ask(one, "lock", "src/", as_="zoe")
    one.git("config", "core.logAllRefUpdates", "false")
    (one.common / "logs/HEAD").unlink()
    one.git("switch", "-q", "--detach")
    made = change(one, "src/api.py", "x\n", **ZOE)
    assert [line["id"] for line in raw(one)] == [made]
    one.git("pack-refs", "--all")
    one.git("switch", "-q", "main")
    made = change(one, "src/api.py", "y\n", **ZOE)
    assert [line["id"] for line in raw(one)] == [made]


# -- what the hook could not note -----------------------------------------------------------------------
def test_what_the_hook_could_not_note(pair: tuple[Clone, Clone]) -> None:
    """A ref that is locked, and notes that somebody else's git undid: readers tell it, sync brings it back."""
    one, two = pair
    ask(one, "lock", "src/", as_="zoe")
    lock = one.common / f"{layout.NOTES}.lock"
    lock.write_text("")
    made = [change(one, "src/api.py", "x\n", **ZOE)]
    lock.unlink()
    assert raw(one) == []
    assert makers(told(one)) == ["zoe"]
    assert raw(one) == []  # who reads writes nothing
    ask(one, "sync")
    assert makers(raw(one)) == ["zoe"]
    made.append(change(one, "src/api.py", "y\n", **ZOE))
    one.git("update-ref", "-d", layout.NOTES)
    made.append(change(one, "src/api.py", "z\n", **ZOE))
    ask(one, "sync")
    ask(two, "sync")
    for clone in pair:
        assert [[line["id"] for line in raw(clone, ident)] for ident in made] == [[ident] for ident in made]
    one.git("notes", "--ref=peer", "add", "-f", "-m", "a person's words", made[0])
    ask(one, "sync")
    assert [line["kind"] for line in told(one, made[0])] == ["commit", "text"]
    assert told(one, made[0])[1]["text"] == "a person's words"


def test_a_record_that_is_torn(pair: tuple[Clone, Clone]) -> None:
    """Lines that nobody can read are passed over, and what follows counts."""
    one, _ = pair
    ask(one, "lock", "src/", as_="zoe")
    with (one.common / "peer/commits").open("ab") as file:
        file.write(b"\xff\0 \n> amend x y\n" + b"a" * 40 + b" . zoe - - 12 commit - {\n\n> rebase " + b"0" * 40 + b"\n")
    change(one, "src/api.py", "x\n", **ZOE)
    ask(one, "sync")
    assert makers(raw(one)) == ["zoe"]


# -- travelling -----------------------------------------------------------------------------------------
def test_they_travel(pair: tuple[Clone, Clone], world: World) -> None:
    """With sync and with push, in the very push of the log; a lock carries none."""
    one, two = pair
    ask(one, "lock", "src/", as_="zoe")
    first = change(one, "src/api.py", "x\n", **ZOE)
    assert ask(one, "lock", "docs/", as_="zoe")["traffic"] == {"pushes": 1, "fetches": 0}
    assert layout.NOTES not in world.refs()
    done = ask(one, "push", as_="zoe")
    assert done["traffic"] == {"pushes": 1, "fetches": 0}
    assert [row["ref"] for row in done["pushed"]] == ["refs/heads/main"]
    assert layout.NOTES in world.refs()
    assert ask(two, "sync")["traffic"] == {"pushes": 0, "fetches": 1}
    two.git("pull", "-q")
    assert makers(raw(two, first)) == ["zoe"]
    ask(two, "lock", "b/", as_="abe")
    second = change(two, "b/b", "x\n", **ABE)
    change(one, "src/api.py", "y\n", **ZOE)
    assert ask(one, "sync")["traffic"] == {"pushes": 1, "fetches": 1}
    done = ask(two, "push", as_="abe")  # somebody's notes came first: a fetch and a push more
    assert done["traffic"] == {"pushes": 2, "fetches": 1}
    assert ask(one, "sync")["traffic"] == {"pushes": 0, "fetches": 1}
    assert makers(raw(one, second)) == ["abe"]
    assert ask(two, "sync")["traffic"] == {"pushes": 0, "fetches": 1}
    assert ask(two, "push", as_="abe")["traffic"] == {"pushes": 0, "fetches": 0}
    assert one.git("rev-parse", layout.NOTES).line == two.git("rev-parse", layout.NOTES).line


def test_notes_that_came_later_go_along(pair: tuple[Clone, Clone]) -> None:
    """Another clone's commit is rebased here before its note has arrived."""
    one, two = pair
    ask(one, "lock", "src/", as_="zoe")
    one.git("switch", "-q", "-c", "topic")
    made = change(one, "src/api.py", "x\n", **ZOE)
    one.git("push", "-q", "origin", "topic", env=ZOE)
    two.git("fetch", "-q")
    change(two, "b", "x\n", **ABE)
    two.git("switch", "-q", "-c", "mine", "origin/topic")
    two.git("rebase", "-q", "main", env=ABE)
    two.git("commit", "-q", "--amend", "-m", "more", env=ABE)
    assert makers(told(two)) == ["abe"]
    ask(one, "sync")
    ask(two, "sync")
    assert makers(raw(two)) == makers(told(two)) == ["zoe", "abe"]
    assert raw(two)[0]["id"] == made


def test_a_remote_that_takes_no_notes(pair: tuple[Clone, Clone], world: World) -> None:
    """The push goes on without them, and says so once."""
    one, _ = pair
    hook = world.remote / "hooks/update"
    hook.write_text("#!/bin/sh\ncase $1 in refs/notes/*) echo no notes >&2; exit 1 ;; esac\n")
    hook.chmod(0o755)
    ask(one, "lock", "src/", as_="zoe")
    change(one, "src/api.py", "x\n", **ZOE)
    done = ask(one, "push", as_="zoe")
    assert [notice["code"] for notice in done["notices"]] == ["notes"]
    assert "hook declined" in done["notices"][0]["message"]
    assert world.refs()["refs/heads/main"] == one.head()
    change(one, "src/api.py", "y\n", **ZOE)
    done = ask(one, "push", as_="zoe")
    assert (done["notices"], done["traffic"]["pushes"]) == ([], 1)
    assert [notice["code"] for notice in ask(one, "sync")["notices"]] == ["notes"]
    assert makers(raw(one)) == ["zoe"]
    hook.unlink()
    assert ask(one, "sync")["notices"] == []
    assert layout.NOTES in world.refs()
    hook.write_text("#!/bin/sh\necho nothing at all >&2\nexit 1\n")
    hook.chmod(0o755)
    change(one, "src/api.py", "z\n", **ZOE)
    refused(one, "rejected", "push", as_="zoe")
    hook.rename(world.remote / "hooks/pre-receive")
    refused(one, "rejected", "push", as_="zoe")


def test_a_remote_whose_notes_are_gone(pair: tuple[Clone, Clone], world: World) -> None:
    """They are pushed again."""
    one, _ = pair
    ask(one, "lock", "src/", as_="zoe")
    change(one, "src/api.py", "x\n", **ZOE)
    ask(one, "sync")
    Clone(world, world.remote).git("update-ref", "-d", layout.NOTES)
    change(one, "src/api.py", "y\n", **ZOE)
    ask(one, "sync")
    assert world.refs()[layout.NOTES] == one.git("rev-parse", layout.NOTES).line


def test_local_mode(local: Clone) -> None:
    """Sync completes them, and no network is asked."""
    ask(local, "lock", "src/", as_="zoe")
    change(local, "docs/guide.md", "x\n", **ABE)
    assert raw(local) == []
    assert ask(local, "sync")["traffic"] == {"pushes": 0, "fetches": 0}
    assert makers(raw(local)) == ["abe"]


def test_landed_by_a_squash(pair: tuple[Clone, Clone]) -> None:
    """What was noted on the branch's commits is found on the one that brought their content, and on picks."""
    one, two = pair
    ask(one, "lock", "src/", as_="zoe")
    one.git("switch", "-q", "-c", "topic")
    made = [change(one, "src/api.py", "x\n", **ZOE), change(one, "src/auth.py", "x\n", **ZOE)]
    one.git("switch", "-q", "-c", "unrelated", "main")
    change(one, "src/other.py", "x\n", **ZOE)
    one.git("switch", "-q", "main")
    one.git("merge", "-q", "--squash", "topic")
    one.commit("squashed", env=ZOE)
    ask(one, "push", as_="zoe")
    ask(two, "sync")
    two.git("pull", "-q")
    assert {line["id"] for line in raw(two)} == {*made, one.head()}
    # as a hosting site does it: elsewhere, and seen by a fetch
    one.git("switch", "-q", "-c", "later")
    made = [change(one, "src/api.py", "y\n", **ZOE)]
    one.git("push", "-q", "origin", "later", env=ZOE)
    two.git("fetch", "-q")
    two.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "--allow-empty", "-m", "apart")
    two.git("-c", "core.hooksPath=/dev/null", "cherry-pick", "origin/later")
    two.git("push", "-q", "--no-verify", "origin", "main")
    one.git("fetch", "-q")
    ask(one, "sync")
    assert [line["id"] for line in raw(one, "origin/main")] == made
    assert Counter(line["id"] for line in raw(one, "later")) == Counter(made)


# -- what else is noted ---------------------------------------------------------------------------------
def test_deltas_debates_and_tests(pair: tuple[Clone, Clone]) -> None:
    """On the commit that they are about, with the whole transcript; in both clones after a sync."""
    one, two = pair
    ask(one, "lock", "src/", as_="zoe")
    made = change(one, "src/api.py", "x\n", **ZOE)
    ask(one, "push", as_="zoe")
    two.git("pull", "-q")
    delta = ask(one, "push-delta", "--type", "discovery", "--summary", "It is slow", "--commit", "HEAD", as_="zoe")[
        "delta"
    ]
    assert [line["kind"] for line in raw(one)] == ["commit", "delta"]
    ask(two, "sync")
    start = ("debate", "start", "--topic", "Speed", "--position", "Cache it", "--delta", delta["id"], "--with", "zoe")
    debate = ask(two, *start, as_="abe")["debate"]["id"]
    ask(one, "sync")
    ask(one, "debate", "respond", debate, "--message", "Well", "--propose", "Cache for 5 s", as_="zoe")
    ask(two, "sync")
    ask(two, "debate", "respond", debate, "--message", "Good", "--accept", as_="abe")
    for clone in (two, one):
        ask(one, "sync")
        line = next(line for line in raw(clone, made) if line["kind"] == "debate")
        assert (line["id"], line["outcome"], line["decision"]) == (debate, "agreed", "Cache for 5 s")
        assert [(turn["session"], turn["message"]) for turn in line["turns"]] == [
            ("abe", "Cache it"), ("zoe", "Well"), ("abe", "Good"),
        ]  # fmt: skip
        ask(two, "sync")
    row = ask(two, "blame", "src/api.py")["lines"][0]
    assert (row["session"], row["debate"]) == ("zoe", debate)
    assert "  | Cache for 5 s" in two.peer("notes", made).out

    plan = 'goal = "x"\n[[phases]]\nid = "p"\nname = "p"\n'
    ask(one, "plan", "import", str(one.write("../plan.toml", plan)), as_="ana")
    task = ask(one, "task", "add", "serve", "--phase", "p", "--accept", "echo seen; false", as_="ana")["task"]["id"]
    ask(one, "task", "claim", task, as_="zoe")
    ask(one, "task", "result", task, "--run", as_="zoe")
    line = next(line for line in raw(one) if line["kind"] == "test")
    assert (line["task"], line["passed"], line["command"]) == (task, False, "echo seen; false")
    assert "seen" in line["output"]
    kinds = Counter(line["kind"] for line in raw(one))
    assert kinds == {"commit": 1, "delta": 1, "debate": 1, "test": 1}


# -- blame ----------------------------------------------------------------------------------------------
def test_blame(pair: tuple[Clone, Clone]) -> None:
    """Each line's session and task; whoever has no note has only an author; what is not committed has no commit."""
    one, _ = pair
    ask(one, "lock", "src/", as_="zoe")
    text = one.read("src/api.py")
    made = change(one, "src/api.py", f"{text}# more\x0c\x85\u2028here\n", **ZOE)
    one.write("src/api.py", one.read("src/api.py") + "draft")
    rows = ask(one, "blame", "api.py", cwd="src")["lines"]
    assert [row["line"] for row in rows] == [1, 2, 3, 4]
    assert [row["session"] for row in rows] == [None, None, "zoe", None]
    assert [row["commit"] for row in rows[2:]] == [made, None]
    assert rows[0]["author"] == "Test Person"
    assert rows[2]["text"] == "# more\x0c\x85\u2028here"
    assert set(rows[0]) == {"line", "commit", "session", "agent", "task", "debate", "author", "text"}
    assert [row["line"] for row in ask(one, "blame", "-L", "2,3", ":(top)src/api.py", cwd="docs")["lines"]] == [2, 3]
    assert len(ask(one, "blame", "--rev", "HEAD", "src/api.py")["lines"]) == 3
    said = one.peer("blame", "src/api.py").out
    assert f"{made[:12]} zoe" in said
    assert "(Test Person)" in said
    assert "\x0c" not in said


def test_blame_of_what_is_not_there(pair: tuple[Clone, Clone]) -> None:
    """Errors of the contract, and nothing is written."""
    one, _ = pair
    one.write("new.txt", "x\n")
    for code, *args in (
        ("not_found", "new.txt"), ("not_found", "gone.txt"), ("usage", "-L", "9,9x", "src/api.py"),
        ("usage", "-L", "99,100", "src/api.py"), ("usage", "--rev", "nothing", "src/api.py"), ("usage", "../x"),
        ("usage", "--rev", "--output=x", "src/api.py"), ("not_found", "src"), ("not_found", "-L"),
    ):  # fmt: skip
        refused(one, "usage" if args == ["-L"] else code, "blame", *args)
    refused(one, "usage", "notes", "nothing")
    assert not (one.path / "x").exists()


def test_blame_of_odd_files(pair: tuple[Clone, Clone]) -> None:
    """Bytes that are no UTF-8, in the path and in the file; an empty file; one of 60,000 lines."""
    one, _ = pair
    ask(one, "lock", "odd/", as_="zoe")
    name = "odd/\udcff %25.txt"
    one.write(name, b"caf\xe9\r\n\xff\0\n")
    one.write("odd/empty", "")
    one.write("odd/big", "".join(f"line {number}\n" for number in range(60_000)))
    one.commit("odd", env=ZOE)
    found = ask(one, "blame", name)
    assert (found["path"], found["path_encoding"]) == ("odd/%FF %2525.txt", "percent")
    assert [(row["session"], row["text"]) for row in found["lines"]] == [("zoe", "caf\ufffd\r"), ("zoe", "\ufffd\0")]
    assert ask(one, "blame", "odd/empty")["lines"] == []
    big = ask(one, "blame", "odd/big")["lines"]
    assert len(big) == 60_000
    assert {row["session"] for row in big} == {"zoe"}


# -- git stays git --------------------------------------------------------------------------------------
def test_it_comes_out_without_a_trace(world: World) -> None:
    """Beside a user's own values; init again repairs, and adds nothing twice."""
    one = world.clone("one")
    one.git("config", "--add", "notes.rewriteRef", "refs/notes/commits")
    one.git("config", "notes.displayRef", "refs/notes/*")
    config = (one.common / "config").read_bytes()
    refs = one.git("for-each-ref").out
    one.peer("init", "--remote", "origin")
    for _ in range(2):
        assert one.git("config", "--get-all", "notes.rewriteRef").out.split() == ["refs/notes/commits", layout.NOTES]
        one.git("config", "--unset", "notes.rewriteRef", "peer")
        one.peer("init")
    ask(one, "lock", "src/", as_="zoe")
    change(one, "src/api.py", "x\n", **ZOE)
    one.git("notes", "add", "-m", "mine")
    one.git("commit", "-q", "--amend", "-m", "again", env=ZOE)
    assert one.git("notes", "show").line == "mine"
    said = one.git("log", "-1").out
    assert "mine" in said
    assert '"session":"zoe"' in said
    ask(one, "sync")
    one.git("reset", "-q", "--hard", "HEAD~1")
    one.git("update-ref", "-d", "refs/notes/commits")
    one.peer("uninstall", "--purge", "--yes")
    assert (one.common / "config").read_bytes() == config
    assert one.git("for-each-ref").out == refs
    assert not (one.common / "refs/notes").exists()
    assert set(world.refs()) == {"refs/heads/main"}


def test_a_users_own_value_stays(world: World) -> None:
    """Who has had git copy these notes before keeps that."""
    one = world.clone("one")
    one.git("config", "notes.rewriteRef", layout.NOTES)
    config = (one.common / "config").read_bytes()
    one.peer("init", "--local")
    assert one.git("config", "--get-all", "notes.rewriteRef").out.split() == [layout.NOTES]
    one.peer("uninstall", "--purge", "--yes")
    assert (one.common / "config").read_bytes() == config


def test_the_users_pushes(pair: tuple[Clone, Clone], world: World) -> None:
    """`git push --all` sends no notes; who pushes notes of their own may add ours, and may not take any away."""
    one, two = pair
    ask(one, "lock", "src/", as_="zoe")
    change(one, "src/api.py", "x\n", **ZOE)
    one.git("push", "-q", "--all", "origin", env=ZOE)
    assert layout.NOTES not in world.refs()
    one.git("notes", "add", "-m", "mine")
    one.git("push", "-q", "origin", "refs/notes/*")
    assert world.refs()[layout.NOTES] == one.git("rev-parse", layout.NOTES).line
    for refspec in (f":{layout.NOTES}", f"+{two.git('rev-parse', layout.NOTES).line}:{layout.NOTES}"):
        ran = two.git("push", "-q", "origin", refspec, check=False)
        assert ran.status
        assert "only git-peer writes it" in ran.err
    assert world.refs()[layout.NOTES] == one.git("rev-parse", layout.NOTES).line


def test_a_fetch_that_forces(pair: tuple[Clone, Clone]) -> None:
    """A user's fetch of all notes puts the remote's in place of ours: nothing is lost by that."""
    one, two = pair
    for clone, name in ((one, "zoe"), (two, "abe")):
        ask(clone, "lock", f"{name}/", as_=name)
        change(clone, f"{name}/x", "x\n", GIT_PEER_SESSION=name)
    ask(one, "sync")
    two.git("fetch", "-q", "origin", "+refs/notes/*:refs/notes/*")
    assert raw(two) == []
    assert makers(told(two)) == ["abe"]
    ask(two, "sync")
    assert makers(raw(two)) == ["abe"]
    ask(one, "sync")
    assert makers(raw(one, two.head())) == ["abe"]


def test_a_copied_clone(pair: tuple[Clone, Clone], tmp_path: Path) -> None:
    """It is another clone, and what it noted goes on its way from there."""
    import shutil

    one, two = pair
    ask(one, "lock", "src/", as_="zoe")
    change(one, "src/api.py", "x\n", **ZOE)
    shutil.copytree(one.path, tmp_path / "copy", symlinks=True)
    copy = Clone(one.world, tmp_path / "copy")
    ask(copy, "lock", "docs/", as_="cat")
    change(copy, "docs/guide.md", "x\n", GIT_PEER_SESSION="cat")
    assert makers(raw(copy)) == ["cat"]
    ask(copy, "sync")
    ask(two, "sync")
    assert makers(raw(two, copy.head())) == ["cat"]
