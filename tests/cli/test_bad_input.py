"""Bad input and odd repositories: each has its clear answer, and nothing is granted."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from git_peer import layout
from tests.cli.asking import ask, complaint, held, refused, snapshot
from tests.world import Clone, Result, World, require, start

TARGETS = [  # tests/core has many more; here each way into the program's answer
    "src/../../x", "/etc/passwd", ":(top)../x", ".git", ".GIT/config", "src/../.git/x", "git~1/x",
    ".git::$INDEX_ALLOCATION/x", "sub/.git/hooks", ".g\u200cit/config", ":(literal).git/config", ":(glob).git/**", "",
    "src/api.py/", "src/api.py:9-3", "src/api.py:0", "src/api.py:3-", ":(bogus)x", ":(top", ":!src",
    "src/[a", "@", "@a//b", "src/*.py:3-4",
]  # fmt: skip


def test_targets_that_are_none(local: Clone) -> None:
    """129 and `usage`; nothing is locked, no session starts."""
    for target in TARGETS:
        refused(local, "usage", "lock", "--", target, as_="zoe")
    for command in ("check", "unlock", "locks", "log"):
        refused(local, "usage", command, "--", "../x", as_="zoe")
    refused(local, "usage", "lock", "--", "fine", "../x", as_="zoe")
    refused(local, "usage", "lock", "--", "../../x", cwd="src", as_="zoe")
    error, _ = complaint(local.peer("lock", "../x", status=129))
    assert "outside" in error
    assert ask(local, "locks")["locks"] == ask(local, "peers")["sessions"] == []


def test_names_that_merely_look_odd(local: Clone) -> None:
    """What git takes is taken: colons, brackets, `@`, leading dashes, newlines, .gitmodules, dots."""
    names = [
        "a:b", "c:10-", "[x]", "./@x", "-x", "new\nline", " ", "...", ".gitmodules", ".gitattributes/x", ".gitignore",
        "git~2", "con.lock", "x" * 200 + "/" + "y" * 250, "\udcff\udcfe", "a\\b", "tab\t", "\u202e", "=eq", "@{u}/x",
    ]  # fmt: skip
    texts = [f":(literal){name}" for name in names]
    locks = ask(local, "lock", "--", *texts, as_="zoe")["locks"]
    assert len({view["id"] for view in locks}) == len(names)
    told = refused(local, "locked", "lock", "--", *texts, as_="abe")
    assert len(told["conflicts"]) == len(names)
    assert ask(local, "fsck")["problems"] == []


def test_symbolic_links(local: Clone) -> None:
    """A link is its own path, and so is what it leads to in this repository; what is outside is nobody's."""
    os.symlink("src", local.path / "link")
    os.symlink("/etc", local.path / "out")
    link, behind = ask(local, "lock", "link", as_="zoe")["locks"]
    assert (link["kind"], link["path"], behind["kind"], behind["path"]) == ("file", "link", "dir", "src")
    refused(local, "locked", "lock", "src/", as_="abe")
    (out,) = ask(local, "lock", "out", as_="abe")["locks"]
    assert (out["kind"], out["path"]) == ("file", "out")


# -- repositories ---------------------------------------------------------------------------------
def test_without_commits(world: World) -> None:
    """init, lock and the first commit work before there is a HEAD."""
    world.clone("a").git("init", "-q", str(world.folder / "new"))
    new = Clone(world, world.folder / "new")
    assert ask(new, "init")["mode"] == "local"
    ask(new, "lock", "x", as_="zoe")
    status = ask(new, "status")
    assert (status["branch"], status["head"]) == ("main", None)
    refused(new, "locked", "check", "x", as_="abe")
    new.write("x", "1\n")
    new.git("add", "-A")
    assert new.git("commit", "-m", "x", env={"GIT_PEER_SESSION": "abe"}, check=False).status == 1
    new.git("commit", "-q", "-m", "x", env={"GIT_PEER_SESSION": "zoe"})


def test_detached(pair: tuple[Clone, Clone]) -> None:
    """A detached HEAD has no branch; locks and pushes by refspec work."""
    one, _ = pair
    one.git("checkout", "-q", "--detach")
    status = ask(one, "status")
    assert (status["branch"], status["head"]) == (None, one.head())
    assert ask(one, "lock", "src/", as_="zoe")["locks"][0]["branch"] == ""
    one.write("src/api.py", "x\n")
    one.commit("x", env={"GIT_PEER_SESSION": "zoe"})
    refused(one, "usage", "push", as_="zoe")
    assert ask(one, "push", "origin", "HEAD:main", as_="zoe")["pushed"]


