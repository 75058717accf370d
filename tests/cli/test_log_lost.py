"""A log that is deleted, rolled back, exchanged or poisoned: one true word everywhere, and a way back from a clone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pygit2
import pytest

from git_peer import layout
from git_peer.core.log import record as log
from git_peer.core.log.state import Event, State
from git_peer.core.rules import bounds, fold
from git_peer.core.target import target as targets
from git_peer.store.git.chain import Chain
from git_peer.store.git.objects import TreeWriter
from tests.cli.asking import ask, held, refused
from tests.world import Clone, World

LOG = "refs/heads/peer/coordination"
TIP = "refs/peer/coordination"


@pytest.fixture
def pair(world: World) -> tuple[Clone, Clone]:
    """Two clones that are set up; `a` holds src/api.py in the first."""
    one, two = world.clone("a"), world.clone("b")
    ask(one, "init", "--remote", "origin")
    ask(two, "init")
    ask(one, "lock", "src/api.py", as_="a")
    ask(two, "sync")
    return one, two


def bare(world: World) -> Clone:
    return Clone(world, world.remote)


def log_check(clone: Clone, *args: str, status: int | None = None) -> dict[str, Any]:
    """What doctor says of the log."""
    found = clone.peer("--json", "doctor", *args, status=status).json()["checks"]
    return next(dict(check) for check in found if check["name"] == "log")


def one_word(clone: Clone, word: str) -> None:
    """Commands, the gate at the push and doctor say the same, and name the same cure."""
    told = [refused(clone, "untrusted", *args)["error"] for args in (("sync",), ("lock", "x", "--as", "z"), ("init",))]
    assert len({error["message"] for error in told}) == 1
    assert word in told[0]["message"]
    check = log_check(clone, status=1)
    assert (check["status"], check["detail"], check["hint"]) == ("fail", told[0]["message"], told[0]["hint"])
    clone.git("commit", "-q", "--allow-empty", "-m", "work")
    pushed = clone.git("push", "origin", "HEAD:main", check=False)
    assert pushed.status != 0
    assert f"error: {told[0]['message']}\nhint: {told[0]['hint']}" in pushed.err


def test_deleted_and_put_back(pair: tuple[Clone, Clone], world: World) -> None:
    """By anybody; for the team, from any clone that has it."""
    one, two = pair
    tip = world.refs()[LOG]
    bare(world).git("update-ref", "-d", LOG)
    one_word(two, "gone from origin")
    assert LOG not in world.refs()
    check = log_check(two, "--fix", status=0)
    assert "put back on origin" in check["detail"]
    assert world.refs()[LOG] == tip
    assert "put back" not in log_check(one, "--fix", status=0)["detail"]
    refused(two, "locked", "lock", "src/api.py", as_="b")
    two.git("push", "-q", "origin", "HEAD:main")
    refused_push = two.git("push", "origin", f":{LOG}", check=False)
    assert refused_push.status != 0
    assert "doctor --fix" in refused_push.err


def test_rolled_back_and_put_back(pair: tuple[Clone, Clone], world: World) -> None:
    """A plain fast-forward; who was behind and went on from there is not overwritten."""
    one, two = pair
    old = world.refs()[LOG]
    ask(one, "lock", "docs/", as_="a")
    newest = world.refs()[LOG]
    bare(world).git("update-ref", LOG, old)
    one_word(one, "rolled back")
    assert "put back" in log_check(one, "--fix", status=0)["detail"]
    assert world.refs()[LOG] == newest
    bare(world).git("update-ref", LOG, old)
    ask(two, "lock", "other", as_="b")  # it knows no better
    forked = world.refs()[LOG]
    one_word(one, "rewritten")
    check = log_check(one, "--fix", status=1)
    assert "uninstall" in check["hint"]
    assert world.refs()[LOG] == forked
    ask(one, "uninstall")
    ask(one, "init")
    assert ("other", "b") in held(ask(one, "locks"))


def test_another_log_in_its_place(pair: tuple[Clone, Clone], world: World) -> None:
    """A colleague purges and starts anew: the others are told so, and the cure that they are told works."""
    one, two = pair
    asked = refused(two, "not_allowed", "uninstall", "--purge")["error"]["message"]
    assert "on origin" in asked
    assert "1 lock," in asked
    assert "1 other clone with the sessions a " in asked
    assert LOG in world.refs()
    done = ask(two, "uninstall", "--purge", "--yes")
    assert done["affected"] == {"clones": 1, "sessions": ["a"], "locks": 1}
    assert LOG not in world.refs()
    one_word(one, "gone from origin")
    ident = ask(two, "init", "--remote", "origin")["log_id"]
    told = refused(one, "untrusted", "sync")["error"]
    assert ident in told["message"]
    assert log_check(one, "--fix", status=1)["detail"] == told["message"]
    ask(one, "uninstall")
    assert ask(one, "init")["log_id"] == ident


def test_a_purge_deletes_what_was_shown(pair: tuple[Clone, Clone], world: World) -> None:
    """The first to put the log back after a purge wins; a purge of the purged log finds nothing."""
    one, two = pair
    ask(two, "uninstall", "--purge", "--yes")
    refused(two, "not_set_up", "uninstall", "--purge", "--yes")
    log_check(one, "--fix", status=0)
    assert LOG in world.refs()
    assert ask(two, "init")["mode"] == "remote"
    assert held(ask(two, "locks")) == [("src/api.py", "a")]


def test_the_server_does_not_take_it_back(pair: tuple[Clone, Clone], world: World) -> None:
    """Its word is in the answer."""
    _, two = pair
    bare(world).git("update-ref", "-d", LOG)
    hook = world.remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho not on a Friday >&2\nexit 1\n")
    hook.chmod(0o755)
    check = log_check(two, "--fix", status=1)
    assert "not on a Friday" in check["detail"]


def test_the_copy_here_is_gone_or_wrong(pair: tuple[Clone, Clone]) -> None:
    """Deleted, or set by hand to code: doctor --fix verifies what the remote has, and takes it."""
    one, _ = pair
    for args in (("-d", TIP), (TIP, "HEAD"), (TIP, "HEAD^{tree}")):
        if args[1:] == ("HEAD^{tree}",):
            one.write(".git/refs/peer/coordination", one.git("rev-parse", "HEAD^{tree}").line + "\n")
        else:
            one.git("update-ref", *args)
        for command in (("status",), ("locks",), ("sync",), ("lock", "x")):
            found = one.peer("--json", *command, status=None)
            assert found.status in (1, 4), found
        assert log_check(one, status=1)["status"] == "fail"
        assert "fetched again" in log_check(one, "--fix", status=0)["detail"]
        assert held(ask(one, "locks")) == [("src/api.py", "a")]


def test_a_local_log_is_brought_back(world: World) -> None:
    """Its commits are still here."""
    one = world.clone("a")
    ident = ask(one, "init", "--local")["log_id"]
    ask(one, "lock", "src/api.py", as_="a")
    for cure in (("doctor", "--fix"), ("init",)):
        one.git("update-ref", "-d", TIP)
        refused(one, "untrusted", "status")
        ask(one, *cure)
        assert held(ask(one, "locks")) == [("src/api.py", "a")]
    assert ask(one, "init")["log_id"] == ident


# -- poison -------------------------------------------------------------------------------------------
def forged(clone: Clone, *events: dict[str, Any], whole: bool = True) -> None:
    """Push events that no honest software writes, with the tree that they make (`whole`), as an attacker would."""
    git = pygit2.Repository(str(clone.path / ".git"))
    clone.git("fetch", "-q", "origin", f"+{LOG}:refs/forged")
    chain, tip = Chain(git), clone.head("refs/forged")
    state, base = chain.state(tip), str(git[tip].peel(pygit2.Tree).id)
    tree = base
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounds, "check", lambda event: None)
        patch.setattr(targets, "DEPTH", 10**6)
        patch.setattr(log.LogFormat, "apply", _any_format)
        targets._wrong.cache_clear()
        sys.setrecursionlimit(10_000)  # an attacker's is his own
        if whole:
            made: list[Event] = [msgspec.convert(one, fold.KINDS[one["kind"]]) for one in events]
            fold.apply(state, made, state.log.height + 1)
            writer = TreeWriter(git)
            tree = writer.build(base, state.changes)
            for kind, body in writer.made.values():
                git.write(kind, body)
    sys.setrecursionlimit(1000)
    targets._wrong.cache_clear()
    lines = b"\n".join(msgspec.json.encode(one, order="sorted") for one in events)
    who = pygit2.Signature("x", "x@example.com", 1700000000, 0)
    commit = git.create_commit(None, who, who, (b"x\n\n" + lines + b"\n").decode(), tree, [tip])
    clone.git("push", "-q", "--no-verify", "origin", f"{commit}:{LOG}")


def _any_format(self: log.LogFormat, state: State, height: int, index: int) -> None:
    """As earlier releases applied it."""
    state.set_log(msgspec.structs.replace(state.log, format=self.format))


def take(clone: Clone, **changes: Any) -> dict[str, Any]:
    """A grant to `a` as the log would have it, but for the changes."""
    (session,) = (s for s in ask(clone, "peers")["sessions"] if s["name"] == "a")
    fields = {
        "kind": "lock.take",
        "id": "00f0",
        "at": 1700000000,
        "by": "a",
        "sid": session["sid"],
        "mode": "exclusive",
    }
    return {**fields, "target": {"kind": "file", "path": "x.py"}, "ttl": 60, "priority": 3, **changes}


POISONS: dict[str, Callable[[Clone], dict[str, Any]]] = {
    "2,000 deep": lambda clone: take(clone, target={"kind": "file", "path": "/".join(["d"] * 2000)}),
    "huge number": lambda clone: take(clone, ttl=10**30),
    "negative priority": lambda clone: take(clone, priority=-1),
    "format 99": lambda _: {"kind": "log.format", "id": "f1", "at": 1, "by": "git-peer", "format": 99},
    "an option for git": lambda clone: take(clone, head="--output=x"),
    "an id with a slash": lambda clone: take(clone, id="a/b"),
    "junk": lambda _: {"kind": "no.such", "id": "x", "at": 1, "by": "x"},
    "a repair of what is good": lambda _: {
        "kind": "log.repair", "id": "x", "at": 1, "by": "git-peer", "good": "f" * 40, "voids": ["e" * 40]
    },
}  # fmt: skip


def test_poison_is_voided(pair: tuple[Clone, Clone], world: World) -> None:
    """Whatever it is: exit 4 and never 70, doctor --fix voids it, the others follow, nothing else is lost."""
    one, two = pair
    for number, (what, poison) in enumerate(POISONS.items()):
        forged(two, poison(two), whole=what not in ("junk", "a repair of what is good", "huge number"))
        for command in (("sync",), ("lock", "x")):
            told = refused(one, "untrusted", *command, "--as", "a")["error"]
            assert "malformed" in told["message"], what
        check = log_check(one, "--fix", status=0)
        assert "void now" in check["detail"], what
        ask(two, "sync")
        ask(one, "lock", f"after{number}", as_="a")
    assert ask(two, "fsck")["problems"] == []
    ask(world.clone("c"), "init")
    assert len(ask(one, "locks")["locks"]) == 1 + len(POISONS)


@pytest.mark.parametrize("ident", ["../x", ".."])
def test_what_git_refuses_to_fetch_is_set_back(pair: tuple[Clone, Clone], world: World, ident: str) -> None:
    """A tree that git's own check refuses stands in every clone's way for ever, with a commit on top of it too."""
    one, two = pair
    bare(world).git("config", "receive.fsckObjects", "false")
    good = world.refs()[LOG]
    forged(two, take(two, id=ident))
    told = refused(one, "untrusted", "sync")["error"]
    assert "doctor --fix" in told["hint"]
    assert "set back" in log_check(one, "--fix", status=0)["detail"]
    assert world.refs()[LOG] == good
    ask(one, "lock", "after", as_="a")
    ask(two, "sync")
    ask(world.clone("c"), "init")
    assert ask(two, "fsck")["problems"] == []


def test_what_an_earlier_release_let_in(pair: tuple[Clone, Clone], world: World) -> None:
    """Its clones have the event in what they verified; doctor --fix voids it, and they follow."""
    one, two = pair
    forged(two, POISONS["format 99"](two))
    for clone in (one, two):
        clone.git("fetch", "-q", "origin", f"+{LOG}:{TIP}")
        assert refused(clone, "newer_format", "lock", "x", as_="a")
        assert log_check(clone, status=1)["status"] == "fail"
    assert "void now" in log_check(one, "--fix", status=0)["detail"]
    ask(one, "lock", "x", as_="a")
    ask(two, "sync")
    refused(two, "locked", "lock", "x", as_="b")
    assert ask(two, "fsck")["problems"] == []


def test_a_newer_format_is_told(pair: tuple[Clone, Clone], world: World) -> None:
    """Reading and gating go on, writing stops, and doctor says why."""
    one, two = pair
    forged(two, {"kind": "log.format", "id": "f1", "at": 1, "by": "git-peer", "format": layout.FORMAT + 1})
    ask(one, "sync")
    refused(one, "newer_format", "lock", "x", as_="a")
    assert held(ask(one, "locks")) == [("src/api.py", "a")]
    for args in ((), ("--fix",)):
        check = log_check(one, *args, status=1)
        assert f"format {layout.FORMAT + 1}" in check["detail"]
        assert check["hint"] == "update git-peer"


# -- a boundary is no rewrite -------------------------------------------------------------------------
def test_a_shallow_fetch_is_no_rewrite(world: World) -> None:
    """`git fetch --depth=1` cuts the log's history off where it pleases; only the log is deepened again."""
    one, two = world.clone("a"), world.clone("b", url=f"file://{world.remote}")
    one.write("more", "x")
    one.commit("more")
    one.git("push", "-q", "origin", "main")
    ask(one, "init", "--remote", "origin")
    ask(two, "init")
    ask(one, "lock", "src/api.py", as_="a")
    ask(one, "lock", "docs/", as_="a")
    two.git("fetch", "-q", "--depth=1")  # the boundary stands on what this clone has not seen
    ask(two, "sync")
    refused(two, "locked", "lock", "docs/", as_="b")
    two.git("fetch", "-q", "--depth=1")  # and on what it has
    ask(two, "sync")
    ask(one, "lock", "third", as_="a")
    ask(two, "lock", "fourth", as_="b")
    assert ask(two, "fsck")["problems"] == []
    assert log_check(two, status=None)["status"] == "ok"
    assert two.git("rev-list", "--count", "origin/main").line == "1"
    three = world.clone("c", "--depth=1", "--no-single-branch", url=f"file://{world.remote}")
    ask(three, "init")
    refused(three, "locked", "lock", "third", as_="c")


# -- damaged files ------------------------------------------------------------------------------------
def test_refs_that_are_damaged(pair: tuple[Clone, Clone]) -> None:
    """Torn, or on what is no commit: never a bug of ours, and doctor --fix takes them away."""
    one, _ = pair
    tree = one.git("rev-parse", "HEAD^{tree}").line
    ask(one, "sync")
    for number, (ref, text) in enumerate(
        [(TIP, "torn"), (TIP, tree), ("refs/peer/notes", tree), ("refs/notes/peer", "torn"),
         ("refs/peer/incoming", "torn"), ("refs/peer/tentative/00ff", "torn")]
    ):  # fmt: skip
        one.write(f".git/{ref}", f"{text}\n")
        for command in (("locks",), ("sync",), ("doctor",)):
            found = one.peer("--json", *command, status=None)
            assert found.status in (0, 1, 4), (ref, text, found)
        assert log_check(one, "--fix", status=0)["status"] == "ok", (ref, text)
        ask(one, "sync")
        ask(one, "lock", f"more{number}", as_="a")
