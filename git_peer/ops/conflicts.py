"""What would collide: everyone's present work against everyone else's, and against the integration branch.

Nothing is written but what is fetched of others: trees of work trees are made in a folder of their own, and merged in
memory.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pygit2
from pygit2.enums import FileMode

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.lock import record as locks
from git_peer.core.session import record as sessions
from git_peer.core.target import target as targets
from git_peer.core.target.section import Sections, joined
from git_peer.ops import sections as sectioning
from git_peer.ops import wip
from git_peer.store.git import changes, merge, present, work
from git_peer.store.git.changes import Hunk
from git_peer.store.git.remote import run

if TYPE_CHECKING:
    from git_peer.core.session.record import Session
    from git_peer.ops.peer import Peer

_PARTS = 3  # targets that one suggested command names
_PATIENCE = 5.0  # seconds for a question to git
_AT_ONCE = 4  # work trees that git looks at side by side
_TEXT = (FileMode.BLOB, FileMode.BLOB_EXECUTABLE)
_DEFINED = re.compile(
    rb"\b(?:def|class|func|fn|function|interface|struct|enum|trait|type|module|const|let|var)[ \t]+(\w+)"
    rb"|^[^;=\n]*?(\w+)[ \t]*\([^;\n]*\{[ \t]*$|^(#+[^\n]+)|^[ \t]*[\"']?([\w-]+)[\"']?[ \t]*:",
    re.MULTILINE,
)  # what may be a section that is new: a look at the lines alone
_WORDS = {
    "text": "the text conflicts",
    "section": "the text merges, but both changed the same part",
    "delete": "one deleted what the other changed",
    "add": "both added it, each otherwise",
    "binary": "both changed a binary file",
    "type": "both changed what kind of file it is",
    "folder": "one made a file where the other made a folder",
}


@dataclass
class Side:
    """Somebody's present work: a tree, and the commit it stands on. `who` is a session, a work tree or a branch."""

    who: str
    commit: str
    tree: str
    branch: str = ""
    worktree: str = ""
    at: int = 0  # when it was published, or committed; of a work tree its files tell
    top: Path | None = None
    kind: str = "worktree"  # worktree, published, committed, integration


class Change(NamedTuple):
    """What a side made of a path: blobs and modes before and after; "" and 0 for none."""

    old: str
    new: str
    old_mode: int
    new_mode: int
    new_path: str


@dataclass
class Clash:
    """Two sides that collide on a path. `spans`: the lines of the common text that are concerned."""

    one: Side
    other: Side
    path: str
    kind: str
    sections: list[str] = field(default_factory=list)
    base: str = ""
    blobs: tuple[str, str] = ("", "")
    spans: list[tuple[int, int]] | None = None


