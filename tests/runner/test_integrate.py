"""Integration: what is finished comes together in order, what does not fit is told and stops only what needs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pygit2
import pytest
from pygit2.enums import ObjectType

from git_peer.core.errors import PeerError
from git_peer.ops.integration_branch import Branch
from git_peer.ports import Job
from tests.cli.asking import ask, refused
from tests.runner.integration import LINES, Shell, Team, integrate, peer_in
from tests.world import Clone, World, start

BRANCH = "refs/heads/peer/integration"


@pytest.fixture(autouse=True)
def _stays() -> Iterator[None]:
    """A Peer of this process works where the process stands."""
    before = Path.cwd()
    yield
    os.chdir(before)


@pytest.fixture
def team(pair: tuple[Clone, Clone]) -> Team:
    """Workers in one clone; integrators in either."""
    return Team(pair[0])


@pytest.fixture
def other(pair: tuple[Clone, Clone]) -> Clone:
    """The other clone."""
    return pair[1]


def files(clone: Clone, rev: str) -> dict[str, str]:
    """Path → text of a commit."""
    out = clone.git("ls-tree", "-r", "-z", "--name-only", rev).out
    return {path: clone.git("cat-file", "blob", f"{rev}:{path}").out for path in out.split("\0") if path}


def by_task(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Rows of an answer by their task."""
    return {str(row["task"]): row for row in rows}


def _edit(line: int, text: str) -> str:
    return LINES.replace(f"line {line}\n", f"{text}\n")


def test_from_review_to_one_branch(team: Team, other: Clone, world: World) -> None:
    base = team.clone.head()
    one = team.add("the parser", "--accept", "test -f parser.py", "--path", "parser.py")
    two = team.add("the docs", "--path", "docs/guide.md")
    first = team.hand_in(one, team.commit(base, {"parser.py": "x = 1\n"}), lock=True)
    second = team.hand_in(two, team.commit(base, {"docs/guide.md": "More.\n"}))
    before = (other.git("for-each-ref", "refs/heads", "refs/remotes").out, other.git("status", "--porcelain=v2").out)
    box = Shell()
    done = integrate(other, box)
    assert done["merged"] == [one, two]
    assert (done["conflicts"], done["failed"], done["stopped"], done["partial"]) == ([], [], [], False)
    assert done["head"] == world.refs()[BRANCH]
    assert (
        other.git("for-each-ref", "refs/heads", "refs/remotes").out,
        other.git("status", "--porcelain=v2").out,
    ) == before
    assert done["accepted"] == [one, two]
    team.clone.peer("sync")
    assert [team.status(one), team.status(two)] == ["done", "done"]
    assert ask(team.clone, "locks")["locks"] == []
    merged = files(other, done["head"])
    assert (merged["parser.py"], merged["docs/guide.md"]) == ("x = 1\n", "More.\n")
    assert other.git("rev-list", "--parents", "-1", done["head"]).line.split()[1:] == [first, second]
    message = other.git("show", "-s", "--format=%B", done["head"]).out
    assert f"Peer-Task: {two}" in message
    assert "Peer-Session: integrator" in message
    result = ask(team.clone, "task", "show", one)["task"]["result"]
    assert (result["commit"], result["passed"], result["by"]) == (first, True, "integrator")
    team.clone.git("fetch", "-q", "origin")
    noted = ask(team.clone, "notes", done["head"])["notes"]
    assert [(row["session"], row["task"]) for row in noted if row["kind"] == "commit"] == [("integrator", two)]
    assert [row["passed"] for row in ask(team.clone, "notes", first)["notes"] if row["kind"] == "test"] == [True]
    summary = done["summary"]
    assert [row["task"] for row in summary["built"]] == [one, two]
    assert {(row["path"], row["status"]) for row in summary["files"]} == {("parser.py", "A"), ("docs/guide.md", "M")}
    assert summary["tests"]["commands"] == [{"command": "test -f parser.py", "passed": True}]
    assert summary["pull_request"]["commands"][0] == "git fetch origin peer/integration"
    # What was tried on one tree is not tried on it again: the task alone, and with the other on top.
    assert box.ran == [(one, "test -f parser.py")] * 2


