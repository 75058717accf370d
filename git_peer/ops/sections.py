"""The sections of a file as it stands in the work tree, or of any text; which there are, and who holds what."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from git_peer import layout
from git_peer.adapters import languages
from git_peer.core.errors import PeerError
from git_peer.core.target import lines as ranges
from git_peer.core.target import target as targets
from git_peer.core.target.section import Sections, Span
from git_peer.core.target.target import Spans, Target
from git_peer.store.git.repo import Repo

if TYPE_CHECKING:
    from git_peer.adapters.grammars import Grammars
    from git_peer.ops.peer import Peer

LARGE = 8 << 20  # bytes; a larger file has no sections
MANY = 8  # sections of a file that one edit changes; with more it is the file that is locked
_PATIENCE = 10.0  # seconds for git


def of(repo: Repo, path: str, source: bytes) -> Sections:
    """The sections of a text that stands, or is to stand, at `path` from the top.

    By a grammar, else by git's function names where the path's `diff` attribute has any; `tool` is "" where neither
    can tell.
    """
    if len(source) > LARGE or b"\0" in source[:8000]:  # binary, as git tells it
        return Sections((), b"", "")
    return _by_grammar(path, source) or _by_git(repo, path, source)


@functools.lru_cache(maxsize=8)  # who asks which sections lines are in asks again for those that it locks
def _by_grammar(path: str, source: bytes) -> Sections | None:
    """The sections by a grammar; None where there is none, or reading takes too long."""
    language = "C++" if path.lower().endswith(".h") else languages.of(path)  # C++'s grammar reads C's headers too
    grammars = _grammars()
    if language not in languages.SECTIONS or not grammars.has(language):
        return None
    found = grammars.sections(language, source)
    return None if found is None else Sections(found, source, "tree-sitter")


@functools.cache
def _grammars() -> Grammars:
    from git_peer.adapters.grammars import Grammars  # late: who asks for no section does without

    return Grammars()


def _by_git(repo: Repo, path: str, source: bytes) -> Sections:
    """The sections that git's function names make. It runs twice: for the attribute, and for the names."""
    import tempfile
    from pathlib import Path

    from git_peer.adapters import outlines
    from git_peer.store.git.remote import run

    where = repo.top or repo.gitdir
    place = {"GIT_DIR": str(repo.gitdir), "GIT_OPTIONAL_LOCKS": "0"}
    if repo.top is not None:
        place["GIT_WORK_TREE"] = str(repo.top)
    ask = ["-c", f"core.attributesFile={outlines.ATTRIBUTES}", "check-attr", "-z", "--stdin", "diff"]
    said = run(ask, where, _PATIENCE, place, layout.to_bytes(path) + b"\0").out.split("\0")
    driver = said[-2] if len(said) > 2 else "unspecified"
    if driver in {"unspecified", "set", "unset"} or not driver.isprintable() or " " in driver:
        return Sections((), source, "")
    with tempfile.TemporaryDirectory(prefix="git-peer-") as folder:
        old, new, attributes = (Path(folder, name) for name in ("old", "new", "attributes"))
        old.write_bytes(source)
        new.write_bytes(outlines.spaced(source))
        attributes.write_text(f"* diff={driver}\n", "utf-8", "surrogateescape")
        args = outlines.spaced_args(str(attributes), str(old), str(new))
        ran = run(args, where, _PATIENCE, place)
    found = outlines.of_spaced(ran.out.encode("utf-8", "surrogateescape"), source)
    return Sections(found, source, "git")


def in_work_tree(repo: Repo, path: str) -> tuple[bytes, Sections]:
    """(text, sections) of a file as it stands in the work tree; PeerError where it is none, or is not there."""
    whole = os.path.join(os.fsencode(str(repo.top or "")), layout.to_bytes(path))
    if repo.top is None or os.path.islink(whole):
        raise PeerError("not_found", f"{path} is no file with sections", "a link's text is what it leads to")
    try:
        with open(whole, "rb") as file:
            source = file.read()
    except OSError as why:
        raise PeerError(
            "not_found", f"cannot read {path}: {why.strerror}", "sections are of a file that is there"
        ) from None
    return source, of(repo, path, source)


def listed(sections: Sections, locks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each section with its name, kind, lines and who has it: first what stands outside all of them, with no name.

    `locks` are those on the path, as the contract's L; `here` in one on lines is where those stand in this text.
    """

    def held(spans: Spans) -> list[Mapping[str, Any]]:
        return [lock for lock in locks if "here" not in lock or ranges.overlap(lock["here"], spans)]

    rows = [("", "module", sections.spans(""))]
    rows += [
        (label, one.kind, ((one.first, one.last),)) for label, one in zip(sections.labels, sections.found, strict=True)
    ]
    return [
        {
            "name": name,
            "kind": kind,
            "spans": spans,
            "lines": [spans[0][0], spans[-1][1]] if spans else None,
            "locks": held(spans),
        }
        for name, kind, spans in rows
    ]


def named(repo: Repo, path: str, shown: str, source: bytes, name: str) -> tuple[str, Spans]:
    """(a section's name as locks have it, its lines) in a text that stands at `path`; PeerError, which says `shown`."""
    found = of(repo, path, source)
    called, spans = found.named(name)
    if spans:
        return called, spans
    if not name and found.tool:
        raise PeerError(
            "not_found", f"nothing in {shown} stands outside its sections", "lock one of them, or the whole file"
        )
    raise missing(shown, name, found)


def of_edit(peer: Peer, path: str, before: bytes, changed: Sequence[Span]) -> list[Target] | None:
    """What has to be locked for a change of these lines of a file in the work tree; None where the file is better.

    `before` is its text, with line feeds alone; (3, 2) of `changed` is between lines 2 and 3. A change of many sections
    is one of the file: so is what nobody has committed, and what nothing tells the sections of. What is changed outside
    of them, or put in at the border of another, goes along as lines: git would not merge it with a change of that one.
    """
    from git_peer.ops import lines

    found = of(peer.repo, path, before)
    names = list(dict.fromkeys(name for first, last in changed for name in found.at(first, last)))
    if not found.found or not names or len(names) > MANY:
        return None
    try:
        version = lines.committed(peer, path, path)
        for at in range(len(names)):  # what nobody has committed is a part of what it stands in
            while names[at] and lines.is_new(before, version, found.spans(names[at])):
                names[at] = found.around(names[at])
        mine = lines.mine(peer, path)
        lines.shown_here(peer, mine)
        known = {one.get("section", "") for one in mine if one["kind"] == "section"}
        wanted = [targets.of_path("section", path, section=name) for name in dict.fromkeys(names) if name not in known]
        held = [tuple(span) for one in mine for span in one.get("here", ())]
        beside = [
            targets.of_path("lines", path, lines=span)
            for span in found.beside(changed, ranges.joined([*held, *(s for name in names for s in found.spans(name))]))
            if not lines.is_new(before, version, (span,))
        ]
        return lines.placed(peer, [*wanted, *beside]) if all(map(found.spans, names)) else None
    except PeerError:
        return None


def missing(path: str, name: str, sections: Sections) -> PeerError:
    """The refusal of a name that a file does not have."""
    if not sections.tool:
        return PeerError(
            "not_found", f"nothing here tells the sections of {path}", f"lock its lines, `{path}:10-45`, or the file"
        )
    near = sections.near(name)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    return PeerError(
        "not_found", f"{path} has no section {name}", f"{meant}`git peer sections {path}` lists them", near=near
    )
