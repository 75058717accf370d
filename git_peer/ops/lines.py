"""Lines that somebody names, as the work tree has them, and the committed version that a lock counts them on."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.lock import record as locks
from git_peer.core.lock import rule as locking
from git_peer.core.target import lines as ranges
from git_peer.core.target import target as targets
from git_peer.core.target.target import Spans, Target
from git_peer.ops.peer import Peer
from git_peer.store.git import work
from git_peer.store.git.libgit2 import GitError
from git_peer.store.git.lines import LARGEST, Lines

WHOLE = "lock the whole file"
OF_LINES = ("lines", "section")  # kinds of targets that are about a part of a file


class Version(NamedTuple):
    """A committed version of a file, that the remote has as far as this clone knows."""

    blob: str
    raw: bytes


def placed(peer: Peer, wanted: Iterable[Target]) -> list[Target]:
    """`wanted`, with ranges and sections of the work tree as lines of a committed version: PeerError where it has none.

    What was changed there since goes with it whole, and lines that were never committed count as the two between which
    they stand.
    """
    return [_placed(peer, one) if one.kind in OF_LINES and not one.blob else one for one in wanted]


def _placed(peer: Peer, target: Target) -> Target:
    name = targets.show(msgspec.structs.replace(target, kind="file", lines=None, section=""))
    now = content(peer, target.real, name)
    target = _found(peer, target, name, now)
    version = committed(peer, target.real, name)
    there = on_version(now, version, target.region)
    if there is None:
        raise PeerError(
            "invalid",
            f"{name} has little in common with its committed version: its lines cannot be told from others",
            f"commit it first, or {WHOLE}",
        )
    if target.kind == "section":
        return msgspec.structs.replace(target, spans=there, blob=version.blob)
    return msgspec.structs.replace(target, lines=(there[0][0], there[-1][1]), blob=version.blob)


def _found(peer: Peer, target: Target, name: str, now: bytes) -> Target:
    """A range that the file has, or a section with its lines in the file as it is now; PeerError for another."""
    if target.kind == "section":
        from git_peer.ops import sections  # late, as are parsers: only a section needs them

        called, spans = sections.named(peer.repo, target.real, name, now, target.section)
        return msgspec.structs.replace(target, section=called, spans=spans)
    assert target.lines is not None
    count = ranges.count(now)
    if target.lines[1] > count:
        raise PeerError("invalid", f"{name} has {count} lines, and no line {target.lines[1]}", WHOLE)
    return target


def on_version(now: bytes, version: Version, spans: Spans) -> Spans | None:
    """Lines of a file as it is in the work tree, on a committed version; None where that cannot be told."""
    return ranges.enclosing(eol(now), eol(version.raw), spans)


def in_work_tree(peer: Peer, target: Target) -> Spans | None:
    """What has come of a lock's lines in the work tree; None where that cannot be told, () where they are gone."""
    try:
        now = content(peer, target.real, target.path)
    except PeerError:
        return None
    raw = Lines(peer.repo.handle).read(target.blob)
    return None if raw is None else ranges.image(eol(raw), eol(now), target.region)


def eol(raw: bytes) -> bytes:
    """As git would commit it where it turns line ends: which lines there are does not depend on it."""
    return raw.replace(b"\r\n", b"\n")


def content(peer: Peer, path: str, name: str) -> bytes:
    """A file of text as the work tree has it; PeerError that calls it `name` for anything else."""
    full = os.path.join(os.fsencode(peer.repo.top or ""), layout.to_bytes(path))
    try:
        info = os.lstat(full)
    except (FileNotFoundError, NotADirectoryError):
        raise PeerError("not_found", f"there is no file {name} here, so it has no lines", WHOLE) from None
    if stat.S_ISLNK(info.st_mode):
        raise PeerError("invalid", f"{name} is a symbolic link: it has no lines", "name the file that it leads to")
    if not stat.S_ISREG(info.st_mode):
        raise PeerError("invalid", f"{name} is no file of text: it has no lines", WHOLE)
    if info.st_size > LARGEST:
        raise PeerError("invalid", f"{name} has over {LARGEST >> 20} MiB: its lines are not compared", WHOLE)
    with open(full, "rb") as file:
        raw = file.read()
    if ranges.is_binary(raw):
        raise PeerError("invalid", f"{name} is binary: it has no lines", WHOLE)
    return raw