def test_a_second_run_finds_nothing_new(team: Team, other: Clone, world: World) -> None:
    base = team.clone.head()
    good, bad = team.add("good", "--accept", "true"), team.add("bad", "--accept", "false")
    team.hand_in(good, team.commit(base, {"a": "1\n"}))
    team.hand_in(bad, team.commit(base, {"b": "2\n"}))
    first = integrate(other, Shell())
    assert (first["merged"], [row["task"] for row in first["failed"]], len(first["deltas"])) == ([good], [bad], 1)
    before = world.refs()
    log = before.pop("refs/heads/peer/coordination")
    box = Shell()
    again = integrate(other, box)
    assert (again["merged"], again["accepted"], again["deltas"], again["head"]) == ([], [], [], first["head"])
    assert [row["task"] for row in again["failed"]] == [bad]
    assert box.ran == []  # what was recorded of a commit is not tried again
    after = world.refs()
    assert (after.pop("refs/heads/peer/coordination"), after) == (log, before)
    # Nor once its worker has answered, and the delta has left the tree; nor from another clone.
    ask(team.clone, "ack", first["deltas"][0], as_=f"worker-{bad}")
    assert integrate(team.clone, Shell(), name="another")["deltas"] == []


def test_a_conflict_stops_what_depends_on_it_and_nothing_else(team: Team, other: Clone) -> None:
    root = team.commit(team.clone.head(), {"a b\nc": LINES})
    team.clone.git("push", "-q", "--no-verify", "origin", f"{root}:refs/heads/main")
    one, two, free = team.add("one"), team.add("two", "--path", "a b*"), team.add("free")
    team.hand_in(one, team.commit(root, {"a b\nc": _edit(3, "one")}))
    theirs = team.hand_in(two, team.commit(root, {"a b\nc": _edit(3, "two")}))
    team.hand_in(free, team.commit(root, {"free": "f\n"}))
    after = team.add("after", "--after-task", one)
    done = integrate(other, Shell())
    assert done["merged"] == [one, free]
    assert done["conflicts"] == [{"task": two, "paths": ["a b\nc"], "with": [one], "commit": theirs}]
    team.clone.peer("sync")
    delta = team.deltas()[-1]
    assert (delta["severity"], delta["type"], delta["tasks"]) == ("blocking", "blocker", [two, one])
    assert (delta["to"], delta["commit"]) == ([f"worker-{two}", f"worker-{one}"], theirs)
    assert delta["paths"] == ["a b\nc"] or "a b" in delta["paths"][0]
    assert [team.status(one), team.status(two), team.status(free)] == ["done", "review", "done"]
    # The one that waits for what was merged goes on; the one that waits for the conflict does not.
    team.hand_in(after, team.commit(root, {"after": "x\n"}))
    team.clone.peer("task", "merge-point", two, as_="somebody")
    team.clone.peer("task", "done", two, as_="somebody")
    late = team.add("late", "--after-task", two)
    team.hand_in(late, team.commit(root, {"late": "x\n"}))
    again = integrate(other, Shell())
    assert again["merged"] == [after]
    assert [(row["task"], row["waits_for"]) for row in again["stopped"]] == [(late, [two])]
    assert again["deltas"] == []
    # Mended by its worker, on top of what is there, both are merged.
    head = again["head"]
    team.clone.git("fetch", "-q", "origin")
    team.clone.peer("task", "reopen", two, as_="planner")
    mended = team.commit(head, {"a b\nc": _edit(3, "both")})
    team.hand_in(two, mended)
    final = integrate(other, Shell())
    assert (final["merged"], final["conflicts"], final["stopped"]) == ([two, late], [], [])


def test_an_acceptance_that_fails_on_the_merged_tree_only(team: Team, other: Clone) -> None:
    base = team.clone.head()
    one = team.add("one", "--accept", "test -f a")
    two = team.add("two", "--accept", "test ! -f a || test ! -f b; r=$?; echo tried; exit $r")
    team.hand_in(one, team.commit(base, {"a": "1\n"}))
    team.hand_in(two, team.commit(base, {"b": "2\n"}))
    done = integrate(other, Shell())
    assert done["merged"] == [one]
    failed = by_task(done["failed"])[two]
    assert (failed["why"], "tried" in failed["output"]) == ("merged", True)
    team.clone.peer("sync")
    task = ask(team.clone, "task", "show", two)["task"]
    assert (task["status"], task["result"]["passed"]) == ("review", True)  # on its own commit it passed
    assert "a" in files(other, done["head"])
    assert "b" not in files(other, done["head"])
    assert "tried" in team.deltas()[-1]["body"]


def test_what_breaks_an_earlier_task_is_left_out(team: Team, other: Clone) -> None:
    base = team.clone.head()
    idents = [team.add(f"number {n}", "--accept", f"test -f f{n}") for n in range(4)]
    strict = team.add("strict", "--accept", "test -f README.md")
    guard = team.add("guard", "--accept", "test ! -f f2", "--priority", "9")
    team.hand_in(guard, team.commit(base, {"guard": "g\n"}))
    for number, ident in enumerate(idents):
        team.hand_in(ident, team.commit(base, {f"f{number}": "x\n"}))
    team.hand_in(strict, team.commit(base, {"s": "s\n"}))
    done = integrate(other, Shell())
    # The guard comes last in the plan: its own acceptance fails there, and none of the others is to blame.
    assert done["merged"] == [*idents, strict]
    assert by_task(done["failed"])[guard]["why"] == "merged"


