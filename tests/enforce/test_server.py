"""The hooks of a repository that clones push to: they hold for whoever pushes, whatever the clone's own hooks say."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.enforce.team import HELD, Member, Team
from tests.enforce.test_push import landed, server_hook
from tests.servers import smart_http, ssh_command
from tests.world import World, start


def install(team: Team, *options: str) -> None:
    team.alice.peer("server", "install", str(team.world.remote), *options)


def pushed(member: Member, *args: str) -> str:
    """A push with no hook of the clone's is taken; what was said."""
    return member.git("push", "--no-verify", *args).err


def refused(member: Member, why: str, *args: str) -> str:
    """The server says no to a push that no hook of the clone's has looked at, and no ref of it moves."""
    before = member.at.world.refs()
    result = member.git("push", "-q", "--no-verify", *args, check=False)
    assert result.status == 1, result
    assert f"remote: error: {why}" in result.err, result
    assert "Traceback" not in result.err
    assert member.at.world.refs() == before
    return result.err


@contextlib.contextmanager
def way(team: Team, how: str) -> Iterator[None]:
    """Both clones reach the remote over a transport."""
    world = team.world
    with contextlib.ExitStack() as stack:
        url = world.url
        if how == "http":
            url = stack.enter_context(smart_http(world.folder)).url + "/remote.git"
        elif how == "ssh":
            for key, value in ssh_command(world.folder).items():
                stack.enter_context(pytest.MonkeyPatch.context()).setenv(key, value)
            url = f"ssh://host.example{world.remote}"
        for member in (team.alice, team.bob):
            member.git("remote", "set-url", "origin", url)
        yield


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("how", ["path", "ssh", "http"])
def test_a_day(held: Team, how: str, strict: bool) -> None:
    """Who passes over their hooks is refused, readably; the holder's push lands, and everybody's other work does."""
    alice, bob = held.alice, held.bob
    install(held, *(["--strict"] if strict else []))
    with way(held, how):
        bob.sneaks(HELD)
        why = "main takes code only together" if strict else f"{HELD} is locked by alice"
        told = refused(bob, why, "origin", "main")
        assert "remote: hint: " in told
        assert "git peer push" in told
        pushed(bob, "origin", "HEAD:draft")  # a draft is nobody's loss
        bob.git("reset", "-q", "--hard", "HEAD~1")
        alice.commit(HELD)
        assert [row["target"] for row in alice.peer("push", "--json").json()["released"]] == [HELD]
        bob.git("pull", "-q", "--rebase")
        bob.commit(HELD, "docs/guide.md")
        bob.peer("push")
        assert len(landed(bob)) == 2
        if strict:
            bob.sneaks("README.md")
            refused(bob, "main takes code only together", "origin", "main")
            refused(bob, "main takes code only together", "--delete", "origin", "main")
            bob.peer("push")
        bob.peer("fsck")


@pytest.mark.parametrize("kind", ["trailer", "branch"])
def test_the_holders_work_by_a_plain_push(held: Team, kind: str) -> None:
    """Known by its trailer, or by the holder's branch that the server has; else `git peer push` is the way."""
    install(held)
    alice, bob = held.alice, held.bob
    bob.git("config", "log.follow", "true", cwd=str(held.world.remote))
    if kind == "trailer":
        alice.change(HELD)
        alice.git("commit", "-q", "-a", "-m", "x", "-m", "Peer-Session: alice")
    else:
        alice.git("switch", "-q", "-c", "topic")
        alice.lock("src/api.py")  # from here on the log knows her branch
        alice.commit(HELD)
        alice.peer("push", "origin", "topic")
        alice.git("switch", "-q", "main")
        bob.git("fetch", "-q")
        bob.git("merge", "-q", "--no-ff", "-m", "merge", "origin/topic")
        bob.commit("README.md")
        pushed(bob, "origin", "main")
        return
    pushed(alice, "origin", "main")


def test_one_line_of_another_beside_it(held: Team) -> None:
    """A merge of the holder's branch that changes the file once more is the merger's change."""
    install(held)
    alice, bob = held.alice, held.bob
    alice.git("switch", "-q", "-c", "topic")
    alice.lock("src/api.py")
    alice.commit(HELD)
    alice.peer("push", "origin", "topic")
    bob.git("fetch", "-q")
    bob.git("merge", "-q", "--no-ff", "-m", "merge", "origin/topic")
    bob.change(HELD)
    bob.git("commit", "-q", "-a", "--no-verify", "--amend", "-m", "merge, and more")
    refused(bob, f"{HELD} is locked by alice", "origin", "main")


