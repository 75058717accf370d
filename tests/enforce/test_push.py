"""`git peer push`: code and the log that records it land together, or not at all; what has landed is released."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Any

import pytest

from git_peer.ops import push as pushing
from tests.enforce.team import HELD, Member, Team
from tests.world import World

PEER = f"{shlex.quote(sys.executable)} -P -m git_peer"


def landed(member: Member) -> list[dict[str, Any]]:
    """The landings in the log, oldest first."""
    events = member.peer("log", "--json").objects()
    return sorted((e for e in events if e["kind"] == "push.land"), key=lambda event: event["height"])


def hook(member: Member, text: str) -> None:
    """A pre-push hook of the user's own, beside ours."""
    path = member.at.common / "hooks" / "pre-push"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    member.peer("init")


def as_bob_once(team: Team, *args: str) -> str:
    """A shell line that runs git-peer as bob in his clone, the first time only."""
    done, place = (shlex.quote(str(path)) for path in (team.world.folder / "done", team.bob.at.path))
    command = f"cd {place} && unset $(git rev-parse --local-env-vars) && GIT_PEER_SESSION=bob {PEER} {shlex.join(args)}"
    return f"[ -e {done} ] || {{ touch {done}; ({command}) >/dev/null </dev/null || exit 9; }}"


def server_hook(world: World, name: str, text: str) -> None:
    """A hook of the remote's."""
    path = world.remote / "hooks" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


# -- what is released ---------------------------------------------------------------------------
def test_lands_and_releases(team: Team) -> None:
    alice = team.alice
    alice.lock(HELD, "docs/", "*.md", "@deploy", "src/api.py")
    old = alice.at.head()
    new = alice.commit(HELD, "docs/guide.md")
    answer = alice.peer("push", "--json").json()
    assert answer["ok"]
    assert answer["pushed"] == [{"ref": "refs/heads/main", "old": old, "new": new}]
    assert {lock["target"] for lock in answer["released"]} == {HELD, "docs/"}
    assert answer["traffic"]["pushes"] == 1
    assert alice.holds() == {"*.md", "@deploy", "src/api.py"}
    assert team.world.refs()["refs/heads/main"] == new
    (event,) = landed(alice)
    assert event["refs"] == [{"ref": "refs/heads/main", "old": old, "new": new}]
    team.bob.git("pull", "-q")
    team.bob.peer("sync")
    team.bob.commit(HELD)
    again = alice.peer("push", "--json").json()
    assert (again["pushed"], again["released"]) == ([], [])
    assert len(landed(alice)) == 1


def test_another_branch_releases_nothing(held: Team) -> None:
    alice = held.alice
    alice.git("switch", "-q", "-c", "topic")
    new = alice.commit(HELD)
    answer = alice.peer("push", "-u", "origin", "topic", "--json").json()
    assert answer["pushed"] == [{"ref": "refs/heads/topic", "old": None, "new": new}]
    assert answer["released"] == []
    assert alice.git("rev-parse", "--abbrev-ref", "topic@{upstream}").line == "origin/topic"
    assert alice.holds() == {HELD}
    assert [row["target"] for row in alice.peer("push", "origin", "topic:main", "--json").json()["released"]] == [HELD]


def test_keep(held: Team) -> None:
    alice = held.alice
    alice.commit(HELD)
    assert alice.peer("push", "--keep", "--json").json()["released"] == []
    assert alice.holds() == {HELD}
    assert len(landed(alice)) == 1
    held.bob.git("pull", "-q")
    held.bob.change(HELD)
    held.bob.refused("commit", "-q", "-a", "-m", "x")


@pytest.mark.parametrize("left", ["changed", "staged", "deleted", "untracked"])
def test_unfinished_work_keeps_its_lock(team: Team, left: str) -> None:
    """Two locks, both landed; in one of them there is more to commit."""
    alice = team.alice
    alice.lock("src/", "docs/")
    alice.commit(HELD, "docs/guide.md")
    if left == "untracked":
        alice.change("src/new.py")
    elif left == "deleted":
        (alice.at.path / HELD).unlink()
    else:
        alice.change(HELD)
    if left == "staged":
        alice.git("add", "-A")
    answer = alice.peer("push", "--json").json()
    assert [lock["target"] for lock in answer["released"]] == ["docs/"]
    assert alice.holds() == {"src/"}


