"""Merges in the object store: what git itself would come to, and nothing but objects is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pygit2
import pytest
from pygit2.enums import FileMode, ObjectType

from git_peer.core.errors import PeerError
from git_peer.store.git import merge as merges
from tests.world import Clone, World

LINES = "".join(f"line {n}\n" for n in range(20))
WHO = pygit2.Signature("Test", "test@example.com", 1_700_000_000, 0)


class Site:
    """A repository whose commits are made without a work tree."""

    def __init__(self, path: Path) -> None:
        self.git = pygit2.init_repository(str(path))

    def raw(self, entries: list[tuple[bytes, bytes, str]]) -> str:
        """A tree of these very entries (mode, name, id), whatever git would say to it."""
        body = b"".join(b"%s %s\0%s" % (mode, name, bytes.fromhex(ident)) for mode, name, ident in entries)
        return str(self.git.odb.write(ObjectType.TREE, body))

    def commit(self, files: Mapping[str, str], *parents: str) -> str:
        """A commit with these files."""
        index = pygit2.Index()
        for path, text in files.items():
            index.add(pygit2.IndexEntry(path, self.git.create_blob(text.encode()), FileMode.BLOB))
        return self.of(str(index.write_tree(self.git)), *parents)

    def of(self, tree: str, *parents: str) -> str:
        """A commit of a tree."""
        return str(self.git.create_commit(None, WHO, WHO, "work\n", tree, list(parents)))

    def merge(self, ours: str, theirs: str) -> merges.Merged:
        """A merge."""
        return merges.merged(self.git, ours, theirs, "Merge it", WHO)

    def files(self, commit: str) -> dict[str, str]:
        """Path → text."""
        index = pygit2.Index()
        index.read_tree(self.git[commit].peel(pygit2.Tree))
        return {str(entry.path): self.git[entry.id].peel(pygit2.Blob).data.decode() for entry in index}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An empty repository."""
    return Site(tmp_path / "site")


def _top(text: str) -> str:
    return LINES.replace("line 0\n", text)


def _end(text: str) -> str:
    return LINES.replace("line 19\n", text)


def test_both_sides_are_kept(site: Site) -> None:
    base = site.commit({"a b\nc": LINES})
    ours, theirs = site.commit({"a b\nc": _top("ours\n")}, base), site.commit({"a b\nc": _end("theirs\n")}, base)
    made = merges.merged(site.git, ours, theirs, "Merge it", WHO, {"Peer-Task": "t 1\nx", "Peer-Session": ""})
    text = site.files(made.commit)["a b\nc"]
    assert text.startswith("ours\n")
    assert text.endswith("theirs\n")
    commit = site.git[made.commit].peel(pygit2.Commit)
    assert [str(parent) for parent in commit.parent_ids] == [ours, theirs]
    assert commit.message == "Merge it\n\nPeer-Task: t 1 x\n"


def test_what_is_there_already_and_what_only_moves_ahead(site: Site) -> None:
    base = site.commit({"a": LINES})
    ahead = site.commit({"a": _top("x\n")}, base)
    assert site.merge(ahead, base) == merges.Merged(ahead)
    assert site.merge(base, ahead) == merges.Merged(ahead)
    assert site.merge(base, base) == merges.Merged(base)
    assert merges.contains(site.git, ahead, base)
    assert not merges.contains(site.git, base, ahead)
    assert not merges.contains(site.git, base, "0" * 39 + "1")


def test_a_rename_is_followed(site: Site) -> None:
    base = site.commit({"old": LINES})
    ours, theirs = site.commit({"new name": LINES}, base), site.commit({"old": _end("theirs\n")}, base)
    for one, two in ((ours, theirs), (theirs, ours)):
        assert site.files(site.merge(one, two).commit) == {"new name": _end("theirs\n")}


def test_a_conflict_names_its_paths_and_makes_no_commit(site: Site) -> None:
    blob, mine, other = (str(site.git.create_blob(text.encode())) for text in (LINES, _top("1\n"), _top("2\n")))
    names = (b"\xff \n", b"b")
    base = site.of(site.raw([(b"100644", names[1], blob), (b"100644", names[0], blob)]))
    ours = site.of(site.raw([(b"100644", names[1], mine), (b"100644", names[0], mine)]), base)
    theirs = site.of(site.raw([(b"100644", names[0], other)]), base)  # changed, and deleted
    assert site.merge(ours, theirs) == merges.Merged("", ("b", "\udcff \n"))