def find(
    peer: Peer, mine: bool = False, diffs: bool = False, among: Sequence[str] = (), fetch: bool = True
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(conflicts, sides) as the contract tells them; this run's own conflicts come first.

    `mine`: only those. `diffs`: each with what the other side, or both, made of the part. `among`: only these paths.
    With `fetch` this work tree's work is published and others' is fetched, where peer.publishWork is on.
    """
    if peer.remote is not None and fetch:
        try:
            peer.refreshed(wip.PATIENCE)
            wip.publish(peer)
            wip.fetch(peer)
        except PeerError as why:
            peer.warned.append({"code": "stale", "message": why.message, "hint": why.hint})
    with tempfile.TemporaryDirectory(prefix="git-peer-") as folder:
        look = _Look(peer, Path(folder))
        found = sorted(
            look.clashes(mine, set(among)),
            key=lambda one: (not look.is_mine(one), one.path, one.one.who, one.other.who, one.kind),
        )
        return [look.view(one, diffs) for one in found], [look.side(one) for one in look.sides]


def collide_with_mine(peer: Peer) -> list[dict[str, Any]]:
    """This run's own conflicts by what is known here; none, and quickly, where its work tree has nothing of its own."""
    if peer.repo.top is None:
        return []
    dirty = run(["status", "--porcelain", "-z"], peer.repo.top, _PATIENCE, {"GIT_OPTIONAL_LOCKS": "0"}).out
    return find(peer, mine=True, fetch=False)[0] if dirty or peer.unlanded() else []


def in_words(view: dict[str, Any], me: str) -> list[str]:
    """A conflict for people: what, with whom, since when, and what to do."""
    who = " and ".join("you" if one == me else one for one in sorted(view["sessions"], key=lambda one: one != me))
    what = (
        f" in {', '.join(name or 'the lines outside all sections' for name in view['sections'])}"
        if view["sections"]
        else ""
    )
    lines = [f"{view['path']}{what}: {who}, since {view['since']}: {_WORDS[view['kind']]}"]
    lines += [f"  next: {one}" for one in view["next"]]
    for one in view.get("diffs", ()):
        lines += [f"  {one['session']}:", *(f"  {row}" for row in one["diff"].split("\n"))]
    return lines


def matrix(found: Iterable[dict[str, Any]], sides: Iterable[dict[str, Any]]) -> list[list[str]]:
    """A row for each side, and in it for each side how many conflicts the two have; the first row is the head."""
    names = [one["session"] for one in sides]
    count: dict[frozenset[str], int] = {}
    for view in found:
        pair = frozenset(view["sessions"])
        count[pair] = count.get(pair, 0) + 1
    return [
        ["", *names],
        *(
            [one, *("-" if one == two else str(count.get(frozenset((one, two)), 0) or ".") for two in names)]
            for one in names
        ),
    ]


class _Look:
    """One look at all sides."""

    def __init__(self, peer: Peer, objects: Path) -> None:
        self.peer = peer
        self.repo = peer.repo
        self.git = peer.repo.git
        self.git.odb.add_disk_alternate(str(objects))
        self.objects = objects
        self._made: dict[tuple[str, str], dict[str, Change]] = {}
        self._hunks: dict[tuple[str, str], list[Hunk]] = {}
        self._sections: dict[tuple[str, str], Sections] = {}
        self.own: Side | None = None
        self.sides: list[Side] = []
        self.onto: Side | None = None
        self._gather()

    # -- who there is -----------------------------------------------------------------------------
    def _gather(self) -> None:
        peer, state = self.peer, self.peer.state
        scene = peer.scene(state)
        live = [one for one in sessions.all_of(state) if sessions.is_live(one, scene)]
        places = present.places(self.repo.common)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            trees = list(pool.map(self._tree, places))
        taken: set[str] = set()
        for place, tree in zip(places, trees, strict=True):
            if not tree:
                continue
            side = self._of_place(place, tree, live)
            while side.who in taken:
                side.who += "'"
            taken.add(side.who)
            self.sides.append(side)
            if place.gitdir.resolve() == self.repo.gitdir.resolve():
                self.own = side
        published = {session.name: (session, commit) for session, commit in wip.others(peer)}
        for session in live:
            if session.clone == peer.me.clone or session.name in taken:
                continue
            known = published.get(session.name)
            commit = known[1] if known else session.head
            there = self._commit(commit)
            if there is not None:
                kind = "published" if known else "committed"
                self.sides.append(
                    Side(
                        session.name,
                        commit,
                        str(there.tree_id),
                        session.branch,
                        session.worktree,
                        there.commit_time,
                        None,
                        kind,
                    )
                )
        branch = state.log.integration
        remote = peer.remote.name if peer.remote is not None else ""
        onto = work.integration(self.git, branch, remote) if branch else ""
        if onto:
            tip = self.git[onto].peel(pygit2.Commit)
            name = f"{remote}/{branch}" if remote else branch
            self.onto = Side(name, onto, str(tip.tree_id), branch, "", tip.commit_time, None, "integration")

    def _tree(self, place: present.Place) -> str:
        try:
            return present.tree(place, self.objects)
        except PeerError:
            return ""  # it went meanwhile, or cannot be read: not this command's matter

    def _of_place(self, place: present.Place, tree: str, live: Sequence[Session]) -> Side:
        name = "" if place.gitdir.resolve() == self.repo.common.resolve() else _relative(place)
        own = place.gitdir.resolve() == self.repo.gitdir.resolve()
        here = [one for one in live if one.clone == self.peer.me.clone and one.gitdir == name]
        here.sort(key=lambda one: (bool(one.agent), one.at))
        ref = _head(place)
        commit = self._commit(ref.removeprefix("ref: "))
        who = self.peer.name if own else here[-1].name if here else place.top.name
        branch = ref.removeprefix("ref: refs/heads/") if ref.startswith("ref: ") else ""
        return Side(who, str(commit.id) if commit else "", tree, branch, str(place.top), 0, place.top)

    def _commit(self, name: str) -> pygit2.Commit | None:
        """A commit by its id or ref; None where it is not here."""
        try:
            return self.git.revparse_single(name).peel(pygit2.Commit) if name else None
        except (KeyError, ValueError, pygit2.GitError):
            return None

    def is_mine(self, clash: Clash) -> bool:
        """Whether this run is one of the two."""
        return self.own is not None and self.own in (clash.one, clash.other)

    # -- what collides ----------------------------------------------------------------------------
    def clashes(self, mine: bool, among: set[str]) -> Iterator[Clash]:
        """All collisions; `among`: on these paths."""
        pairs = list(combinations(self.sides, 2))
        if self.onto is not None:
            pairs += [(side, self.onto) for side in self.sides]
        for one, other in pairs:
            if mine and self.own not in (one, other):
                continue
            base = merge.base(self.git, one.commit, other.commit)
            if base:
                yield from self._pair(one, other, str(self.git[base].peel(pygit2.Tree).id), among)

    def _pair(self, one: Side, other: Side, base: str, among: set[str]) -> Iterator[Clash]:
        if base in (one.tree, other.tree) or one.tree == other.tree:
            return
        ours, theirs = self._changes(base, one.tree), self._changes(base, other.tree)
        for path in sorted(ours.keys() & theirs.keys()):
            if among and path not in among:
                continue
            clash = self._on(path, ours[path], theirs[path], one, other)
            if clash is not None:
                yield clash
        for left, right in ((ours, theirs), (theirs, ours)):
            folders = {path[:at] for path, two in right.items() if two.new for at in _slashes(path)}
            for path in sorted(folders & {path for path, change in left.items() if change.new} - right.keys()):
                if not among or path in among:
                    yield Clash(one, other, path, "folder")

    def _changes(self, base: str, tree: str) -> dict[str, Change]:
        """Path → what a tree made of it. Under its old name what was renamed and edited by the other."""
        key = (base, tree)
        if key not in self._made:
            diff = self.git[base].peel(pygit2.Tree).diff_to_tree(self.git[tree].peel(pygit2.Tree), context_lines=0)
            rows: dict[str, Change] = {}
            gone = False
            for delta in diff.deltas:
                old, new, letter = delta.old_file, delta.new_file, delta.status_char()
                path = layout.from_bytes((old if letter == "D" else new).raw_path)
                gone = gone or letter == "D"
                rows[path] = Change(
                    "" if letter == "A" else str(old.id), "" if letter == "D" else str(new.id),
                    0 if letter == "A" else int(old.mode), 0 if letter == "D" else int(new.mode), path,
                )  # fmt: skip
            if gone and any(not row.old for row in rows.values()):
                diff.find_similar()
                for delta in diff.deltas:
                    if delta.status_char() == "R":
                        old, new = delta.old_file, delta.new_file
                        path, at = layout.from_bytes(old.raw_path), layout.from_bytes(new.raw_path)
                        rows[path] = Change(str(old.id), str(new.id), int(old.mode), int(new.mode), at)
            self._made[key] = rows
        return self._made[key]

    def _on(self, path: str, ours: Change, theirs: Change, one: Side, other: Side) -> Clash | None:
        if (ours.new, ours.new_mode) == (theirs.new, theirs.new_mode):
            return None
        clash = Clash(one, other, path, "", [], ours.old, (ours.new, theirs.new))
        if not ours.new or not theirs.new:
            moved = (ours.new or theirs.new) == ours.old
            clash.kind = "" if moved else "delete"
        elif ours.new_mode not in _TEXT or theirs.new_mode not in _TEXT:
            clash.kind = "type"
        elif ours.old not in (ours.new, theirs.new):
            self._texts(clash)
        return clash if clash.kind else None

    def _texts(self, clash: Clash) -> None:
        """Fill in how two texts collide; no kind where they do not."""
        base, (mine, yours) = clash.base, clash.blobs
        if any(b"\0" in self._blob(ident)[:8000] for ident in (base, mine, yours) if ident):
            clash.kind = "binary"
            return
        if not base:
            clash.kind = "add"
            return
        ours, theirs = self._changed(base, mine), self._changed(base, yours)
        sections = self._sectioned(clash.path, base)
        stretches = changes.clashes(self._blob(base), ours, theirs)
        if stretches:
            clash.kind = "text"
            parts = [sections.at(first + 1, end) for first, end in stretches] if sections.tool else []
            clash.sections = list(dict.fromkeys(name for part in parts for name in part))
            clash.spans = [(first + 1, max(end, first + 1)) for first, end in stretches]
            return
        if not sections.tool:
            return
        both = in_both(sections, ours, theirs)
        both += [name for name in self._added_by_both(clash, ours, theirs, sections) if name not in both]
        if both:
            clash.kind, clash.sections = "section", both
            clash.spans = list(joined([span for name in both for span in sections.spans(name)]))

    def _added_by_both(self, clash: Clash, ours: Sequence[Hunk], theirs: Sequence[Hunk], known: Sections) -> list[str]:
        """Names of sections that neither had before, and both have now."""
        names = [
            {found for one in some for row in _DEFINED.findall(one.text) for found in row if found}
            for some in (ours, theirs)
        ]
        if not names[0] & names[1]:
            return []  # what reading both texts would come to
        before = {one.name for one in known.found}
        now = [[one.name for one in self._sectioned(clash.path, ident).found] for ident in clash.blobs]
        return [name for name in dict.fromkeys(now[0]) if name in now[1] and name not in before]

    def _changed(self, old: str, new: str) -> list[Hunk]:
        key = (old, new)
        if key not in self._hunks:
            self._hunks[key] = changes.hunks(self._blob(old), self._blob(new))
        return self._hunks[key]

    def _sectioned(self, path: str, ident: str) -> Sections:
        key = (path.rpartition("/")[2], ident)
        if key not in self._sections:
            self._sections[key] = sectioning.of(self.repo, path, self._blob(ident))
        return self._sections[key]

    def _blob(self, ident: str) -> bytes:
        try:
            return bytes(self.git[ident].peel(pygit2.Blob).data) if ident else b""
        except KeyError:  # a partial clone
            return b""

    # -- what is told -----------------------------------------------------------------------------
    def view(self, clash: Clash, diffs: bool) -> dict[str, Any]:
        """A collision as the contract tells it."""
        shown, encoding = (clash.path, "") if layout.is_utf8(clash.path) else (layout.percent(clash.path), "percent")
        found: dict[str, Any] = {
            "sessions": [clash.one.who, clash.other.who],
            "path": shown,
            **({"path_encoding": encoding} if encoding else {}),
            "kind": clash.kind,
            "sections": clash.sections,
            "since": locks.rfc3339(max(self._since(clash.one, clash.path), self._since(clash.other, clash.path))),
            "next": self._next(clash),
        }
        if diffs:
            sides = zip((clash.one, clash.other), clash.blobs, strict=True)
            found["diffs"] = [
                {"session": side.who, "diff": self._diff(clash, ident)}
                for side, ident in sides
                if side is not self.own or not self.is_mine(clash)
            ]
        return found

    def _diff(self, clash: Clash, ident: str) -> str:
        if clash.kind in ("binary", "type", "folder"):
            return ""
        spans = clash.spans if clash.base and ident else None
        return changes.diff(self._blob(clash.base), self._blob(ident), clash.path, spans)

    def _since(self, side: Side, path: str) -> int:
        """When a side changed a path, as well as can be told."""
        if side.top is not None:
            try:
                return int((side.top / path).lstat().st_mtime)
            except (OSError, ValueError):
                pass
        if side.at:
            return side.at
        return int(self.git[side.commit].peel(pygit2.Commit).commit_time) if side.commit else 0

    def _next(self, clash: Clash) -> list[str]:
        """What this run may do about it; nothing where it is no party to it."""
        if not self.is_mine(clash):
            return []
        theirs = clash.other if clash.one is self.own else clash.one
        if theirs.kind == "integration":
            return [f"git merge {theirs.who}"]
        target = targets.of_path("file", clash.path)
        spelled = _shell(targets.show(target))
        talk = f"git peer push-delta --type discovery --path {spelled} --to {theirs.who} --summary TEXT"
        held = [one for one in self.peer.locks([target]) if one["live"] and one["state"] == "held"]
        others = [str(one["target"]) for one in held if one["session"] == theirs.who]
        if others:
            return [f"git peer lock {' '.join(map(_shell, others[:_PARTS]))} --wait 10m", talk]
        if any(one["session"] == self.peer.name for one in held):
            return [talk]
        there = self._sections_here(clash)
        parts = [targets.show(targets.of_path("section", clash.path, section=name)) for name in there]
        wanted = " ".join(map(_shell, parts)) if 0 < len(parts) <= _PARTS else spelled
        return [f"git peer lock {wanted}", talk]

    def _sections_here(self, clash: Clash) -> list[str]:
        """The sections of a clash, where this work tree has them all: else none can be locked."""
        try:
            _, known = sectioning.in_work_tree(self.peer.repo, clash.path)
        except PeerError:
            return []
        return list(clash.sections) if all(known.spans(name) for name in clash.sections) else []

    def side(self, side: Side) -> dict[str, Any]:
        """A side as the contract tells it: who, where, and how many files it has changed."""
        base = merge.base(self.git, side.commit, self.onto.commit) if self.onto is not None else side.commit
        files = 0
        if base:
            files = len(self._changes(str(self.git[base].peel(pygit2.Tree).id), side.tree))
        return {
            "session": side.who, "kind": side.kind, "branch": side.branch, "worktree": side.worktree,
            "head": side.commit or None, "files": files,
        }  # fmt: skip


def in_both(sections: Sections, ours: Iterable[Hunk], theirs: Iterable[Hunk]) -> list[str]:
    """The sections that both changed and should be looked at, though git merges them.

    Prose under one heading, and what a file or a class has outside its sections, is too large to mean anything.
    """
    large = {label for label, one in zip(sections.labels, sections.found, strict=True) if one.kind == "heading"}
    mine, yours = (
        dict.fromkeys(name for one in some for name in sections.at(one.first + 1, one.end)) for some in (ours, theirs)
    )
    return [name for name in mine if name in yours and name in sections.labels and name not in large]


def _slashes(path: str) -> list[int]:
    return [at for at, char in enumerate(path) if char == "/"]


def _relative(place: present.Place) -> str:
    try:
        return str(place.gitdir.resolve().relative_to(place.common.resolve()))
    except ValueError:
        return str(place.gitdir)


def _head(place: present.Place) -> str:
    try:
        return (place.gitdir / "HEAD").read_text("utf-8", "surrogateescape").strip()
    except OSError:
        return ""


def _shell(word: str) -> str:
    import shlex

    return shlex.quote(word)