# -- what git push can do -----------------------------------------------------------------------
def test_refs_of_every_kind(team: Team) -> None:
    alice, refs = team.alice, team.world.refs
    alice.git("tag", "-a", "v1", "-m", "v1")
    alice.git("branch", "topic")
    alice.commit("README.md")
    alice.peer("push", "origin", "v1", "topic", "HEAD:main", "main:refs/heads/deep/er")
    got = refs()
    assert got["refs/tags/v1"] == alice.git("rev-parse", "v1").line
    assert got["refs/heads/main"] == got["refs/heads/deep/er"] == alice.at.head()
    answer = alice.peer("push", "origin", ":topic", ":refs/tags/v1", "--json").json()
    gone = {"refs/heads/topic": None, "refs/tags/v1": None}
    assert {row["ref"]: row["new"] for row in answer["pushed"]} == gone
    assert not gone.keys() & refs().keys()
    alice.git("commit", "-q", "--amend", "-m", "other")
    alice.peer("push", "--force-with-lease=deep/er", "origin", "main:deep/er")
    assert refs()["refs/heads/deep/er"] == alice.at.head()
    assert len(landed(alice)) == 3


def test_dry_run(held: Team) -> None:
    alice = held.alice
    alice.commit(HELD)
    with held.nothing_moves():
        answer = alice.peer("push", "--dry-run", "--json").json()
    assert answer["pushed"][0]["new"] == alice.at.head()
    assert alice.holds() == {HELD}
    assert landed(alice) == []


def test_push_options(team: Team) -> None:
    seen = team.world.folder / "options"
    server_hook(team.world, "pre-receive", f'echo "$GIT_PUSH_OPTION_0" >{shlex.quote(str(seen))}')
    team.alice.git("-C", team.world.url, "config", "receive.advertisePushOptions", "true")
    sent, listener = team.world.folder / "sent", team.world.folder / "listener"
    listener.write_text(f'#!/bin/sh\ntee -a {shlex.quote(str(sent))} | git-receive-pack "$@"\n')
    listener.chmod(0o755)
    team.alice.git("config", "remote.origin.receivepack", str(listener))
    for words in (("-o", "ci.skip"), ()):  # given, and configured
        team.alice.git("config", "--replace-all", "push.pushOption", "ci.skip")
        team.alice.commit("README.md")
        team.alice.at.peer("push", *words, as_="alice")
        assert seen.read_text() == "ci.skip\n"
        # The dry run that resolves the refs sends none: git would write them to a server that may have left.
        assert sent.read_bytes().count(b"ci.skip") == 1
        sent.unlink()
        seen.unlink()


@pytest.mark.parametrize("log", ["moved", "still"])
def test_not_fast_forward(held: Team, log: str) -> None:
    """The hint is the way out: pull, and push again."""
    alice, bob = held.alice, held.bob
    new = bob.commit("docs/guide.md")
    bob.peer("push") if log == "moved" else bob.git("push", "-q")
    alice.commit(HELD)
    answer = alice.refused_push(code="rejected")
    assert answer["pull"] == [new]
    assert alice.holds() == {HELD}
    alice.git("pull", "-q", "--rebase")
    alice.peer("push")
    assert alice.holds() == set()


@pytest.mark.parametrize("branch", ["main", "größe"])
def test_first_push_to_an_empty_remote(world: World, branch: str) -> None:
    empty = world.folder / "empty.git"
    clone = world.clone("first")
    clone.git("init", "-q", "--bare", str(empty))
    clone.git("symbolic-ref", "HEAD", f"refs/heads/{branch}", cwd=str(empty))
    clone.git("remote", "set-url", "origin", str(empty))
    clone.git("update-ref", "-d", "refs/remotes/origin/main")
    alice = Member(clone, "alice")
    alice.peer("init", "--remote", "origin")
    alice.lock(HELD)
    alice.commit(HELD)
    answer = alice.peer("push", "-u", "origin", f"main:{branch}", "--json").json()
    assert [lock["target"] for lock in answer["released"]] == [HELD]
    refs = clone.git("ls-remote", "origin").out
    assert f"{clone.head()}\trefs/heads/{branch}" in refs
    assert "refs/heads/peer/coordination" in refs