def committed(peer: Peer, path: str, name: str) -> Version:
    """The newest version of a file in this branch's history that the remote has; PeerError where there is none."""
    git = peer.repo.handle
    commit = _shared(peer)
    found = work.blob_at(git, commit, path) if commit else ""
    if not found and commit:
        found = _before_move(peer, commit, path)
    raw = Lines(git).read(found) if found else None
    if raw is None:
        where = f" that {peer.remote.name} has" if peer.remote is not None else ""
        raise PeerError(
            "invalid",
            f"{name} has no committed version{where}: its lines mean nothing to others",
            ("commit and push it first" if peer.remote is not None else "commit it first") + f", or {WHOLE}",
        )
    if ranges.is_binary(raw) or not raw:
        what = "binary" if raw else "empty"
        raise PeerError("invalid", f"the committed version of {name} is {what}: it has no lines", WHOLE)
    return Version(found, raw)


def _shared(peer: Peer) -> str:
    """The newest commit of HEAD's history that the remote is known to have; HEAD in local mode."""
    git, head = peer.repo.handle, peer.repo.head
    if peer.remote is None or not head:
        return head
    best = ""
    for branch in dict.fromkeys((peer.repo.branch, peer.state.log.integration)):
        there = work.fetched(git, branch, peer.remote.name) if branch else ""
        try:
            base = str(git.merge_base(head, there) or "") if there else ""
            if base and (not best or git.descendant_of(base, best)):
                best = base
        except (KeyError, ValueError, GitError):
            continue
    return best


def _before_move(peer: Peer, commit: str, path: str) -> str:
    """The blob in `commit` of a file that was called otherwise there, by git's own word of what was renamed."""
    from git_peer.store.git.remote import run

    args = ["diff-index", "--cached", "--find-renames", "--diff-filter=R", "--raw", "--no-abbrev", "-z", commit, "--"]
    rows = run(args, peer.repo.top or peer.repo.gitdir, 60).out.split("\0")
    for info, _, new in zip(rows[::3], rows[1::3], rows[2::3], strict=False):
        if new == path:
            return info.split(" ")[2]
    return ""


# -- what is locked, by its lines in the work tree ---------------------------------------------------
def named(peer: Peer, wanted: Iterable[Target]) -> list[Target]:
    """`wanted`, with each range or section as what a lock on it has, where there is one: for `unlock`.

    A range is meant as it stands in the work tree, else as it was taken.
    """
    found: list[Target] = []
    for one in wanted:
        if one.kind not in ("lines", "section"):
            found.append(one)
            continue
        held = [lock.target for lock in _known(peer) if lock.target.real == one.real and lock.target.kind == one.kind]
        if one.kind == "section":
            names = (one.section, one.section.replace("::", "."))
            same = [target for target in held if target.section in names]
        else:
            same = [target for target in held if in_work_tree(peer, target) == one.region]
            same = same or [target for target in held if target.lines == one.lines]
        found += list(dict.fromkeys(same)) or [one]
    return found


def _known(peer: Peer) -> list[locks.Lock]:
    """The locks of the log, and the tentative ones of this clone."""
    markers = peer.clone.tentative().values()
    return [*locks.all_of(peer.state), *(msgspec.convert(k, locks.Lock) for m in markers for k in m.get("locks", ()))]


def check(peer: Peer, wanted: Iterable[Target]) -> list[dict[str, Any]]:
    """Violations if this run changed these lines or sections of the work tree, as Peer.check() has them."""
    wanted = [_found(peer, one, one.path, content(peer, one.real, one.path)) for one in wanted]
    return [peer.violation(raw) for one in wanted for raw in against(peer, one.real, one.region)]


def against(peer: Peer, path: str, spans: Spans) -> list[dict[str, Any]]:
    """What stands against a change of these lines of a file in the work tree, as Peer.against() has it."""

    def untouched(path: str, there: Sequence[dict[str, Any]]) -> list[bool]:
        held = [in_work_tree(peer, msgspec.convert(target, Target)) for target in there]
        return [one is not None and not ranges.overlap(one, spans) for one in held]

    return peer.against(peer.me_for_gate(), [path], untouched=untouched)