def test_a_criss_cross_has_one_result(site: Site) -> None:
    base = site.commit({"a": LINES})
    one, two = site.commit({"a": _top("one\n")}, base), site.commit({"a": _end("two\n")}, base)
    both = {"a": _top("one\n").replace("line 19\n", "two\n")}
    left, right = site.commit(both, one, two), site.commit(both, two, one)
    left = site.commit({"a": both["a"].replace("line 5\n", "left\n")}, left)
    right = site.commit({"a": both["a"].replace("line 12\n", "right\n")}, right)
    text = site.files(site.merge(left, right).commit)["a"]
    assert [word for word in ("one\n", "left\n", "right\n", "two\n") if word in text] == [
        "one\n", "left\n", "right\n", "two\n",
    ]  # fmt: skip


def test_several_at_once_stop_at_the_first_that_conflicts(site: Site) -> None:
    base = site.commit({"a": LINES})
    one, two = site.commit({"a": _top("1\n")}, base), site.commit({"a": _end("2\n")}, base)
    three = site.commit({"a": _top("3\n")}, base)
    made = merges.merge_all(site.git, base, [one, two], lambda commit: f"Merge {commit}", WHO)
    assert site.files(made.commit)["a"] == _top("1\n").replace("line 19\n", "2\n")
    assert site.git[made.commit].peel(pygit2.Commit).message == f"Merge {two}\n"
    stopped = merges.merge_all(site.git, base, [one, two, three], lambda commit: f"Merge {commit}", WHO)
    assert (stopped.commit, stopped.conflicts, stopped.stopped) == ("", ("a",), three)
    assert merges.merge_all(site.git, base, [], lambda _: "-", WHO) == merges.Merged(base)


@pytest.mark.parametrize("name", [b".git", b".GIT", b"git~1", b"..", b"."])
def test_entries_that_git_would_not_check_out_are_refused(site: Site, name: bytes) -> None:
    base = site.commit({"a": LINES})
    blob = str(site.git.create_blob(b"echo owned\n"))
    hook = site.raw([(b"100755", b"post-checkout", blob)])
    hostile = site.of(site.raw([(b"40000", name, hook), (b"100644", b"a", blob)]), base)
    for ours in (base, site.commit({"a": LINES, "b": "b\n"}, base)):  # also where it would only move ahead
        with pytest.raises(PeerError) as refused:
            site.merge(ours, hostile)
        assert refused.value.code == "invalid"


def test_what_is_not_here_is_said(site: Site) -> None:
    base = site.commit({"a": LINES})
    with pytest.raises(PeerError) as refused:
        site.merge(base, "0" * 39 + "1")
    assert refused.value.code == "unavailable"
    half = site.raw([(b"100644", b"a", "0" * 39 + "2")])
    other = site.commit({"a": _top("x\n")}, base)
    with pytest.raises(PeerError) as refused:
        site.merge(site.of(half, base), other)
    assert refused.value.code == "unavailable"


def test_a_work_tree_and_its_index_stay_as_they_are(world: World) -> None:
    clone: Clone = world.clone("a")
    clone.write("README.md", "changed, not staged\n")
    clone.write("staged", "x\n")
    clone.git("add", "staged")
    before = (clone.git("status", "--porcelain=v2", "--branch").out, world.refs(), clone.git("for-each-ref").out)
    git = pygit2.Repository(str(clone.path))
    base = clone.head()
    index = pygit2.Index()
    index.read_tree(git[base].peel(pygit2.Tree))
    index.add(pygit2.IndexEntry("README.md", git.create_blob(b"theirs\n"), FileMode.BLOB))
    theirs = str(git.create_commit(None, WHO, WHO, "theirs", index.write_tree(git), [base]))
    index.add(pygit2.IndexEntry("other", git.create_blob(b"o\n"), FileMode.BLOB))
    index.remove("README.md")
    index.add(pygit2.IndexEntry("README.md", git[git[base].peel(pygit2.Tree)["README.md"].id].id, FileMode.BLOB))
    ours = str(git.create_commit(None, WHO, WHO, "ours", index.write_tree(git), [base]))
    assert merges.merged(git, ours, theirs, "m", WHO).commit not in ("", ours, theirs)
    after = (clone.git("status", "--porcelain=v2", "--branch").out, world.refs(), clone.git("for-each-ref").out)
    assert after == before
