"""A strict clone: the gate looks at every move of a branch, so what skips the commit's hooks is no way round."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from tests.enforce.team import HELD, Member, Team
from tests.world import merged


@pytest.fixture
def strict(held: Team) -> Team:
    """alice holds HELD, and bob's clone is strict."""
    held.bob.peer("init", "--strict")
    return held


def stays(member: Member, *args: str, stdin: bytes | None = None) -> None:
    """git says no, and no branch has moved."""
    before = member.git("for-each-ref", "refs/heads").out
    result = member.git(*args, check=False, stdin=stdin)
    assert result.status != 0, result
    assert f"{HELD} is locked by alice" in result.err, result
    assert "Traceback" not in result.err
    assert member.git("for-each-ref", "refs/heads").out == before


def made(member: Member, path: str = HELD) -> str:
    """A commit that changes a path, made of objects alone."""
    blob = member.git("hash-object", "-w", "--stdin", stdin=b"mine\n").line
    env = {"GIT_INDEX_FILE": str(member.at.gitdir / "another-index")}
    member.git("read-tree", "HEAD", env=env)
    member.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=env)
    tree = member.git("write-tree", env=env).line
    return member.git("commit-tree", "-p", "HEAD", "-m", "x", tree).line


def test_what_skips_the_hooks(strict: Team) -> None:
    bob = strict.bob
    bob.change(HELD)
    stays(bob, "commit", "-q", "-a", "--no-verify", "-m", "x")
    stays(bob, "commit", "-q", "-a", "-n", "-m", "x")
    bob.git("reset", "-q", "--hard")
    new = made(bob)
    stays(bob, "update-ref", "refs/heads/main", new)
    stays(bob, "update-ref", "--stdin", stdin=f"update refs/heads/main {new}\ncreate refs/heads/x {new}\n".encode())
    stays(bob, "branch", "topic", new)
    stays(bob, "merge", "-q", new)
    stays(bob, "reset", "-q", "--hard", new)
    stays(bob, "switch", "-q", "-c", "topic", new)
    for place in (".", str(bob.at.path), str(bob.at.common), f"file://{bob.at.path}"):
        stays(bob, "fetch", "-q", place, f"{new}:refs/heads/topic")
    for key in ("log.showRoot", "log.follow", "log.showSignature", "diff.relative", "diff.noprefix"):
        bob.git("config", key, "false" if key == "log.showRoot" else "true")
    stays(bob, "update-ref", "refs/heads/main", new)
    root = bob.git("commit-tree", "-m", "x", f"{new}^{{tree}}").line
    stays(bob, "branch", "fresh", root)
    bob.git("update-ref", "refs/heads/main", made(bob, "README.md"))


def test_in_steps_on_no_branch(strict: Team) -> None:
    """A detached HEAD makes nothing known."""
    bob = strict.bob
    bob.git("switch", "-q", "--detach")
    bob.change(HELD)
    bob.git("commit", "-q", "-a", "--no-verify", "-m", "x")
    new = bob.at.head()
    stays(bob, "branch", "-f", "main", "HEAD")
    bob.git("switch", "-q", "main")
    stays(bob, "merge", "-q", new)
    bob.git("reset", "-q", "--hard")
    stays(bob, "cherry-pick", new)
    bob.git("cherry-pick", "--abort", check=False)
    bob.git("reset", "-q", "--hard")
    again = bob.git("commit-tree", "-p", new, "-m", "y", f"{made(bob, 'README.md')}^{{tree}}").line
    bob.git("branch", "tidy", again)  # what it comes to is what was there


@pytest.mark.parametrize("kind", ["rm", "mv", "chmod", "link"])
def test_every_kind_of_change(strict: Team, kind: str) -> None:
    bob = strict.bob
    if kind == "rm":
        bob.git("rm", "-q", HELD)
    elif kind == "mv":
        bob.git("mv", HELD, "moved.py")
    elif kind == "chmod":
        bob.git("update-index", "--chmod=+x", HELD)
    else:
        blob = bob.git("hash-object", "-w", "--stdin", stdin=b"api.py").line
        bob.git("update-index", "--cacheinfo", f"120000,{blob},{HELD}")
    stays(bob, "commit", "-q", "--no-verify", "-m", "x")


def test_ones_own_and_others_work_passes(strict: Team) -> None:
    """Whatever git does with what somebody else has made, or with what is one's own, goes on."""
    alice, bob = strict.alice, strict.bob
    alice.git("switch", "-q", "-c", "topic")
    alice.commit(HELD)
    alice.commit("src/api.py")
    alice.git("push", "-q", "origin", "topic")
    alice.git("push", "-q", "origin", "topic:main")
    bob.commit("docs/guide.md")
    bob.git("pull", "-q", "--rebase")
    bob.git("reset", "-q", "--hard", "HEAD~1")
    bob.git("switch", "-q", "-c", "mine", "HEAD~2")
    bob.commit("README.md")
    bob.git("merge", "-q", "-m", "merge", "origin/topic")
    bob.git("reset", "-q", "--hard", "HEAD~1")
    bob.git("cherry-pick", "origin/topic~1")  # as alice made it
    bob.git("commit", "-q", "--amend", "-m", "another message")
    bob.commit("notes.txt")
    bob.git("rebase", "-q", "--onto", "origin/main~2", "HEAD~2")
    bob.git("branch", "copy", "origin/topic")
    bob.git("branch", "-D", "copy")
    bob.git("fetch", "-q", strict.world.url, "topic:theirs")
    bob.git("worktree", "add", "-q", "../tree", "theirs")
    bob.git("switch", "-q", "--orphan", "fresh")
    bob.git("commit", "-q", "--allow-empty", "-m", "start")


