"""The present state: the log's tree read lazily, and what a transaction changes on top of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec

from git_peer import layout
from git_peer.core.errors import Malformed, PeerError

T = TypeVar("T")
WORK = 1 << 23  # steps of comparing globs that one commit may take: some seconds
S = TypeVar("S", bound=msgspec.Struct)


class Reader(Protocol):
    """Where a state is read from: a tree of git, or a dict in a test."""

    def entries(self, path: str) -> Mapping[str, str] | None:
        """Name → object id of the tree at `path`; None where there is none."""

    def read(self, path: str) -> bytes | None:
        """The blob at `path`; None where there is none."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """A JSON file of the tree."""


class Kept(Record, frozen=True, kw_only=True):
    """A record of the tree with defaults that are words or large numbers.

    A default is left out by identity, and a word that was read is another object than the same word in the program:
    so that every clone writes the same bytes, what equals its default becomes that very object.
    """

    def __post_init__(self) -> None:
        for name, default in _defaults(type(self)):
            if getattr(self, name) == default:
                msgspec.structs.force_setattr(self, name, default)


@cache
def _defaults(kind: type[Kept]) -> tuple[tuple[str, object], ...]:
    """(field, default) where two equal ones need not be one object."""
    return tuple(
        (f.name, f.default) for f in msgspec.structs.fields(kind) if f.default and type(f.default) in (str, int)
    )


def alike(source: msgspec.Struct, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The fields of `source` that a `kind` has too: most of what one needs to be made of the other."""
    return {name: getattr(source, name) for name in kind.__struct_fields__ if name in source.__struct_fields__}


class Event(Record, tag_field="kind", frozen=True, kw_only=True):
    """What happened, as one line of a log commit: `by` and `sid` did it, `at` their raw clock (epoch seconds).

    A kind of event is a class with a tag of its own (`lock.take`); kinds() finds it. It says what it does to the
    state, how people read it, and what one looks like.
    """

    # The least that an event of this kind has beside what every event has, as JSON.
    example: ClassVar[Mapping[str, object]] = {}
    # What the event does for the subject of its commit: "land", "plan", "grant", "end" or nothing. See rules.subject.
    part: ClassVar[str] = ""
    # Field → the version of the event that brought it, which is the format of the logs that may have it; others: 1.
    since: ClassVar[Mapping[str, int]] = {}
    came: ClassVar[int] = 1  # the version, and so the format of logs, with which the kind itself came

    id: str
    at: int
    by: str
    sid: str = ""
    v: int = 1

    @classmethod
    def kind(cls) -> str:
        """The name of this kind in the log."""
        return str(cls.__struct_config__.tag)

    def apply(self, state: State, height: int, index: int) -> None:
        """Fold this event, the `index`th of the commit at `height`, into the state; Malformed where it does not fit.

        It reads nothing but the state, and what it means never changes: every clone comes to the same tree.
        """
        raise NotImplementedError

    def says(self) -> str:
        """What `by` did, for people: a verb and what it was done to, on one line once it is shown."""
        raise NotImplementedError

    def line(self, state: State) -> str:
        """The event for people, as the subject of a commit that has only this; `state` is the one after it."""
        return f"{self.kind().partition('.')[0]}: {self.by} {self.says()}"

    def least(self) -> int:
        """The version that this event has to have, by the fields that are given."""
        given = [v for name, v in self.since.items() if getattr(self, name) != default_of(type(self), name)]
        return max([self.came, *given])

    @classmethod
    def newest(cls) -> int:
        """The newest version of this kind that there is."""
        return max([cls.came, *cls.since.values()])


@cache
def default_of(kind: type[msgspec.Struct], name: str) -> object:
    """The default of a field, to be compared with; NODEFAULT where it has none."""
    field = next(f for f in msgspec.structs.fields(kind) if f.name == name)
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def kinds(base: type[S]) -> dict[str, type[S]]:
    """Tag → class of every struct below `base` whose module has been imported; those in between have no tag."""
    named: dict[str, type[S]] = {}
    for kind in _leaves(base):
        other = named.setdefault(str(kind.__struct_config__.tag), kind)
        if other is not kind:
            raise TypeError(f"{other.__name__} and {kind.__name__} are both {kind.__struct_config__.tag}")
    return named


def _leaves(base: type[S]) -> Iterator[type[S]]:
    for below in base.__subclasses__():
        yield from _leaves(below) if below.__subclasses__() else (below,)


class Log(Record, frozen=True, kw_only=True):
    """log.json: what this log is. `mode` is local, remote, or moving (between the two)."""

    format: int
    id: str
    mode: str
    height: int
    integration: str = ""
    folds: bool = False