def test_an_empty_remote_that_does_not_tell_its_branch(world: World) -> None:
    """git's older protocol names no branch that is not there: the first push brings it, the next one learns of it."""
    empty = world.folder / "empty.git"
    clone = world.clone("first")
    clone.git("init", "-q", "--bare", str(empty))
    clone.git("symbolic-ref", "HEAD", "refs/heads/größe", cwd=str(empty))
    clone.git("remote", "set-url", "origin", str(empty))
    clone.git("config", "protocol.version", "0")
    alice = Member(clone, "alice")
    alice.peer("init", "--remote", "origin")
    alice.lock(HELD)
    alice.commit(HELD)
    assert alice.peer("push", "origin", "main:größe", "--json").json()["released"] == []
    alice.commit(HELD)
    answer = alice.peer("push", "origin", "main:größe", "--json").json()
    assert [lock["target"] for lock in answer["released"]] == [HELD]


# -- races --------------------------------------------------------------------------------------
def test_lost_race_on_the_log(held: Team) -> None:
    """bob takes another lock while alice's push is under way: hers is decided again, and lands whole."""
    alice = held.alice
    hook(alice, as_bob_once(held, "lock", "docs/"))
    new = alice.commit(HELD)
    answer = alice.peer("push", "--json").json()
    assert [lock["target"] for lock in answer["released"]] == [HELD]
    assert answer["traffic"]["pushes"] == 2
    assert held.world.refs()["refs/heads/main"] == new
    assert [event["refs"][0]["new"] for event in landed(alice)] == [new]
    assert held.bob.holds() == {"docs/"}
    alice.peer("fsck")


def test_stale_copy(held: Team) -> None:
    """alice's clone has not heard of bob's lock: git sees the lost lease before any hook of ours runs."""
    held.bob.lock("docs/")
    held.alice.commit(HELD)
    answer = held.alice.peer("push", "--json").json()
    assert [lock["target"] for lock in answer["released"]] == [HELD]


def test_lock_taken_between_check_and_push(team: Team) -> None:
    """alice holds nothing; when her push starts nobody does. Nothing of it lands."""
    alice = team.alice
    hook(alice, as_bob_once(team, "lock", HELD))
    alice.commit(HELD)
    main = team.world.refs()["refs/heads/main"]
    answer = alice.peer("push", "--json", status=1).json()
    assert answer["error"]["code"] == "locked"
    assert team.world.refs()["refs/heads/main"] == main
    assert landed(alice) == []
    team.bob.peer("unlock", HELD)
    alice.peer("push")
    assert len(landed(alice)) == 1


def test_one_of_two_pushes(team: Team) -> None:
    """Both push to main at once, again and again: each commit that lands has its event, each refusal has none."""
    members = [team.alice, team.bob]
    for turn in range(3):
        for member in members:
            member.git("pull", "-q", "--rebase")
            member.commit(f"{member.name}{turn}")
        running = [m.at.start_peer("push", "--json", as_=m.name) for m in members]
        ends = [run.finish() for run in running]
        assert sorted(end.status for end in ends) == [0, 1], ends
        (lost,) = (end.json() for end in ends if end.status)
        assert lost["error"]["code"] == "rejected"
        assert lost["pull"]
    team.alice.peer("sync")
    told = {event["refs"][0]["new"] for event in landed(team.alice)}
    assert len(told) == 3
    team.alice.git("fetch", "-q")
    assert team.world.refs()["refs/heads/main"] in told


# -- all or nothing -----------------------------------------------------------------------------
@pytest.mark.parametrize("refuses", ["refs/heads/main", "refs/heads/peer/coordination"])
def test_server_refuses_one_ref(held: Team, refuses: str) -> None:
    """Neither code without its event, nor an event without its code."""
    server_hook(held.world, "update", f'[ "$1" != {refuses} ] || {{ echo "the server says no" >&2; exit 1; }}')
    held.alice.commit(HELD)
    answer = held.alice.refused_push(code="rejected")
    error = answer["error"]
    assert isinstance(error, dict)
    assert "the server says no" in error["message"]
    (held.world.remote / "hooks" / "update").unlink()
    assert held.alice.holds() == {HELD}
    held.alice.peer("push")
    assert len(landed(held.alice)) == 1