def test_the_offender_is_found_among_many(team: Team, other: Clone) -> None:
    base = team.clone.head()
    guard = team.add("guard", "--accept", "test ! -f f2")
    idents = [team.add(f"number {n}", "--accept", f"test -f f{n}") for n in range(5)]
    needs = team.add("needs the third", "--accept", "true")
    team.hand_in(guard, team.commit(base, {"guard": "g\n"}))
    for number, ident in enumerate(idents):
        team.hand_in(ident, team.commit(base, {f"f{number}": "x\n"}))
    team.hand_in(needs, team.commit(base, {"needs": "x\n"}))
    ask(team.clone, "task", "edit", needs, "--after-task", idents[2], as_="planner")
    done = integrate(other, Shell())
    assert done["merged"] == [guard, *(one for one in idents if one != idents[2])]
    failed = by_task(done["failed"])
    assert list(failed) == [idents[2]]
    assert (failed[idents[2]]["why"], failed[idents[2]]["with"]) == ("breaks", [guard])
    assert [(row["task"], row["waits_for"]) for row in done["stopped"]] == [(needs, [idents[2]])]
    names = files(other, done["head"])
    assert [f"f{n}" in names for n in range(5)] == [True, True, False, True, True]
    # Also when what it breaks was merged by an earlier run.
    again = integrate(other, Shell())
    assert (again["merged"], by_task(again["failed"])[idents[2]]["with"], again["deltas"]) == ([], [guard], [])


def test_what_others_broke_before_is_told_and_blames_no_merge(team: Team, other: Clone) -> None:
    base = team.clone.head()
    guard, one, two = team.add("guard", "--accept", "test ! -f bad"), team.add("one"), team.add("two")
    team.hand_in(guard, team.commit(base, {"guard": "g\n"}))
    head = integrate(other, Shell())["head"]
    team.clone.git("fetch", "-q", "origin")
    broken = team.commit(head, {"bad": "b\n"})
    team.clone.git("push", "-q", "--no-verify", "origin", f"{broken}:{BRANCH}")
    team.hand_in(one, team.commit(base, {"a": "1\n"}))
    done = integrate(other, Shell())
    assert (done["merged"], done["broken"], len(done["deltas"])) == ([one], [guard], 1)
    team.hand_in(two, team.commit(base, {"b": "1\n"}))
    again = integrate(other, Shell())
    assert (again["merged"], again["broken"], again["deltas"]) == ([two], [guard], [])


def test_what_has_landed_is_not_tried_for_ever(team: Team, other: Clone, world: World) -> None:
    base = team.clone.head()
    one, two = team.add("one", "--accept", "test -f a"), team.add("two", "--accept", "test -f b")
    team.hand_in(one, team.commit(base, {"a": "1\n"}))
    integrate(other, Shell())
    start(("git", "update-ref", "refs/heads/main", world.refs()[BRANCH]), world.remote).finish(0)
    team.hand_in(two, team.commit(base, {"b": "1\n"}))
    box = Shell()
    assert integrate(other, box)["merged"] == [two]
    assert {label for label, _ in box.ran} == {two}


def test_another_integrator_was_faster(team: Team, other: Clone, world: World) -> None:
    base = team.clone.head()
    one, two = team.add("one", "--accept", "true"), team.add("two", "--accept", "test -f b")
    team.hand_in(one, team.commit(base, {"a": "1\n"}))
    team.hand_in(two, team.commit(base, {"b": "2\n"}))
    theirs = team.commit(base, {"theirs": "t\n"})
    raced: list[str] = []

    def race(job: Job) -> None:
        if job.label == two and not raced:
            raced.append(two)
            team.clone.git("push", "-q", "--no-verify", "origin", f"{theirs}:{BRANCH}")

    done = integrate(other, Shell(race))
    assert raced == [two]
    assert done["merged"] == [one, two]
    assert done["head"] == world.refs()[BRANCH]
    assert {"a", "b", "theirs"} <= files(other, done["head"]).keys()
    assert team.clone.git("merge-base", "--is-ancestor", theirs, theirs).status == 0


