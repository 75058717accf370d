"""The rule: whose lock it is, what it covers, fences, disputes and markers."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from git_peer.hooks import gate
from tests.gate.site import CLONE, Site, fence, lock, session, target

HERE = {"clone": CLONE}  # a session of this clone's main work tree


# -- whose lock it is ---------------------------------------------------------------------------------
def test_ownership(site: Site) -> None:
    site.base_commit("a")
    site.write("a")
    site.git("add", "a")

    site.log(lock("a", "bob"), sessions=(session("bob", **HERE),))
    assert site.status(GIT_PEER_SESSION="bob") == 0
    assert site.status() == 0  # the unnamed person of the same work tree
    assert site.status(GIT_PEER_SESSION="carol") == 1
    assert site.status(CLAUDECODE="1", CLAUDE_CODE_SESSION_ID="s1") == 1  # an agent is no unnamed person
    site.git("worktree", "add", "-q", "--detach", str(site.base / "w"))
    site.log(lock("a", "bob"), sessions=(session("bob", **HERE, gitdir="worktrees/w"),))
    assert site.status(GIT_PEER_SESSION="bob") == 1  # one name, another work tree
    assert site.status() == 1
    site.log(lock("a", "bob"), sessions=(session("bob"),))
    assert site.status(GIT_PEER_SESSION="bob") == 1  # one name, another clone


def test_a_copied_clone_owns_nothing_of_the_first(site: Site, tmp_path: Path) -> None:
    site.base_commit("a")
    site.log(lock("a", "bob"), sessions=(session("bob", **HERE),))
    site.write("a")
    site.git("add", "a")
    copy = Site(shutil.copytree(site.top, tmp_path / "copy"), init=False)
    assert copy.status(GIT_PEER_SESSION="bob") == 1
    assert copy.status() == 1
    assert site.status() == 0


def test_what_refuses_nobody(site: Site) -> None:
    site.base_commit("a")
    now = int(time.time())

    def commits(*locks: dict[str, Any], **more: Any) -> bool:
        site.log(*locks, **more)
        done = site.run("commit", "-qm", "x", "--allow-empty")
        if done.returncode == 0:
            site.git("reset", "-q", "--soft", "HEAD~1")
        return done.returncode == 0

    site.write("a")
    site.git("add", "a")
    assert not commits(lock("a"))
    assert commits(lock("a", state="pending"))
    assert not commits(lock("a", state="held"))
    assert commits(lock("a"), sessions=(session("claude-a", at=now - 1900),))
    assert not commits(lock("a"), sessions=(session("claude-a", at=now - 1700),))
    assert commits(lock("a", ttl=60), sessions=(session("claude-a", at=now - 100),))
    assert commits(lock("a", sid="an earlier run"))
    assert not commits(lock("a"), sessions=(session("claude-a", at=now + 10**9),))
    site.write_peer("seen.json", {"sid-claude-a": {"height": 7, "at": now - 1900}})
    assert commits(lock("a"), sessions=(session("claude-a", at=now + 10**9),))  # a clock in 2099 holds nothing for ever
    assert not commits(lock("a"), sessions=(session("claude-a", height=8),))


def test_shared(site: Site) -> None:
    site.base_commit("a")
    site.write("a")
    site.git("add", "a")
    theirs = lock("a", mode="shared")
    mine = lock("a", "me", mode="shared")
    me = session("me", **HERE)
    site.log(theirs)
    assert "(shared, lapses in" in site.refused("commit", "-qm", "x")
    site.log(theirs, mine | {"state": "pending"}, sessions=(me,))
    site.refused("commit", "-qm", "x")
    site.log(theirs, lock("b", "me", mode="shared"), sessions=(me,))
    site.refused("commit", "-qm", "x")
    site.log(theirs, mine, sessions=(me,))
    site.git("commit", "-qm", "x")


# -- targets ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("held", "hit", "free"),
    [
        (lock("src", kind="dir"), ["src/a", "src/x/y"], ["src-a", "lib/src", "srcs/a"]),
        (lock("", kind="dir"), ["src/a", "b"], []),
        (lock("src/*.py", kind="glob"), ["src/a.py"], ["src/a.js", "src/x/a.py", "a.py"]),
        (lock("**/*.py", kind="glob"), ["a.py", "src/x/a.py"], ["src/a.js"]),
        (lock("src/a", kind="lines"), ["src/a"], ["src/b"]),
        (lock("src/a", kind="section"), ["src/a"], ["src/b"]),
        (lock("a"), ["a/b", "a/b/c"], ["ab", "b/a"]),
        (lock("a/b/c"), ["a", "a/b"], ["a/x", "a/b/x"]),
        (lock("a/b/*.py", kind="glob"), ["a", "a/b"], ["a/x", "a/b/c.js"]),
    ],
)
def test_targets(site: Site, held: dict[str, Any], hit: list[str], free: list[str]) -> None:
    site.base_commit()
    site.log(held)
    blob = site.git("hash-object", "-w", "-t", "blob", "/dev/null")
    for path in hit:
        site.git("update-index", "--add", "--replace", "--cacheinfo", f"100644,{blob},{path}")
        site.refused("commit", "-qm", "x")
        site.git("reset", "-q")
    for path in free:
        site.git("update-index", "--add", "--replace", "--cacheinfo", f"100644,{blob},{path}")
    site.git("commit", "-qm", "x", "--allow-empty")


@pytest.mark.parametrize(
    ("locked", "path"),
    [("Src/Auth.py", "src/auth.py"), ("caf\u00e9/x", "cafe\u0301/x"), ("e\u0301" * 67 + "/x", "\u00e9" * 67 + "/X")],
)
@pytest.mark.parametrize("folds", [False, True])
def test_case_folding(site: Site, locked: str, path: str, folds: bool) -> None:
    site.base_commit("b")
    site.log(lock(locked), lock("other/x"), folds=folds)
    site.write(path)
    site.git("add", "-A")
    if folds:
        site.refused("commit", "-qm", "x")
        site.git("reset", "-q")
        site.write("other/y")
        site.git("add", "other/y")
    site.git("commit", "-qm", "x")


def test_many_refused_paths_are_not_all_listed(site: Site) -> None:
    site.base_commit()
    count = gate.SHOWN + 4
    for number in range(count):
        site.write(f"d/{number:02}")
    site.log(lock("d", kind="dir"))
    site.git("add", "-A")
    lines = site.refused("commit", "-qm", "x").splitlines()
    assert len([line for line in lines if " on d/, lapses " in line]) == gate.SHOWN
    assert f"error: and {count - gate.SHOWN} more" in lines


# -- fences, disputes, markers -----------------------------------------------------------------------
def testfence(site: Site) -> None:
    site.base_commit("a", "b")
    me = session("me", **HERE)
    site.write_peer(
        "fenced/sid-me.json", {"session": me, "targets": [{"lock": "f1", "target": target("a"), "token": 5}]}
    )
    site.write("a")
    site.git("add", "a")

    def refused() -> bool:
        done = site.run("commit", "-qm", "x")
        if done.returncode == 0:
            site.git("reset", "-q", "--soft", "HEAD~1")
        return done.returncode != 0

    site.log(fences=[fence()])
    assert "a is no longer yours: bob has locked it since" in site.refused("commit", "-qm", "x")
    assert not site.run("commit", "-qm", "x", GIT_PEER_SESSION="carol").returncode  # another run lost nothing
    site.git("reset", "-q", "--soft", "HEAD~1")
    site.log(fences=[fence(holder=None)])
    assert not refused()  # nobody has had it since
    site.log(fences=[fence(holder={"sid": "sid-me", "session": "me", "token": 9})])
    assert not refused()
    site.log(fences=[fence(holder={"sid": "sid-bob", "session": "bob", "token": 4})])
    assert not refused()
    site.log(lock("a", "me"), sessions=(me,), fences=[fence()])
    assert not refused()  # taken again
    site.log(fences=[fence(landed=site.git("rev-parse", "HEAD"))])
    assert not refused()
    elsewhere = site.git("commit-tree", "-m", "landed", "HEAD^{tree}", "-p", "HEAD")
    site.log(fences=[fence(landed=elsewhere)])
    assert refused()
    site.log(fences=[fence(landed="1" * 40)])
    assert refused()  # a commit that is not here
    site.git("reset", "-q", "a")
    site.write("b")
    site.git("commit", "-qm", "b", "--", "b")


def test_dispute(site: Site) -> None:
    site.base_commit("a")
    site.log(disputes=[{"id": "d1", "target": target("a"), "topic": "tabs or spaces"}])
    site.write("a")
    done = site.run("commit", "-qam", "x")
    assert done.returncode == 0, done.stderr  # it may not land; the push is what is refused
    assert done.stderr.startswith("warning: a is disputed in debate d1: tabs or spaces\nhint: ")


def test_dispute_and_lock(site: Site) -> None:
    site.base_commit("a", "b")
    site.log(lock("b", "bob"), disputes=[{"id": "d1", "target": target("a"), "topic": "tabs or spaces"}])
    site.write("a")
    site.write("b")
    said = site.refused("commit", "-qam", "x")
    assert "b is locked by bob" in said
    assert "disputed" not in said


def test_tentative_marker(site: Site) -> None:
    site.base_commit("a")
    site.log()
    site.write("a")
    site.git("add", "a")
    site.git("worktree", "add", "-q", "--detach", str(site.base / "w"))
    marker = {"session": session("bob", clone=CLONE, gitdir="worktrees/w"), "locks": [lock("a", "bob", token=0)]}
    site.write_peer("tentative/sid-bob.json", marker)
    assert "a is locked by bob" in site.refused("commit", "-qm", "x")
    site.write_peer("tentative/sid-bob.json", marker | {"session": session("bob", clone=CLONE, gitdir="", at=1)})
    site.git("commit", "-qm", "x")