def test_users_hook(held: Team) -> None:
    """It runs, sees the code's ref on stdin, and has the last word."""
    alice = held.alice
    seen, refuse = held.world.folder / "seen", held.world.folder / "refuse"
    refuse.touch()
    lint = f'[ ! -e {shlex.quote(str(refuse))} ] || {{ echo "lint first" >&2; exit 1; }}'
    hook(alice, f"cat >{shlex.quote(str(seen))}; {lint}")
    new = alice.commit(HELD)
    answer = alice.refused_push(code="rejected")
    error = answer["error"]
    assert isinstance(error, dict)
    assert "lint first" in error["message"]
    assert "peer/coordination" not in error["message"]  # it is not the log that was refused
    assert f"refs/heads/main {new} refs/heads/main" in seen.read_text()
    assert alice.holds() == {HELD}
    assert landed(alice) == []
    refuse.unlink()
    alice.peer("push")


# -- much code ----------------------------------------------------------------------------------
def big(member: Member) -> str:
    """A commit of more code than goes into the atomic push itself."""
    member.at.write("big.bin", os.urandom(pushing.STAGE_OVER + 200_000))
    return member.commit("big.bin")


def test_stage(team: Team) -> None:
    """It goes ahead to a ref of its own; a lost race does not send it again, and no end leaves the ref behind."""
    alice, log = team.alice, team.world.folder / "updates"
    hook(alice, as_bob_once(team, "lock", "docs/"))
    server_hook(team.world, "update", f'echo "$1 $3" >>{shlex.quote(str(log))}')
    new = big(alice)
    assert alice.peer("push", "--json").json()["traffic"]["pushes"] == 2
    first, *rest = (line.split() for line in log.read_text().splitlines() if "coordination" not in line)
    assert first[0].startswith("refs/peer/stage/")
    assert first[1] == new
    assert {ref for ref, ident in rest} == {first[0], "refs/heads/main", "refs/notes/peer"}
    assert not [ref for ref in team.world.refs() if "stage" in ref]


@pytest.mark.parametrize("by", ["hook", "lock", "server"])
def test_stage_of_what_is_refused(team: Team, by: str) -> None:
    alice = team.alice
    if by == "hook":
        hook(alice, "exit 1")
    elif by == "lock":
        hook(alice, as_bob_once(team, "lock", "big.bin"))
    else:
        server_hook(team.world, "update", '[ "$1" != refs/heads/main ]')
    big(alice)
    alice.peer("push", status=1)
    assert not [ref for ref in team.world.refs() if "stage" in ref]


# -- other places -------------------------------------------------------------------------------
def test_log_on_another_remote(world: World) -> None:
    """Then there is no landing in one step, and it says so; all else is the same."""
    hub = world.folder / "hub.git"
    members = []
    for name in ("alice", "bob"):
        clone = world.clone(name)
        if not hub.exists():
            clone.git("init", "-q", "--bare", str(hub))
        clone.git("remote", "add", "hub", str(hub))
        clone.peer("init", "--remote", "hub")
        members.append(Member(clone, name))
    alice, bob = members
    alice.lock(HELD)
    bob.sneaks(HELD)
    bob.refused("push", "-q")
    bob.refused_push()
    alice.commit(HELD)
    shown = alice.peer("push")
    assert "one step" in shown.out
    assert HELD in shown.out
    assert world.refs()["refs/heads/main"] == alice.at.head()
    assert [event["atomic"] for event in landed(alice)] == [False]
    assert alice.holds() == set()
    assert not [ref for ref in world.refs() if "peer" in ref]
    bob.peer("push", status=1)
    assert bob.refused_push(code="rejected")["pull"] == [alice.at.head()]


def test_local_mode(world: World) -> None:
    """The log stays in the clone; the code goes to its remote."""
    clone = world.clone("only")
    clone.peer("init", "--local")
    alice, bob = Member(clone, "alice"), Member(clone.worktree("second"), "bob")
    alice.lock(HELD)
    bob.sneaks(HELD)
    bob.refused_push("origin", "second:main")
    alice.commit(HELD)
    answer = alice.peer("push", "--json").json()
    assert [lock["target"] for lock in answer["released"]] == [HELD]
    assert world.refs().keys() == {"refs/heads/main"}
    assert world.refs()["refs/heads/main"] == alice.at.head()