def test_two_integrators_at_once_do_everything_once(team: Team, other: Clone, world: World) -> None:
    base = team.clone.head()
    idents = [team.add(f"task {n}") for n in range(4)]
    for number, ident in enumerate(idents):
        team.hand_in(ident, team.commit(base, {f"f{number}": "x\n"}))
    running = [clone.start_peer("--json", "integrate", as_=f"i-{clone.name}") for clone in (team.clone, other)]
    answers = [one.finish(0).json() for one in running]
    assert {answer["head"] for answer in answers if answer["merged"]} == {world.refs()[BRANCH]}
    team.clone.peer("sync")
    shown = [ask(team.clone, "task", "show", ident) for ident in idents]
    assert [one["task"]["status"] for one in shown] == ["done"] * 4
    assert [[row["what"] for row in one["history"]].count("done") for one in shown] == [1] * 4
    names = files(team.clone if answers[0]["merged"] else other, world.refs()[BRANCH])
    assert {f"f{n}" for n in range(4)} <= names.keys()


_KILLED = """
import os, sys
from tests.runner.integration import Shell, peer_in
from git_peer.ops import integrate as integrating
from tests.world import Clone
from pathlib import Path
from git_peer.ops import integration_end
where = sys.argv[1]
def die(*_):
    os.kill(os.getpid(), 9)
seen = []
def first(job):
    seen.append(job)
    if where == "trial" and len(seen) == 2:
        die()
if where == "landed":
    integration_end.finish = die
from types import SimpleNamespace
peer = peer_in(SimpleNamespace(path=Path.cwd()), "killed")
integrating.integrate(peer, Shell(first), integrating.Options(), lambda _: None)
"""


@pytest.mark.parametrize("where", ["trial", "landed"])
def test_killed_in_the_middle(team: Team, other: Clone, world: World, where: str) -> None:
    base = team.clone.head()
    idents = [team.add(f"task {n}", "--accept", f"test -f f{n}") for n in range(2)]
    for number, ident in enumerate(idents):
        team.hand_in(ident, team.commit(base, {f"f{number}": "x\n"}))
    root = str(Path(__file__).parents[2])
    start((sys.executable, "-P", "-c", _KILLED, where), other.path, {"PYTHONPATH": root}).finish(-9)
    team.clone.peer("sync")
    assert [team.status(ident) for ident in idents] == ["review", "review"]
    assert (BRANCH in world.refs()) is (where == "landed")
    done = integrate(other, Shell())
    assert done["merged"] == ([] if where == "landed" else idents)
    assert done["accepted"] == idents
    assert {"f0", "f1"} <= files(other, world.refs()[BRANCH]).keys()
    team.clone.peer("sync")
    assert [team.status(ident) for ident in idents] == ["done", "done"]


def test_renames_and_names_of_any_bytes(team: Team, other: Clone) -> None:
    odd = os.fsdecode(b"caf\xe9 \n\xff")
    root = team.commit(team.clone.head(), {"old name": LINES, odd: LINES})
    team.clone.git("push", "-q", "--no-verify", "origin", f"{root}:refs/heads/main")
    moves, edits, clashes = team.add("moves", "--accept", "test -f 'new name'"), team.add("edits"), team.add("clashes")
    team.hand_in(moves, team.commit(root, {"old name": None, "new name": LINES, odd: _edit(1, "moved")}))
    team.hand_in(edits, team.commit(root, {"old name": _edit(9, "edited")}))
    team.hand_in(clashes, team.commit(root, {odd: _edit(1, "clashed")}))
    done = integrate(other, Shell())
    assert done["merged"] == [moves, edits]
    raw = other.git("cat-file", "blob", f"{done['head']}:new name").out
    assert raw == _edit(9, "edited")
    assert done["conflicts"][0]["paths"] == [odd]
    answer = refused(other, "failed", "integrate", as_="integrator")  # as JSON, whose text is UTF-8
    assert answer["conflicts"][0]["paths"] == ["caf%E9 \n%FF"]


def test_a_branch_that_vanished(team: Team, other: Clone, world: World) -> None:
    base = team.clone.head()
    one, two = team.add("one"), team.add("two")
    team.hand_in(one, team.commit(base, {"a": "1\n"}))
    team.hand_in(two, team.commit(base, {"b": "2\n"}))
    team.clone.git("push", "-q", "--no-verify", "origin", f":refs/heads/peer/task/{one}")
    start(("git", "prune", "--expire=now"), world.remote).finish(0)
    done = integrate(other, Shell())
    assert done["merged"] == [two]
    assert by_task(done["failed"])[one]["why"] == "missing"
    # It is found again where it is pushed again, or by its id where the branch has moved on.
    commit = ask(team.clone, "task", "show", one)["task"]["commit"]
    team.publish(one, team.commit(commit, {"later": "l\n"}))
    assert integrate(other, Shell())["merged"] == [one]


def _raw_tree(git: pygit2.Repository, *entries: tuple[bytes, bytes, str]) -> str:
    return str(git.odb.write(ObjectType.TREE, b"".join(b"%s %s\0%s" % (m, n, bytes.fromhex(i)) for m, n, i in entries)))