def test_every_way_to_change_it(held: Team) -> None:
    install(held)
    bob, base = held.bob, held.bob.at.head()
    for words in (("rm", "-q", HELD), ("mv", HELD, "moved.py"), ("update-index", "--chmod=+x", HELD)):
        bob.git(*words)
        bob.git("commit", "-q", "--no-verify", "-m", "x")
        refused(bob, f"{HELD} is locked by alice", "origin", "main")
        bob.git("reset", "-q", "--hard", base)
    refused(bob, "main cannot be deleted while somebody holds locks", "origin", ":main")
    tree = bob.git("rev-parse", "HEAD:src").line
    made = bob.git("commit-tree", "-p", base, "-m", "x", tree).line
    refused(bob, f"{HELD} is locked by alice", "origin", f"{made}:main")
    refused(bob, f"{HELD} is locked by alice", "-f", "origin", f"{made}:main", "HEAD:other")
    held.alice.peer("unlock", HELD)
    pushed(bob, "origin", f"{made}:main")


@pytest.mark.parametrize("strict", [False, True])
def test_the_log_is_git_peers(held: Team, strict: bool) -> None:
    """It cannot be deleted, rolled back, or written by anything else."""
    install(held, *(["--strict"] if strict else []))
    bob, log = held.bob, "peer/coordination"
    refused(bob, f"{log} is the log of git-peer: it cannot be deleted", "origin", f":{log}")
    refused(bob, f"{log} would lose what it has", "-f", "origin", f"refs/peer/coordination~1:refs/heads/{log}")
    tip = bob.git("rev-parse", "refs/peer/coordination").line
    junk = bob.git("commit-tree", "-p", tip, "-m", "Update README.md", f"{tip}^{{tree}}").line
    refused(bob, f"{junk[:12]} on {log} is no commit of git-peer's log", "origin", f"{junk}:refs/heads/{log}")
    bob.lock("docs/")


def test_strict_holds_against_the_server_itself(held: Team) -> None:
    """Whatever moves the ref there: what no push does, the transaction of refs refuses."""
    install(held, "--strict")
    bob, remote = held.bob, held.world.remote
    bob.sneaks("README.md")
    pushed(bob, "origin", "HEAD:draft")
    moved = start(("git", "update-ref", "refs/heads/main", "refs/heads/draft"), remote).finish()
    assert moved.status != 0
    assert "takes code only together" in moved.err
    start(("git", "branch", "more", "draft"), remote).finish(0)
    start(("git", "pack-refs", "--all"), remote).finish(0)
    start(("git", "gc", "-q"), remote).finish(0)
    bob.peer("push")
    held.alice.peer("server", "remove", str(remote))
    start(("git", "update-ref", "refs/heads/main", "refs/heads/draft~1"), remote).finish(0)


def test_races(team: Team) -> None:
    """Two land at once, again and again, on a strict server: each commit that lands has its event."""
    install(team, "--strict")
    members = [team.alice, team.bob]
    for turn in range(2):
        for member in members:
            member.git("pull", "-q", "--rebase")
            member.commit(f"{member.name}{turn}")
        ends = [run.finish() for run in [m.at.start_peer("push", "--json", as_=m.name) for m in members]]
        assert sorted(end.status for end in ends) == [0, 1], ends
    team.alice.peer("sync")
    assert len(landed(team.alice)) == 2
    assert team.world.refs()["refs/heads/main"] in {event["refs"][0]["new"] for event in landed(team.alice)}


def test_a_lock_is_taken_while_a_push_is_under_way(team: Team) -> None:
    """The clone saw nothing; the server's hook looks at the log as it is when the push arrives."""
    install(team)
    bob = team.bob
    bob.sneaks(HELD)
    team.alice.lock(HELD)
    refused(bob, f"{HELD} is locked by alice", "origin", "main")