def encode(record: msgspec.Struct) -> bytes:
    """Canonical JSON: sorted keys, no insignificant space, defaults left out. PeerError where a text is not UTF-8."""
    try:
        return msgspec.json.encode(record, order="sorted")
    except UnicodeEncodeError as why:
        text = layout.percent(why.object[:200])
        raise PeerError("invalid", f"a text that is not UTF-8: {text}", "the log keeps text as UTF-8") from None


def decode(raw: bytes, kind: type[T]) -> T:
    """The record in `raw`; Malformed where it is not one."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise Malformed(f"not a {kind.__name__}: {why}") from None


class State:
    """A tree of records with an overlay. Reads go through to the reader, writes stay here until stored."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.changes: dict[str, bytes | None] = {}
        self.relinked: set[str] = set()  # tasks whose place in the plan changed: checked once, at a commit's end
        self._spent = 0
        self._new: dict[str, dict[str, int]] = {}  # folder → child → how many additions stand below it
        self._gone: dict[str, set[str]] = {}  # folder → names of files that were taken away

    def read(self, path: str) -> bytes | None:
        """The blob at `path` as it is now."""
        return self.changes[path] if path in self.changes else self._reader.read(path)

    def entries(self, path: str) -> Mapping[str, str] | None:
        """The names in the folder `path` as it is now; a folder whose files have all gone may still be named."""
        base, added, gone = self._reader.entries(path), self._new.get(path), self._gone.get(path)
        if not added and not gone:
            return base
        names = {**dict.fromkeys(added or (), ""), **(base or {})}
        for name in gone or ():
            names.pop(name, None)
        return names

    def write(self, path: str, raw: bytes) -> None:
        """Put a blob at `path`."""
        if self.changes.get(path) is None:
            self._count(path, 1)
            folder, _, name = path.rpartition("/")
            self._gone.get(folder, set()).discard(name)
        self.changes[path] = raw

    def delete(self, path: str) -> None:
        """Take the blob at `path` away."""
        if self.changes.get(path) is not None:
            self._count(path, -1)
        folder, _, name = path.rpartition("/")
        self._gone.setdefault(folder, set()).add(name)
        self.changes[path] = None

    def _count(self, path: str, step: int) -> None:
        folder = path
        while folder:
            folder, _, name = folder.rpartition("/")
            children = self._new.setdefault(folder, {})
            children[name] = children.get(name, 0) + step
            if not children[name]:
                del children[name]

    def spend(self, steps: int) -> None:
        """Note work that a commit takes; Malformed where it is more than any reader is to be burdened with."""
        self._spent += steps
        if self._spent > WORK:
            raise Malformed(
                "so many globs, against so many of others, take too long to compare",
                "invalid",
                "lock folders, or fewer globs at once",
            )

    def get(self, path: str, kind: type[T]) -> T | None:
        """The record at `path`, if there is one."""
        raw = self.read(path)
        return None if raw is None else decode(raw, kind)

    def put(self, path: str, record: msgspec.Struct) -> None:
        """Put a record at `path`."""
        self.write(path, encode(record) + b"\n")

    @property
    def log(self) -> Log:
        """log.json; Malformed where the tree has none."""
        log = self.get(layout.T_LOG, Log)
        if log is None:
            raise Malformed("no log.json")
        return log

    def set_log(self, log: Log) -> None:
        """Replace log.json."""
        self.put(layout.T_LOG, log)

    def walk(self, root: str) -> Iterator[tuple[str, bytes]]:
        """Every blob below `root`, as (path, bytes), sorted by name."""
        todo = [root]
        while todo:  # no recursion: a tree may be deeper than Python's stack
            path = todo.pop()
            raw = self.read(path) if path.endswith(".json") and path != root else None
            if raw is not None:
                yield path, raw
            else:  # also `=x.json`, which has the locks of a file of that name
                todo += [f"{path}/{name}" for name in sorted(self.entries(path) or (), reverse=True)]


class DictReader:
    """A reader over a plain dict, path → bytes: for tests, and for a log that does not exist yet."""

    def __init__(self, blobs: Mapping[str, bytes] | None = None) -> None:
        self.blobs = dict(blobs or {})

    def entries(self, path: str) -> dict[str, str] | None:
        """The names below `path`."""
        prefix = path + "/" if path else ""
        names = {name[len(prefix) :].partition("/")[0]: "" for name in self.blobs if name.startswith(prefix)}
        return names or None

    def read(self, path: str) -> bytes | None:
        """The blob at `path`."""
        return self.blobs.get(path)