def test_hostile_trees(local: Clone, tmp_path: Path) -> None:
    team = Team(local)
    outside = tmp_path / "outside"
    outside.mkdir()
    git = pygit2.Repository(str(local.path))
    base = git[local.head()].peel(pygit2.Commit)
    blob = str(git.create_blob(b"#!/bin/sh\ntouch owned\n"))
    link = str(git.create_blob(os.fsencode(outside)))
    hooks = _raw_tree(git, (b"100755", b"post-checkout", blob))
    git_dir = _raw_tree(git, (b"40000", b"hooks", hooks))
    old = [(f"{int(one.filemode):o}".encode(), os.fsencode(str(one.name)), str(one.id)) for one in base.tree]
    hostile = {
        "dot git": [(b"40000", b".git", git_dir), *old],
        "up": [(b"40000", b"..", hooks), *old],
        "twice": [*old, (b"120000", b"x", link), (b"40000", b"x", hooks)],
    }
    bad = []
    for title, entries in hostile.items():
        commit = git.create_commit(None, base.author, base.author, title, _raw_tree(git, *entries), [base.id])
        bad.append(team.add(title))
        team.hand_in(bad[-1], str(commit))
    linked = team.add("links out", "--accept", "test -L away && touch seen")
    tree = _raw_tree(git, *old, (b"120000", b"zaway", link))
    good = git.create_commit(None, base.author, base.author, "link", tree, [base.id])
    ask(local, "task", "edit", linked, "--accept", "test -L zaway", as_="planner")
    team.hand_in(linked, str(good))
    seen: list[list[str]] = []
    box = Shell(lambda job: seen.append(sorted(os.listdir(job.code))))
    done = integrate(local, box)
    assert done["merged"] == [linked]
    assert {row["task"] for row in [*done["failed"], *done["conflicts"]]} == set(bad)
    assert {row["why"] for row in done["failed"]} == {"invalid"}
    assert os.listdir(outside) == []
    assert all(".git" not in names for names in seen)
    assert seen
    assert not list(local.path.glob(".git/hooks/post-checkout-owned"))
    assert integrate(local, Shell())["deltas"] == []


def test_one_hostile_branch_does_not_keep_the_others_from_coming(team: Team, other: Clone, world: World) -> None:
    """git's own check refuses a whole fetch for one object."""
    start(("git", "config", "receive.fsckObjects", "false"), world.remote).finish(0)
    base = team.clone.head()
    git = pygit2.Repository(str(team.clone.path))
    above = git[base].peel(pygit2.Commit)
    hooks = _raw_tree(git, (b"100755", b"post-checkout", str(git.create_blob(b"touch owned\n"))))
    tree = _raw_tree(git, (b"40000", b".git", hooks))
    hostile, good = team.add("hostile"), team.add("good")
    team.hand_in(hostile, str(git.create_commit(None, above.author, above.author, "h", tree, [above.id])))
    team.hand_in(good, team.commit(base, {"a": "1\n"}))
    done = integrate(other, Shell())
    assert done["merged"] == [good]
    assert [row["task"] for row in done["failed"]] == [hostile]


def test_without_a_sandbox_nothing_is_done(team: Team, other: Clone, world: World) -> None:
    def away(_: Job) -> None:
        raise PeerError("unavailable", "no engine", "start it")

    base = team.clone.head()
    one, two = team.add("one"), team.add("two", "--accept", "true")
    team.hand_in(one, team.commit(base, {"a": "1\n"}))
    team.hand_in(two, team.commit(base, {"b": "1\n"}))
    with pytest.raises(PeerError) as why:
        integrate(other, Shell(away))
    assert why.value.status == 3
    assert BRANCH not in world.refs()
    assert [team.status(one), team.status(two)] == ["review", "review"]


def test_the_scratch_tree_follows_no_link(local: Clone, tmp_path: Path) -> None:
    """One task makes a folder, the next tree has a link there: what is written next stays inside."""
    team = Team(local)
    outside = tmp_path / "outside"
    outside.mkdir()
    git = pygit2.Repository(str(local.path))
    base = local.head()
    one = team.add("folder", "--accept", "test -f d/f")
    team.hand_in(one, team.commit(base, {"d/f": "x\n"}))
    two = team.add("link", "--accept", "test -L d")
    tree = git[base].peel(pygit2.Commit).tree
    builder = git.TreeBuilder(tree)
    builder.insert("d", git.create_blob(os.fsencode(outside)), pygit2.enums.FileMode.LINK)
    who = git[base].peel(pygit2.Commit).author
    team.hand_in(two, str(git.create_commit(None, who, who, "link", builder.write(), [base])))
    done = integrate(local, Shell())
    assert done["merged"] == [one]
    assert [row["task"] for row in done["conflicts"]] == [two]
    assert os.listdir(outside) == []