def test_its_own_hooks_go_on(team: Team) -> None:
    """In sh or not, before and after, with the same input; and they come back byte for byte."""
    world, seen = team.world, team.world.folder / "seen"
    for name in ("pre-receive", "reference-transaction"):
        server_hook(world, name, f'{{ echo "{name} $@"; cat; }} >>{shlex.quote(str(seen))}')
    python = world.remote / "hooks" / "post-receive"
    python.write_text("#!/usr/bin/env python3\n")
    python.chmod(0o755)
    before = {path.name: path.read_bytes() for path in (world.remote / "hooks").iterdir()}
    team.alice.commit("README.md")
    old, new = team.world.refs()["refs/heads/main"], team.alice.at.head()
    team.alice.peer("push", "--dry-run")
    seen.write_text("")
    pushed(team.alice, "-q", "origin", f"{new}:refs/heads/one")
    without = seen.read_text()
    assert f"{new} refs/heads/one" in without
    install(team, "--strict")
    install(team, "--strict")
    seen.write_text("")
    pushed(team.alice, "-q", "origin", f"{new}:refs/heads/two")
    assert seen.read_text() == without.replace("refs/heads/one", "refs/heads/two")
    assert world.refs()["refs/heads/main"] == old
    status = team.alice.peer("server", "status", str(world.remote), "--json").json()
    assert (status["installed"], status["strict"]) == (True, True)
    install(team)  # no longer strict
    assert team.alice.peer("server", "status", str(world.remote), "--json").json()["hooks"] == ["pre-receive"]
    team.alice.peer("server", "remove", str(world.remote))
    assert {path.name: path.read_bytes() for path in (world.remote / "hooks").iterdir()} == before
    assert not (world.remote / "peer").exists()
    assert not team.alice.peer("server", "status", str(world.remote), "--json").json()["installed"]


def test_a_hook_that_is_no_script(team: Team) -> None:
    path = team.world.remote / "hooks" / "pre-receive"
    path.write_text("#!/usr/bin/env python3\nimport sys\nprint(sys.stdin.read())\nsys.exit('no')\n")
    path.chmod(0o755)
    text = path.read_bytes()
    install(team)
    team.alice.commit("README.md")
    assert "remote: no" in team.alice.git("push", "--no-verify", check=False).err
    team.alice.peer("server", "remove", str(team.world.remote))
    assert path.read_bytes() == text


def test_without_a_log_it_says_nothing(world: World) -> None:
    """A repository that has no log, and one that gets it by and by."""
    clone = world.clone("first")
    clone.peer("server", "install", str(world.remote), "--strict")
    clone.git("commit", "-q", "--allow-empty", "-m", "x")
    clone.git("push", "-q")
    clone.peer("init", "--remote", "origin")
    alice = Member(clone, "alice")
    alice.commit("README.md")
    refused(alice, "main takes code only together", "origin", "main")
    alice.peer("push")


def test_what_is_wrong_there_refuses(held: Team) -> None:
    """A program that is gone, a record that nobody can read: nothing lands unseen, and it says so."""
    install(held)
    bob = held.bob
    bob.commit("README.md")
    script = held.world.remote / "peer" / "hooks" / "pre-receive"
    text = script.read_text()
    python = next(word for word in text.split() if word.startswith("peer_python=")).partition("=")[2]
    script.write_text(text.replace(python, "/nowhere/python"))
    refused(bob, "git-peer could not check this push: /nowhere/python is gone", "origin", "main")
    script.write_text(text)
    (held.world.remote / "peer" / "server.json").write_text("{")
    refused(bob, "git-peer could not check this push: server.json is malformed", "origin", "main")
    install(held)
    pushed(bob, "origin", "main")


def test_wrong_places(team: Team, tmp_path: Path) -> None:
    alice = team.alice
    assert alice.peer("server", "install", str(tmp_path), "--json", status=1).json()["error"]["code"] == "not_found"
    alice.git("config", "core.hooksPath", "elsewhere", cwd=str(team.world.remote))
    error = alice.peer("server", "install", str(team.world.remote), "--json", status=4).json()["error"]
    assert "core.hooksPath" in error["message"]
    assert sorted(os.listdir(team.world.remote / "hooks")) == sorted(
        name for name in os.listdir(team.world.remote / "hooks") if name.endswith(".sample")
    )
    alice.peer("server", "install", status=129)
    alice.peer("server", "install", str(team.world.remote), "--branch", "..", status=129)