def test_by_a_url_without_tracking(strict: Team) -> None:
    """What FETCH_HEAD names was fetched."""
    alice, bob = strict.alice, strict.bob
    alice.commit(HELD)
    alice.git("push", "-q", "origin", "main:refs/odd/place")
    bob.git("pull", "-q", "--no-rebase", strict.world.url, "refs/odd/place")
    assert bob.at.head() == alice.at.head()


def test_the_holder_is_free(strict: Team) -> None:
    alice = strict.alice
    alice.peer("init", "--strict")
    alice.commit(HELD)
    alice.git("update-ref", "refs/heads/main", made(alice))
    alice.git("update-ref", "refs/heads/x", made(alice))


def test_odd_names(team: Team) -> None:
    """Also those that look like a commit's id."""
    names = ["a b/ü\n.py", "n\udcff", "*.py", "ab" * 20, "\nx"]
    for path in names:
        team.alice.lock(f":(literal){path}")
    team.bob.peer("init", "--strict")
    team.bob.peer("sync")
    before = team.bob.at.head()
    for path in names:
        assert team.bob.stage(["\x01", "a", path]) == sorted(["\x01", "a", path])
        told = team.bob.git("commit", "-q", "--no-verify", "-m", "x", check=False)
        assert "is locked by alice" in told.err, path
        assert team.bob.at.head() == before
        team.bob.git("reset", "-q")


def test_ones_own_hook_goes_on(team: Team) -> None:
    """With the same input in each state, before it is strict, while it is, and afterwards."""
    bob, seen = team.bob, team.world.folder / "seen"
    path = bob.at.common / "hooks" / "reference-transaction"
    path.write_text(f'#!/bin/sh\n{{ echo "$1"; cat; }} >>{shlex.quote(str(seen))}\n')
    path.chmod(0o755)
    text = path.read_bytes()
    bob.git("branch", "one")
    without = seen.read_text()
    assert "prepared\n" in without
    bob.peer("init", "--strict")
    assert b"git-peer" in path.read_bytes()
    seen.write_text("")
    bob.git("branch", "two")
    assert seen.read_text() == without.replace("heads/one", "heads/two")
    bob.git("config", "peer.strict", "false")
    bob.peer("init")
    assert path.read_bytes() == text


def test_out_again(strict: Team) -> None:
    bob = strict.bob
    assert bob.git("config", "peer.strict").line == "true"
    bob.peer("uninstall")
    assert bob.git("config", "peer.strict", check=False).status == 1
    assert not (bob.at.common / "hooks" / "reference-transaction").exists()
    bob.sneaks(HELD)


def test_behind_a_hooks_path(held: Team) -> None:
    bob = held.bob
    (bob.at.path / ".husky").mkdir()
    bob.git("config", "core.hooksPath", ".husky")
    bob.peer("init", "--strict")
    stays(bob, "update-ref", "refs/heads/main", made(bob))


def test_who_takes_the_hook_out(strict: Team) -> None:
    """The next command that writes puts it back."""
    bob = strict.bob
    (bob.at.common / "hooks" / "reference-transaction").unlink()
    assert "reference-transaction" in bob.peer("status").err
    bob.lock("docs/")
    stays(bob, "update-ref", "refs/heads/main", made(bob))


def test_wrong_words(team: Team) -> None:
    team.bob.peer("init", "--strict", "--no-hooks", status=129)


def test_what_concerns_no_branch_starts_nothing_but_sh(strict: Team) -> None:
    """Tracking refs, tags, a detached HEAD, and the other states of a transaction: builtins answer."""
    bob = strict.bob
    hook = str(bob.at.common / "hooks" / "reference-transaction")
    zero, tip = "0" * 40, bob.at.head()
    refs = ("refs/remotes/origin/main", "refs/tags/v1", "HEAD", "refs/peer/coordination")
    told = "".join(f"{zero} {tip} {ref}\n" for ref in refs).encode()
    for state in ("prepared", "committed", "aborted"):
        alone = {**merged(None), "PATH": "/nowhere"}
        ran = subprocess.run(("/bin/sh", hook, state), input=told, env=alone, cwd=bob.at.path, capture_output=True)
        assert (ran.returncode, ran.stderr) == (0, b""), state
    moved = f"{zero} {tip} refs/heads/x\n".encode()
    ran = subprocess.run(("/bin/sh", hook, "prepared"), input=moved, env=alone, cwd=bob.at.path, capture_output=True)
    assert ran.returncode != 0  # there it asks git