def test_a_local_log_and_a_branch_that_is_checked_out(local: Clone) -> None:
    team = Team(local)
    base = local.head()
    one = team.add("one", "--accept", "test -f a")
    team.hand_in(one, team.commit(base, {"a": "1\n"}), lock=True)
    with pytest.raises(PeerError) as why:
        integrate(local, Shell(), into="main")
    assert (why.value.code, "checked out" in why.value.message, bool(why.value.hint)) == ("not_allowed", True, True)
    assert team.status(one) == "review"
    done = integrate(local, Shell())
    assert (done["merged"], local.head("peer/integration")) == ([one], done["head"])
    assert local.git("status", "--porcelain").out == ""
    assert local.head() == base
    local.git("switch", "-q", "--detach")
    two = team.add("two")
    team.hand_in(two, team.commit(base, {"b": "2\n"}))
    straight = integrate(local, Shell(), into="main")
    assert (straight["merged"], local.head("main")) == ([one, two], straight["head"])


def test_straight_onto_the_integration_branch_others_locks_hold(team: Team, other: Clone, world: World) -> None:
    base = team.clone.head()
    one = team.add("one", "--path", "src/api.py")
    team.hand_in(one, team.commit(base, {"src/api.py": "x = 1\n"}), lock=True)
    ask(team.clone, "lock", "docs/guide.md", as_="zoe")
    two = team.add("two")
    team.hand_in(two, team.commit(base, {"docs/guide.md": "New.\n"}))
    with pytest.raises(PeerError) as why:
        integrate(other, Shell(), into="main")
    assert (why.value.code, why.value.extra["violations"][0]["path"]) == ("locked", "docs/guide.md")
    assert world.refs()["refs/heads/main"] == base
    team.clone.peer("sync")
    assert team.status(one) == "review"
    ask(team.clone, "unlock", "docs/guide.md", as_="zoe")
    # What the worker locked for the task itself is no obstacle, and ends with it.
    done = integrate(other, Shell(), into="main")
    assert (done["merged"], world.refs()["refs/heads/main"]) == ([one, two], done["head"])
    team.clone.peer("sync")
    assert ask(team.clone, "locks")["locks"] == []
    kinds = [event["kind"] for event in team.clone.peer("--json", "log", "-n", "20").objects()]
    assert "push.land" in kinds


def test_branches_that_it_does_not_write(team: Team, other: Clone) -> None:
    for name in ("peer/coordination", "peer/task/t1", "no such..name", ""):
        with pytest.raises(PeerError) as why:
            Branch(peer_in(other, "integrator"), name)
        assert why.value.code == "usage", name


def test_a_server_that_refuses_is_told(team: Team, other: Clone, world: World) -> None:
    base = team.clone.head()
    one = team.add("one")
    team.hand_in(one, team.commit(base, {"a": "1\n"}))
    hook = world.remote / "hooks" / "update"
    hook.write_text('#!/bin/sh\ncase $1 in *peer/integration) echo "no such branches here"; exit 1;; esac\n')
    hook.chmod(0o755)
    with pytest.raises(PeerError) as why:
        integrate(other, Shell())
    assert why.value.code == "rejected"
    team.clone.peer("sync")
    assert team.status(one) == "review"


def test_one_phase_only_and_until_the_time_is_up(team: Team, other: Clone) -> None:
    ask(team.clone, "phase", "add", "build", as_="planner")
    base = team.clone.head()
    one, two = team.add("one", "--phase", "build"), team.add("two")
    team.hand_in(one, team.commit(base, {"a": "1\n"}))
    team.hand_in(two, team.commit(base, {"b": "2\n"}))
    late = integrate(other, Shell(), until=0.0)
    assert (late["merged"], late["partial"], [row["task"] for row in late["stopped"]]) == ([], True, [two, one])
    done = integrate(other, Shell(), phase="build")
    assert (done["merged"], done["partial"]) == ([one], False)
    assert integrate(other, Shell())["merged"] == [two]


def test_nobody_accepts_what_it_worked_on(team: Team, other: Clone) -> None:
    base = team.clone.head()
    own, theirs = team.add("own"), team.add("theirs")
    team.hand_in(own, team.commit(base, {"a": "1\n"}), worker="zoe")
    team.hand_in(theirs, team.commit(base, {"b": "2\n"}), worker="abe")
    done = integrate(team.clone, Shell(), name="zoe")
    assert (done["merged"], [row["task"] for row in done["stopped"]]) == ([theirs], [own])
    assert integrate(other, Shell())["merged"] == [own]