def test_bare(world: World) -> None:
    """A common layout for agents, one bare clone and its work trees: all share the log, the bare one too."""
    bare = Clone(world, world.folder / "bare.git")
    shutil.copytree(world.remote, bare.path)
    trees = []
    for name in ("one", "two"):
        bare.git("worktree", "add", "-q", "-b", name, str(world.folder / name))
        trees.append(Clone(world, world.folder / name))
    assert ask(bare, "init", "--local")["mode"] == "local"
    ask(trees[0], "lock", "src/", as_="zoe")
    refused(trees[1], "locked", "lock", "src/api.py", as_="abe")
    refused(bare, "locked", "lock", "src/api.py", as_="abe")
    refused(bare, "locked", "check", "src/api.py", as_="abe")
    refused(bare, "usage", "lock", "--changed", as_="abe")
    refused(bare, "usage", "lock", "../x", as_="abe")
    assert ask(bare, "status")["head"] == bare.head()
    ask(bare, "doctor")


def test_sha256(world: World) -> None:
    """Exit 4, and what it is."""
    path = world.folder / "sha256"
    world.clone("a").git("init", "-q", "--object-format=sha256", str(path))
    told = refused(Clone(world, path), "unsupported", "init")
    assert "SHA-256" in told["error"]["message"]


def test_reftable(world: World) -> None:
    """Exit 4, and the way out. This git may be too old to make one: the extension is what counts."""
    one = world.clone("a")
    one.git("config", "core.repositoryFormatVersion", "1")
    one.git("config", "extensions.refStorage", "reftable")
    told = refused(one, "unsupported", "init")
    assert "reftable" in told["error"]["message"]
    assert "migrate" in told["error"]["hint"]


def test_a_newer_log(local: Clone) -> None:
    """A log that declares a newer format can be read; writers are refused with 4."""
    import json

    tip = local.git("rev-parse", "refs/peer/coordination").line
    declared = json.loads(local.git("show", f"{tip}:log.json").out)
    assert declared["format"] == layout.FORMAT
    blob = local.git("hash-object", "-w", "--stdin", stdin=json.dumps(declared | {"format": 99}).encode()).line
    index = {"GIT_INDEX_FILE": str(local.common / "scratch")}
    local.git("read-tree", tip, env=index)
    local.git("update-index", "--cacheinfo", f"100644,{blob},log.json", env=index)
    commit = local.git("commit-tree", "-p", tip, "-m", "newer", local.git("write-tree", env=index).line).line
    local.git("update-ref", "refs/peer/coordination", commit)
    refused(local, "newer_format", "lock", "src/", as_="zoe")
    ask(local, "locks")


# -- remotes --------------------------------------------------------------------------------------
def test_no_remote(world: World) -> None:
    """Local mode; asking for a remote that is not there is an error."""
    one = world.clone("a")
    one.git("remote", "remove", "origin")
    refused(one, "not_found", "init", "--remote", "origin")
    refused(one, "not_set_up", "status")
    assert ask(one, "init")["mode"] == "local"
    ask(one, "lock", "src/", as_="zoe")
    refused(one, "not_found", "init", "--remote", "origin")
    refused(one, "not_found", "push", as_="zoe")
    assert ask(one, "sync")["traffic"] == {"pushes": 0, "fetches": 0}


def test_two_remotes(world: World) -> None:
    """origin is asked, else the one that is named; none of two unnamed ones is guessed."""
    one = world.clone("a")
    shutil.copytree(world.remote, world.folder / "second.git")
    one.git("remote", "add", "second", str(world.folder / "second.git"))
    assert ask(one, "init", "--remote", "second")["remote"] == "second"
    assert "refs/heads/peer/coordination" not in world.refs()
    two = world.clone("b")
    two.git("remote", "rename", "origin", "first")
    two.git("remote", "add", "second", str(world.folder / "second.git"))
    assert ask(two, "init")["mode"] == "local"
    assert ask(two, "init", "--remote", "second")["mode"] == "remote"
    ask(one, "lock", "src/", as_="zoe")
    refused(two, "locked", "lock", "src/", as_="abe")
    refused(two, "not_found", "init", "--remote", "third")


def test_two_push_urls(pair: tuple[Clone, Clone], world: World) -> None:
    """One arbiter must decide."""
    one, _ = pair
    three = world.clone("c")
    for clone in (one, three):
        clone.git("remote", "set-url", "--add", "--push", "origin", world.url)
        clone.git("remote", "set-url", "--add", "--push", "origin", str(world.folder / "other.git"))
    assert "push URLs" in refused(one, "unsupported", "lock", "src/", as_="zoe")["error"]["message"]
    refused(three, "unsupported", "init", "--remote", "origin")
    refused(three, "not_set_up", "status")
    assert ask(one, "locks")["locks"] == []


