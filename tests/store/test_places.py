"""Where a URL leads: one key for the spellings of one repository, and another for another."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_peer.store.git.place import key
from tests.world import World

SAME = [
    ["https://example.com/team/code.git", "https://example.com/team/code", "https://example.com/team/code/",
     "https://me@example.com/team//code.git/", "https://EXAMPLE.com:443/team/code.git", "http://example.com/team/code",
     "ssh://git@example.com/team/code.git", "ssh://git@example.com:22/team/code", "git@example.com:team/code.git",
     "example.com:/team/code", "git+ssh://example.com/team/code.git", "https://me:secret@example.com./team/co%64e.git"],
    ["ssh://git@example.com:2222/team/code", "ssh://example.com:2222/team/code.git/"],
    ["https://example.com/team/other", "git@example.com:team/other"],
    ["https://example.org/team/code", "example.org:team/code"],
    ["https://example.com/Team/code"],
    ["ssh://[::1]/code", "[::1]:code"],
    ["ext::ssh -T example.com %S code"],
    ["https://example.com:port/code"],
]  # fmt: skip


def test_networks(tmp_path: Path) -> None:
    keys = [{key(url, tmp_path) for url in group} for group in SAME]
    assert [len(one) for one in keys] == [1] * len(SAME)
    assert len(set().union(*keys)) == len(SAME)


def test_paths(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links, relative ones, with and without .git, from home, a work tree of it: all that git itself would find."""
    clone = world.clone("one")
    linked = clone.worktree("linked")
    bare = world.remote
    (world.folder / "link").symlink_to(bare)
    (world.folder / "a:b").symlink_to(bare)
    spelled = [
        str(bare), f"{bare}/", f"file://{bare}", f"file://localhost{bare}", str(bare.with_suffix("")),
        f"{bare.parent}/./one/../{bare.name}//", "../remote.git", "../remote", "../link", f"file://{world.folder}/l%69nk",
    ]  # fmt: skip
    monkeypatch.setenv("HOME", str(world.folder))
    spelled.append("~/remote.git")
    assert len({key(url, clone.path) for url in spelled}) == 1
    assert key("a:b", world.folder) == key(str(bare), world.folder)  # a path that is there, whatever it looks like
    inner = {key(url, world.folder) for url in ("one", "one/.git", "linked", str(linked.path), f"file://{clone.path}/")}
    assert len(inner) == 1
    assert inner.isdisjoint({key(str(bare), world.folder)})
    assert key(str(world.folder / "none"), world.folder) == key("none/", world.folder)
    assert key("none", world.folder) != key("none2", world.folder)