def test_a_commit_that_was_handed_in_meanwhile_is_not_accepted_unseen(team: Team, other: Clone) -> None:
    base = team.clone.head()
    one, two = team.add("one"), team.add("two", "--accept", "true")
    old = team.hand_in(one, team.commit(base, {"a": "1\n"}))
    team.hand_in(two, team.commit(base, {"b": "2\n"}))
    new = team.commit(old, {"a": "unseen\n"})
    changed: list[str] = []

    def change(_: Job) -> None:
        if not changed:
            changed.append(new)
            team.publish(one, new)
            ask(team.clone, "task", "review", one, "--commit", new, as_=f"worker-{one}")

    done = integrate(other, Shell(change))
    assert done["merged"] == [one, two]
    assert [row["task"] for row in done["left"]] == [one]
    team.clone.peer("sync")
    assert team.status(one) == "review"
    again = integrate(other, Shell())
    assert (again["merged"], again["accepted"]) == ([one], [one])
    assert files(other, again["head"])["a"] == "unseen\n"


def test_what_was_refused_goes_back_where_that_is_asked(team: Team, other: Clone) -> None:
    base = team.clone.head()
    one = team.add("one", "--accept", "echo because; false")
    team.hand_in(one, team.commit(base, {"a": "1\n"}))
    done = integrate(other, Shell(), send_back=True)
    assert [row["task"] for row in done["failed"]] == [one]
    team.clone.peer("sync")
    task = ask(team.clone, "task", "show", one)["task"]
    assert (task["status"], task["assignee"]) == ("in_progress", f"worker-{one}")
    assert "because" in task["note"]
    assert integrate(other, Shell())["failed"] == []


def test_what_another_task_brought_along_goes_with_it(team: Team, other: Clone) -> None:
    """Nothing is called done for being in a merge that was left out in the end."""
    base = team.clone.head()
    guard, late = team.add("guard", "--accept", "test ! -f bad"), team.add("late")
    under = team.add("under", "--accept", "test -f under")
    team.hand_in(guard, team.commit(base, {"g": "g\n"}))
    below = team.hand_in(under, team.commit(base, {"under": "u\n"}))
    team.hand_in(late, team.commit(below, {"bad": "b\n"}))  # has the other's work, and does not say so
    done = integrate(other, Shell())
    assert (done["merged"], [row["task"] for row in done["failed"]]) == ([guard, under], [late])
    names = files(other, done["head"])
    assert ("under" in names, "bad" in names) == (True, False)


def test_a_task_that_was_divided_is_there_when_its_parts_are(team: Team, other: Clone) -> None:
    base = team.clone.head()
    whole = team.add("whole")
    after = team.add("after", "--after-task", whole)
    parts = [one["id"] for one in ask(team.clone, "task", "split", whole, "left", "right", as_="planner")["tasks"]]
    team.hand_in(parts[0], team.commit(base, {"left": "l\n"}))
    refused(team.clone, "invalid", "task", "claim", after, as_="eager")
    assert integrate(other, Shell())["merged"] == [parts[0]]
    team.hand_in(parts[1], team.commit(base, {"right": "r\n"}))
    assert integrate(other, Shell())["merged"] == [parts[1]]
    team.clone.peer("sync")
    assert team.status(whole) == "done"
    team.hand_in(after, team.commit(base, {"after": "a\n"}))
    # A part that is taken back holds up what waits for the whole.
    ask(team.clone, "task", "reopen", parts[0], as_="planner")
    done = integrate(other, Shell())
    assert ([(row["task"], row["waits_for"]) for row in done["stopped"]], done["merged"]) == ([(after, [parts[0]])], [])


def test_one_commit_for_two_tasks_is_tried_for_each(team: Team, other: Clone) -> None:
    base = team.clone.head()
    one, two = team.add("one", "--accept", "test -f a"), team.add("two", "--accept", "test -f b")
    commit = team.commit(base, {"a": "1\n"})
    team.hand_in(one, commit)
    team.hand_in(two, commit)
    done = integrate(other, Shell())
    assert (done["merged"], [(row["task"], row["why"]) for row in done["failed"]]) == ([one], [(two, "acceptance")])


def test_what_is_done_and_cleared_away_is_nobodys_fault(team: Team, other: Clone, world: World) -> None:
    base = team.clone.head()
    gone = team.add("gone")
    team.hand_in(gone, team.commit(base, {"a": "1\n"}))
    team.clone.peer("task", "merge-point", gone, as_="somebody")
    team.clone.peer("task", "done", gone, as_="somebody")
    after = team.add("after", "--after-task", gone)
    team.clone.git("push", "-q", "--no-verify", "origin", f":refs/heads/peer/task/{gone}")
    start(("git", "prune", "--expire=now"), world.remote).finish(0)
    team.hand_in(after, team.commit(base, {"b": "1\n"}))
    done = integrate(other, Shell())
    assert (done["merged"], done["failed"], done["stopped"], done["deltas"]) == ([after], [], [], [])