def test_a_remote_branch_called_peer(world: World) -> None:
    """refs/heads/peer stands in the way of refs/heads/peer/coordination: another branch can be named."""
    one = world.clone("a")
    one.git("push", "-q", "origin", "main:refs/heads/peer")
    told = refused(one, "rejected", "init", "--remote", "origin")
    assert "peer" in told["error"]["message"]
    assert "--branch" in told["error"]["hint"]
    assert ask(one, "init", "--local")["mode"] == "local"
    ask(one, "lock", "src/", as_="zoe")
    assert ask(one, "init", "--remote", "origin", "--branch", "coordination")["mode"] == "remote"
    assert held(ask(one, "locks")) == [("src/", "zoe")]


def test_a_local_branch_called_peer(pair: tuple[Clone, Clone]) -> None:
    """It stands in nobody's way."""
    one, two = pair
    one.git("branch", "peer")
    two.git("branch", "peer/coordination")
    ask(one, "lock", "src/", as_="zoe")
    refused(two, "locked", "lock", "src/", as_="abe")
    two.git("checkout", "-q", "-b", "peer/mine")
    ask(two, "sync")


HOOK = '#!/bin/sh\nwhile read -r old new ref; do case $ref in refs/heads/peer/*) echo "{}" >&2; exit 1;; esac; done\n'


@pytest.mark.parametrize("when", ["at init", "later"])
def test_a_remote_that_refuses_the_branch(world: World, when: str) -> None:
    """`rejected`, exit 1, with the server's text; never unreachable, and nothing is held."""
    hook = world.remote / "hooks" / "pre-receive"
    one = world.clone("a")
    if when == "later":
        one.peer("init", "--remote", "origin")
    hook.write_text(HOOK.format("GH013: branch is protected"))
    hook.chmod(0o755)
    if when == "at init":
        told = refused(one, "rejected", "init", "--remote", "origin")
        assert ask(one, "init", "--local")["mode"] == "local"
        assert ask(one, "lock", "x", as_="zoe")["guarantee"] == "local"
    else:
        told = refused(one, "rejected", "lock", "src/", as_="zoe")
        assert ask(one, "locks")["locks"] == []
        hook.unlink()
        assert ask(one, "lock", "src/", as_="zoe")["acquired"] is True
    assert "GH013" in told["error"]["message"]


def test_a_remote_that_is_gone(pair: tuple[Clone, Clone], world: World) -> None:
    """`unreachable`, exit 3: never read as free; the copy still answers, --offline is tentative."""
    one, two = pair
    ask(one, "lock", "src/", as_="zoe")
    world.remote.rename(world.folder / "elsewhere.git")
    before = snapshot(two.common / "refs")
    for args in (("lock", "docs/"), ("lock", "src/"), ("sync",), ("session", "start")):
        told = refused(two, "unreachable", *args, as_="abe")
        assert "origin" in told["error"]["message"]
    assert "--offline" in refused(two, "unreachable", "lock", "docs/", as_="abe")["error"]["hint"]
    for other in (("push",), ("sync",), ("session", "start"), ("task", "add", "X")):  # which it would not help
        assert "--offline" not in refused(two, "unreachable", *other, as_="abe")["error"]["hint"]
    assert snapshot(two.common / "refs") == before
    assert ask(two, "locks")["locks"] == []
    assert ask(two, "lock", "docs/", "--offline", as_="abe")["guarantee"] == "tentative"
    (world.folder / "elsewhere.git").rename(world.remote)
    assert ask(two, "sync")["pushed"] == 1
    refused(one, "locked", "lock", "docs/", as_="zoe")


def test_init_without_an_answer(world: World) -> None:
    """A remote that does not answer: exit 3 and `--local` as the way on; nothing is set up."""
    one = world.clone("a")
    one.git("remote", "set-url", "origin", str(world.folder / "absent.git"))
    before = snapshot(one.path)
    for args in (("init",), ("init", "--remote", "origin")):
        told = refused(one, "unreachable", *args)
        assert "--local" in told["error"]["hint"]
    assert snapshot(one.path) == before
    assert ask(one, "init", "--local")["mode"] == "local"


def test_a_read_only_git_directory(local: Clone) -> None:
    """Reading works, writing says what it cannot write."""
    folders = [Path(where) for where, _, _ in os.walk(local.common)]
    try:
        for folder in folders:
            folder.chmod(0o555)
        assert _bound(local, "--json", "locks", as_="zoe").json()["locks"] == []
        told = _bound(local, "--json", "lock", "src/", as_="zoe")
        assert (told.status, told.json()["error"]["code"]) == (1, "failed"), told
        assert "Traceback" not in told.err, told
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert ask(local, "lock", "src/", as_="zoe")["acquired"] is True


def _bound(clone: Clone, *args: str, as_: str) -> Result:
    """Run git-peer bound by permissions: root, who may write everywhere, gives that up first."""
    if os.geteuid():
        return clone.peer(*args, as_=as_, status=None)
    require("setpriv")
    given_up = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--")
    program = (sys.executable, "-P", "-m", "git_peer", "--as", as_)
    return start((*given_up, *program, *args), clone.path).finish()
