"""Targets behind links and in other work trees: resolved, or refused as git refuses them; never a lock on nothing."""

from __future__ import annotations

import os

import pytest

from tests.cli.asking import ask, refused
from tests.world import Clone, World


def locked(clone: Clone, *targets: str, cwd: str = "") -> list[str]:
    """What a session then holds; it gives it back."""
    answer = clone.peer("lock", *targets, "--json", as_=f"zoe-{clone.name}", cwd=cwd).json()
    clone.peer("unlock", "--all", as_=f"zoe-{clone.name}")
    return [lock["target"] for lock in answer["locks"]]


@pytest.fixture
def linked(local: Clone) -> Clone:
    """link → src, alias.md → docs/guide.md, out → a folder outside."""
    for name, to in (("link", "src"), ("alias.md", "docs/guide.md"), ("out", "/tmp"), ("loop", "loop")):
        (local.path / name).symlink_to(to)
    return local


def test_beyond_a_link(linked: Clone) -> None:
    """git will not add it, so no commit of it can ever be refused."""
    assert "beyond a symbolic link" in linked.git("add", "link/api.py", check=False).err
    for target in (
        "link/api.py", "link/new.py", "link/*.py", ":(glob)link/**", ":(literal)link/api.py", "out/x", "link/",
        f"{linked.path}/link/api.py",
    ):  # fmt: skip
        refused(linked, "usage", "lock", target, as_="zoe")
    why = refused(linked, "usage", "lock", "link/api.py", as_="zoe")["error"]
    assert why["message"] == "'link/api.py' is beyond a symbolic link"
    assert ask(linked, "locks")["locks"] == []


def test_a_link_and_what_it_leads_to(linked: Clone) -> None:
    """Who writes to the one changes the other; a link that leads nowhere here is only itself."""
    assert locked(linked, "alias.md") == ["alias.md", "docs/guide.md"]
    assert locked(linked, "link") == ["link", "src/"]
    assert locked(linked, "out", "loop") == ["loop", "out"] or locked(linked, "out", "loop") == ["out", "loop"]
    linked.peer("lock", "alias.md", as_="zoe")
    linked.write("docs/guide.md", "changed\n")
    linked.git("add", "docs/guide.md")
    done = linked.git("commit", "-m", "x", env={"GIT_PEER_SESSION": "abe"}, check=False)
    assert "docs/guide.md is locked by zoe" in done.err
    refused(linked, "locked", "check", "alias.md", as_="abe")
    linked.peer("unlock", "alias.md", as_="zoe")
    assert ask(linked, "locks")["locks"] == []


def test_a_path_in_another_work_tree(local: Clone) -> None:
    """Locks are on paths of the repository: by whichever of its work trees one names them."""
    inner, beside = local.worktree("a/trees/inner"), local.worktree("beside")
    assert inner.path.is_relative_to(local.path)
    assert locked(local, "trees/inner/src/api.py") == ["src/api.py"]
    assert locked(local, "trees/inner/src/") == ["src/"]
    assert locked(local, "trees/inner/src/*.py") == ["src/*.py"]
    assert locked(local, f"{inner.path}/src/new.py") == ["src/new.py"]
    assert locked(local, f"{beside.path}/src/api.py") == ["src/api.py"]
    assert locked(local, "../beside/src/api.py") == ["src/api.py"]
    assert locked(local, f"{beside.path}") == [":/"]
    assert locked(beside, f"{local.path}/src/api.py", "../a/docs/") == ["src/api.py", "docs/"]
    assert locked(beside, "../../a/src/api.py", cwd="src") == ["src/api.py"]
    inner.peer("lock", f"{local.path}/src/api.py", as_="kim")
    refused(local, "locked", "check", "trees/inner/src/api.py", as_="abe")
    os.symlink(local.path, local.path.with_name("door"))
    assert locked(beside, f"{local.path.with_name('door')}/src/auth.py") == ["src/auth.py"]


def test_a_path_in_another_repository(world: World, local: Clone) -> None:
    """Whether it lies inside or outside of this one."""
    local.git("init", "-q", "nested")
    local.write("nested/x.py", "x\n")
    why = refused(local, "usage", "lock", "nested/x.py", as_="zoe")["error"]
    assert why["message"] == "'nested/x.py' is in another repository"
    refused(local, "usage", "lock", "nested/*.py", as_="zoe")
    other = world.clone("other")
    refused(local, "usage", "lock", f"{other.path}/src/api.py", as_="zoe")
    refused(local, "usage", "lock", "../other/src/api.py", "/etc/hosts", as_="zoe")
    assert locked(local, "nested-not/x.py") == ["nested-not/x.py"]