def test_what_has_landed_by_a_squash_is_done(team: Team, other: Clone) -> None:
    base = team.clone.head()
    one = team.add("one")
    team.hand_in(one, team.commit(base, {"a": "1\n"}))
    squashed = team.commit(base, {"a": "1\n"}, "squashed elsewhere")
    squashed = team.commit(squashed, {"a": "1, and changed since\n"})
    team.clone.git("push", "-q", "--no-verify", "origin", f"{squashed}:refs/heads/main")
    done = integrate(other, Shell())
    assert (done["merged"], done["accepted"], done["landed"]) == ([], [one], False)


def test_the_command(team: Team, other: Clone) -> None:
    base = team.clone.head()
    one, two = team.add("\x1b[31mone", "--accept", "test -f a"), team.add("two")
    team.hand_in(one, team.commit(base, {"a": "1\n"}))
    said = other.peer("integrate", "--sandbox", "none", as_="integrator")
    assert "1 of 1 acceptance command passes" in said.out
    assert f"Merged {one} into peer/integration" in said.out
    assert "\x1b" not in said.out
    assert "git fetch origin peer/integration" in said.out
    team.hand_in(two, team.commit(base, {"a": "2\n"}))
    answer = refused(other, "failed", "integrate", as_="integrator")
    assert [row["task"] for row in answer["conflicts"]] == [two]
    assert answer["traffic"]["pushes"] > 0
    refused(other, "not_found", "integrate", "--phase", "none", as_="integrator")
    refused(other, "usage", "integrate", "--into", "peer/coordination", as_="integrator")


# -- clearing away ----------------------------------------------------------------------------------
def _branch(ident: str) -> str:
    return f"refs/heads/peer/task/{ident}"


def test_prune(team: Team, other: Clone, world: World) -> None:
    """What is merged and stands where it was handed in goes; what is not merged, or has moved on, stays."""
    base = team.clone.head()
    idents = [team.add(name) for name in ("one", "two", "three")]
    handed = [team.hand_in(ident, team.commit(base, {f"{ident}.py": "x = 1\n"})) for ident in idents]
    waiting = team.add("four")
    team.publish(waiting, team.commit(base, {"four.py": "x = 4\n"}))
    later = team.commit(handed[2], {"more.py": "x = 2\n"})
    other.git("fetch", "-q", "origin")
    integrate(other, Shell())
    team.publish(idents[2], later)
    box = Shell()
    done = integrate(other, box, prune=True)
    assert (done["merged"], done["pruned"], box.ran) == ([], idents[:2], [])
    there = world.refs()
    assert not {_branch(ident) for ident in idents[:2]} & set(there)
    assert there[_branch(idents[2])] == later
    assert _branch(waiting) in there
    copies = other.git("for-each-ref", "--format=%(refname)").out
    for ident in idents[:2]:
        assert f"peer/task/{ident}\n" not in copies
        assert f"refs/peer/tasks/{ident}\n" not in copies
    again = integrate(team.clone, Shell(), "another", prune=True)
    assert (again["pruned"], again["failed"], again["stopped"]) == ([], [], [])
    assert again["summary"]["built"] == done["summary"]["built"]


def test_prune_where_nobody_deletes(team: Team, other: Clone, world: World) -> None:
    """The server's word is told, and what was merged is merged."""
    ident = team.add("one")
    team.hand_in(ident, team.commit(team.clone.head(), {"one.py": "x = 1\n"}))
    start(("git", "config", "receive.denyDeletes", "true"), world.remote).finish(0)
    ran = other.peer("--as", "integrator", "integrate", "--prune", "--sandbox", "none")
    assert f"Merged {ident} into" in ran.out
    assert "Deleted" not in ran.out
    assert "deletion prohibited" in ran.err
    assert _branch(ident) in world.refs()


def test_prune_in_one_clone(local: Clone) -> None:
    """A branch that is checked out stays."""
    team = Team(local)
    idents = [team.add(name) for name in ("one", "two")]
    for ident in idents:
        team.hand_in(ident, team.commit(local.head(), {f"{ident}.py": "x = 1\n"}))
    local.git("worktree", "add", "-q", "../there", f"peer/task/{idents[1]}")
    ran = local.peer("--as", "integrator", "integrate", "--prune", "--sandbox", "none")
    assert f"Deleted the branches of {idents[0]}." in ran.out
    assert f"peer/task/{idents[1]} is checked out in" in ran.err
    heads = local.git("for-each-ref", "--format=%(refname)", "refs/heads/peer/task").out
    assert heads == f"{_branch(idents[1])}\n"