def text_of(peer: Peer, path: str) -> bytes:
    """A file of the work tree as agents see it, line ends turned; nothing where it has no lines."""
    try:
        return eol(content(peer, path, path))
    except PeerError:
        return b""


def check_edit(peer: Peer, path: str, before: bytes, after: bytes) -> list[dict[str, Any]]:
    """Violations if this run made `after` of a file of the work tree, as Peer.check() has them."""
    blobs = Lines(peer.repo.handle)

    def untouched(path: str, there: Sequence[dict[str, Any]]) -> Sequence[bool]:
        raws = [blobs.read(target["blob"]) for target in there]
        taken_on = [None if raw is None else eol(raw) for raw in raws]
        return ranges.untouched([locking.spans_of(target) for target in there], taken_on, [before], after)

    return [peer.violation(raw) for raw in peer.against(peer.me_for_gate(), [path], untouched=untouched)]


def has(peer: Peer, path: str, changed: Sequence[tuple[int, int]]) -> bool:
    """Whether this session has locked all of these lines of the work tree's file; (3, 2) is between 2 and 3."""
    views = mine(peer, path)
    if not views:
        return False
    shown_here(peer, views)
    held = ranges.joined([tuple(span) for one in views for span in one.get("here", ())])
    return all(any(a <= min(first, last) and max(first, last) <= b for a, b in held) for first, last in changed)


def mine(peer: Peer, path: str) -> list[dict[str, Any]]:
    """This session's own live locks on lines of a file."""
    found = peer.locks([targets.of_path("file", path)], mine=True)
    held = (one for one in found if one["live"] and one["state"] == "held")
    return [one for one in held if one.get("blob") and one["session"] == peer.name]


def beside(peer: Peer, taken: Iterable[Target]) -> list[dict[str, Any]]:
    """A notice of each file of which others have other parts than were taken: at a border git may not merge."""
    found = []
    for path in dict.fromkeys(one.path for one in taken if one.blob):
        target = next(one for one in taken if one.path == path)
        whole = [targets.of_path("file", target.real)]
        near, own = peer.locks(whole), {view["id"] for view in peer.locks(whole, mine=True)}
        others = [one for one in near if one.get("blob") and one["id"] not in own and one["live"]]
        if others:
            who = ", ".join(f"{one['session']} has {one['target']}" for one in others[:3])
            more = f", and {len(others) - 3} more" if len(others) > 3 else ""
            found.append(
                {
                    "code": "beside",
                    "message": f"{who}{more}: what is put in directly beside that may conflict with it",
                    "target": targets.show(target),
                    "hint": "`git peer conflicts --mine` tells what does",
                }
            )
    return found


def is_new(now: bytes, version: Version, spans: Spans) -> bool:
    """Whether no line of these has ever been committed."""
    return ranges.image(eol(now), eol(version.raw), spans) == ()


def of_edit(peer: Peer, path: str, before: bytes, after: bytes) -> Target:
    """The lines that an edit of the work tree's file changes, as a target; the file where they cannot be locked."""
    old, new = ranges.split(before), ranges.split(after)
    head = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    most = min(len(old), len(new)) - head
    backwards = zip(old[::-1], new[::-1], strict=False)
    tail = next((at for at, (a, b) in enumerate(backwards) if a != b or at == most), most)
    first, last = head + 1, len(old) - tail
    if first > last:  # nothing but new lines: the two between which they come
        first, last = max(1, last), min(len(old), first)
    whole = targets.of_path("file", path)
    try:
        return _placed(peer, targets.of_path("lines", path, lines=(first, last))) if old else whole
    except PeerError:
        return whole


def shown_here(peer: Peer, views: Iterable[dict[str, Any]]) -> None:
    """Note in views of locks on lines where those stand in the work tree now (`here`), where that can be told."""
    for view in views:
        if view.get("blob"):
            path = layout.unpercent(view["path"]) if view.get("path_encoding") else view["path"]
            spans = view.get("spans") or (view["lines"],)
            there = in_work_tree(peer, targets.of_path("section", path, blob=view["blob"], spans=spans))
            if there is not None:
                view["here"] = there
