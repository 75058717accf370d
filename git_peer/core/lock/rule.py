"""The rule: which paths of a change somebody else has locked. Standard library only, and cheap to import.

The commit gate, `git peer check` and the push check all ask here, so they cannot disagree.
"""

from __future__ import annotations

from git_peer import layout
from git_peer.core.session import clock as clocks
from git_peer.core.session import naming
from git_peer.core.target import glob as globs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, Protocol

    from git_peer.core.session.clock import Clock

    Record = dict[str, Any]
    Untouched = Callable[[str, Sequence[Record]], Sequence[bool]]

    class Reader(Protocol):
        """Where the log's tree is read from."""

        def entries(self, path: str) -> Mapping[str, str] | None:
            """Name → object id of the tree at `path`; None where there is none."""

        def read(self, path: str) -> bytes | None:
            """The blob at `path`; None where there is none."""


# What a record must have, so that a malformed one is an error and never read as "free".
_SESSION: dict[str, type] = {"sid": str, "name": str, "clone": str, "at": int, "height": int}
_LOCK: dict[str, type] = {"id": str, "target": dict, "mode": str, "sid": str, "session": str, "token": int, "ttl": int}
_FENCE: dict[str, type] = {"id": str, "target": dict, "token": int}
_HOLDER: dict[str, type] = {"sid": str, "session": str, "token": int}
_LOST: dict[str, type] = {"lock": str, "target": dict, "token": int}
NEEDED, FREE = (
    "peer-lock",
    "peer-free",
)  # git's attributes of a path: changed only under a lock; never locked nor refused
_AT_ONCE = 1 << 16  # characters of paths that one git is asked about
REQUIRED = "required"  # why: the path wants a lock of whoever changes it
_ABOUT: dict[str, type] = {"id": str, "target": dict}
_TARGET: dict[str, type] = {"kind": str}
_DEBATE: dict[str, type] = {"id": str, "last": int}
_TASK: dict[str, type] = {"id": str}

DEBATED = f"{layout.T_ABOUT}/debated"  # DEBATED/<id>: debates that go on
IDLE = 4 * 3600  # seconds without a turn after which one is escalated, where its record says no other


def parse(raw: bytes, where: str) -> Record:
    """The JSON object in `raw`; ValueError that names `where` unless it is one."""
    import json  # late: with nothing locked near a commit no record is read

    try:
        record = json.loads(raw)
    except (ValueError, RecursionError) as why:
        raise ValueError(f"{where} is malformed: {why}") from None
    return checked(record, {}, where)


def checked(value: Any, fields: Mapping[str, type], where: str) -> Record:
    """`value`, if it is an object with these fields of these types; else a ValueError that names `where`."""
    if not isinstance(value, dict):
        raise ValueError(f"{where} is malformed: not an object")
    for name, kind in fields.items():
        if not isinstance(value.get(name), kind):
            raise ValueError(f"{where} is malformed: {name}")
    return value


def folding(reader: Reader) -> bool:
    """Whether a clone of this log folds case, by log.json."""
    # Canonical JSON has these bytes exactly then: a quote inside a string is escaped.
    return b'"folds":true' in (reader.read(layout.T_LOG) or b"")


def place(target: Mapping[str, Any]) -> tuple[str, str]:
    """(kind, path) of a target as the gate sees it: a range or a section is its file."""
    path: str = target.get("path", "")
    if target.get("encoding") == "percent":
        path = layout.unpercent(path)
    return target["kind"] if target["kind"] in ("dir", "glob") else "file", path


def spans_of(target: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    """The lines that a target is about, counted on its blob; () where it is about all of its file."""
    lines, spans = target.get("lines"), target.get("spans", ())
    return tuple((first, last) for first, last in ([lines] if lines else spans)) if target.get("blob") else ()


def touches(kind: str, target: str, path: str, folds: bool) -> bool:
    """Whether a change of the file `path` is one of the target, by the rule that grants locks."""
    return globs.meets(kind, target, "file", path, folds)


def owns(me: Mapping[str, Any], session: Mapping[str, Any]) -> bool:
    """Whether what `session` holds is mine: my clone and work tree, and my name unless I am its unnamed person.

    Or it is my run in another work tree of the clone, by one of the names in `also`.
    """
    if session["clone"] != me["clone"]:
        return False
    if session["name"] in me.get("also", ()):
        return True
    return session.get("gitdir", "") == me["gitdir"] and (
        me["name"] is None or naming.bears(session["name"], me["name"], me["clone"], me["gitdir"])
    )


# -- attributes ---------------------------------------------------------------------------------
def asked(paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The git commands that tell the attributes of paths, as the index has them."""
    rest = list(paths)
    while rest:
        some, size = 0, 0
        while some < len(rest) and (not some or size < _AT_ONCE):
            size += len(rest[some]) + 1
            some += 1
        yield "check-attr", "--cached", "-z", NEEDED, FREE, "--", *rest[:some]
        rest = rest[some:]


def told(out: str) -> dict[str, set[str]]:
    """Path → its attributes, by what one of those commands says."""
    words = out.split("\0")
    found: dict[str, set[str]] = {}
    for path, name, value in zip(words[::3], words[1::3], words[2::3], strict=False):
        if value not in ("unspecified", "unset"):
            found.setdefault(path, set()).add(name)
    return found


# -- which records speak of a path ----------------------------------------------------------------
def concerning(reader: Reader, root: str, paths: Iterable[str], folds: bool) -> Iterator[tuple[str, Record]]:
    """(path, record) for each record under `root` whose target covers one of `paths`; ValueError on a bad record.

    Reads the trees on the way to the paths, and those below them (a file `a` destroys `a/b`), each once. With
    `folds` names are compared as a file system that folds case does.
    """
    wanted: dict[str, Any] = {}  # the paths as a trie; the key "" holds a path that ends there
    for path in paths:
        node = wanted
        for part in path.split("/"):
            node = node.setdefault(part, {})
        node[""] = path
    walk = _Walk(reader, folds)
    todo: list[tuple[list[str], dict[str, Any], list[_About]]] = [([root], wanted, [])]
    while todo:  # no recursion: a path may be deeper than Python's stack
        nodes, names, above = todo.pop()
        above = above + [about for node in nodes for about in walk.records(node)]
        for name, rest in names.items():
            if not name:
                continue
            below = walk.children(nodes, name)
            if not above and not below:
                continue
            path = rest.get("")
            if path is not None:
                for kind, target, record in above + walk.subtree(below):
                    if touches(kind, target, path, folds):
                        yield path, record
            if len(rest) > (path is not None):
                todo.append((below, rest, above))


if TYPE_CHECKING:
    _About = tuple[str, str, Record]  # kind and path of the target, the record


class _Walk:
    """The mirrored tree, each tree and record read once."""

    def __init__(self, reader: Reader, folds: bool) -> None:
        self._reader = reader
        self._folds = folds
        self._trees: dict[str, Mapping[str, str]] = {}
        self._found: dict[str, list[_About]] = {}
        self._keys: dict[str, dict[str, list[str]]] = {}

    def entries(self, node: str) -> Mapping[str, str]:
        tree = self._trees.get(node)
        if tree is None:
            tree = self._trees[node] = self._reader.entries(node) or {}
        return tree

    def records(self, node: str) -> list[_About]:
        """The records that stand at this node itself."""
        found = self._found.get(node)
        if found is None:
            found = self._found[node] = []
            for name in self.entries(node):
                if name[0] == "@":
                    where = f"{node}/{name}"
                    record = checked(parse(self._reader.read(where) or b"", where), _ABOUT, where)
                    found.append((*place(checked(record["target"], _TARGET, where)), record))
        return found

    def children(self, nodes: Sequence[str], name: str) -> list[str]:
        """The nodes below these that may stand for `name`."""
        if not self._folds:
            entry = layout.component(name) if nodes else ""
            return [f"{node}/{entry}" for node in nodes if entry in self.entries(node)]
        key = globs.fold_key(name)
        return [f"{node}/{entry}" for node in nodes for entry in self._folded(node, key)]

    def subtree(self, nodes: Sequence[str]) -> list[_About]:
        """The records at these nodes and everywhere below."""
        found: list[_About] = []
        todo = list(nodes)
        while todo:
            node = todo.pop()
            found += self.records(node)
            todo += [f"{node}/{name}" for name in self.entries(node) if name[0] == "="]
        return found

    def _folded(self, node: str, key: str) -> list[str]:
        keys = self._keys.get(node)
        if keys is None:
            keys = self._keys[node] = {"": []}
            for entry in self.entries(node):
                if entry[0] == "=":
                    # A cut name cannot be folded: a candidate for every name, its record decides.
                    own = "" if layout.is_cut(entry) else globs.fold_key(layout.unpercent(entry[1:]))
                    keys.setdefault(own, []).append(entry)
        return keys.get(key, []) + keys[""]


def all_touched(path: str, targets: Sequence[Record]) -> Sequence[bool]:
    """For judge(): that all of a file is changed."""
    return [False] * len(targets)


# -- what is in dispute ---------------------------------------------------------------------------
def disputes(reader: Reader, paths: Sequence[str], folds: bool, now: int) -> Iterator[tuple[str, Record]]:
    """(path, dispute) for each path that cannot land until a person has decided a debate.

    A debate in which nobody has spoken for too long is such a one at once, whether or not that was recorded.
    """
    yield from concerning(reader, layout.T_DISPUTES, paths, folds)
    for debate in idle(reader, now):
        for target in _at_stake(reader, debate):
            kind, where = place(checked(target, _TARGET, f"debate {debate['id']}"))
            for path in paths:
                if target["kind"] != "name" and touches(kind, where, path, folds):
                    yield path, {"id": debate["id"], "target": target, "topic": debate.get("topic", "")}


def idle(reader: Reader, now: int) -> Iterator[Record]:
    """The debates that have been escalated by time alone, and of which the log has no record of that yet."""
    for ident in sorted(reader.entries(DEBATED) or ()):
        where = f"{layout.T_DEBATES}/{ident}.json"
        debate = checked(parse(reader.read(where) or b"", where), _DEBATE, where)
        if now > debate["last"] + debate.get("idle", IDLE):
            yield debate


def _at_stake(reader: Reader, debate: Record) -> Iterator[Any]:
    """The targets that a debate is about: its own, and those of the tasks that provide its contract."""
    yield from debate.get("paths", ())
    contract = debate.get("contract")
    for name in sorted(reader.entries(layout.T_TASKS) or ()) if contract else ():
        where = f"{layout.T_TASKS}/{name}"
        task = checked(parse(reader.read(where) or b"", where), _TASK, where)
        if contract in task.get("provides", ()) and task.get("status") != "dropped":
            yield from task.get("paths", ())


# -- the judgement --------------------------------------------------------------------------------
def judge(
    reader: Reader,
    paths: Iterable[str],
    me: Mapping[str, Any],
    clock: Clock,
    tentative: Iterable[Mapping[str, Any]],
    fenced: Iterable[Mapping[str, Any]],
    landed: Callable[[str], bool],
    doubted: Callable[[Record], None] = lambda against: None,
    left: Callable[[Record], bool] = lambda session: False,
    untouched: Untouched = all_touched,
) -> list[Record]:
    """What stands against a change of `paths` by `me` (`clone`, `gitdir`, `name` or None), by this clone's `clock`.

    Each violation has `path`, `why` (locked, fenced, disputed), `lock`, the holder's `session` record, `expires`
    (epoch second, 0 where that has no end; past where the clock may not prove it), and `fence` or `dispute`; in the
    order of `paths`. `tentative` and `fenced` are this clone's markers; `landed(commit)` tells whether what is built
    on has that commit. `doubted` is told of each lock that lapsed by a clock which nothing bears out, and `left` tells
    whether a session is of this clone and cannot go on: neither refuses anything. `untouched(path, targets)` tells of
    each target on lines of `path` whether the change leaves those alone; it is asked once a path, and only where there
    are such. ValueError on a malformed record.
    """
    paths = list(dict.fromkeys(paths))
    folds = folding(reader)
    sessions = _Sessions(reader)
    mine: set[str] = set()  # paths that a live lock of mine covers
    mine_in: set[str] = set()  # paths on lines of which I have a live lock
    others: dict[str, list[Record]] = {}

    def weigh(path: str, lock: Record, holder: Record) -> None:
        standing = clocks.LAPSED if lock.get("state") == "pending" else clock.standing(holder, lock["ttl"])
        if standing == clocks.LAPSED:
            return
        end = clock.end(holder, lock["ttl"])
        against = {"path": path, "why": "locked", "lock": lock, "session": holder, "expires": end}
        if owns(me, holder):
            (mine_in if spans_of(lock["target"]) else mine).add(path)
        elif left(holder):
            return
        elif standing == clocks.LIVE:
            others.setdefault(path, []).append(against)
        else:
            doubted(against)

    for path, lock in concerning(reader, layout.T_LOCKS, paths, folds):
        holder = sessions.run(checked(lock, _LOCK, f"lock {lock['id']}"))
        if holder is not None:
            weigh(path, lock, holder)
    for marker in tentative:
        holder = checked(marker.get("session"), _SESSION, "a tentative marker")
        for lock in marker.get("locks", ()):
            target = checked(checked(lock, _LOCK, "a tentative marker")["target"], _TARGET, "a tentative marker")
            kind, where = place(target)
            for path in paths:
                if touches(kind, where, path, folds):
                    weigh(path, lock, holder)

    # By a clock that shows to be wrong nothing has become idle.
    for path, dispute in disputes(reader, paths, folds, clock.now if not clock.is_off else 0):
        against = {"path": path, "why": "disputed", "lock": None, "session": None, "expires": 0, "dispute": dispute}
        others.setdefault(path, []).append(against)
    unheld = [path for path in paths if path not in mine]
    for path, fence, holder, end in _fences(reader, unheld, me, fenced, folds, sessions):
        if not (fence.get("landed") and landed(fence["landed"])):
            against = {"path": path, "why": "fenced", "lock": None, "session": holder, "expires": 0, "fence": fence}
            against["lost"] = fence["target"]
            against["end"] = end
            others.setdefault(path, []).append(against)

    for path, stand in others.items():
        asked = [(against, target) for against in stand if spans_of(target := _about(against))]
        if asked:
            alone = untouched(path, [target for _, target in asked])
            free = [against for (against, _), still in zip(asked, alone, strict=True) if still]
            others[path] = [against for against in stand if not any(against is one for one in free)]

    def shares(path: str, against: Record) -> bool:
        if against["why"] != "locked" or against["lock"]["mode"] != "shared":
            return False
        return path in mine or (path in mine_in and bool(spans_of(against["lock"]["target"])))

    return [against for path in paths for against in others.get(path, ()) if not shares(path, against)]


def _about(against: Record) -> Record:
    """The target of a lock that stands against something, or of what was lost; a dispute is never of lines."""
    found: Record = (against["lock"] or {}).get("target") or against.get("lost", {})
    return found


def unheld(
    reader: Reader,
    paths: Iterable[str],
    me: Mapping[str, Any],
    clock: Clock,
    tentative: Iterable[Mapping[str, Any]],
) -> list[Record]:
    """What stands against a change by `me` of paths that want a lock of whoever changes them; as judge() gives it."""
    paths = list(dict.fromkeys(paths))
    folds = folding(reader)
    sessions = _Sessions(reader)
    held: set[str] = set()

    def weigh(path: str, lock: Record, holder: Record | None) -> None:
        live = (
            holder is not None
            and lock.get("state") != "pending"
            and clock.standing(holder, lock["ttl"]) != clocks.LAPSED
        )
        if live and holder is not None and owns(me, holder):
            held.add(path)

    for path, lock in concerning(reader, layout.T_LOCKS, paths, folds):
        weigh(path, lock, sessions.run(checked(lock, _LOCK, f"lock {lock['id']}")))
    for marker in tentative:
        for lock in marker.get("locks", ()):
            kind, where = place(checked(lock, _LOCK, "a tentative marker")["target"])
            for path in paths:
                if touches(kind, where, path, folds):
                    weigh(path, lock, marker["session"])
    return [
        {"path": path, "why": REQUIRED, "lock": None, "session": None, "expires": 0}
        for path in paths
        if path not in held
    ]


def _fences(
    reader: Reader,
    paths: Sequence[str],
    me: Mapping[str, Any],
    fenced: Iterable[Mapping[str, Any]],
    folds: bool,
    sessions: _Sessions,
) -> Iterator[tuple[str, Record, Record | None, Record]]:
    """(path, fence, newer holder's session record, how my lock ended) where I lost what covers `path`, and another
    has held it since."""
    for marker in fenced:
        loser = checked(marker.get("session"), _SESSION, "a fence marker")
        if not owns(me, loser):
            continue
        for lost in marker.get("targets", ()):
            target = checked(checked(lost, _LOST, "a fence marker")["target"], _TARGET, "a fence marker")
            kind, where = place(target)
            touched = [path for path in paths if touches(kind, where, path, folds)]
            if not touched:
                continue
            base = globs.literal_dir(where) if kind == "glob" else where
            spot = layout.record(layout.T_FENCES, base, lost["lock"])
            raw = reader.read(spot)
            fence = checked(parse(raw, spot), _FENCE, spot) if raw is not None else {}
            if not fence.get("holder"):
                continue
            newer = checked(fence["holder"], _HOLDER, spot)
            holder = sessions.run(newer)
            mine = newer["sid"] == loser["sid"] or (holder is not None and owns(me, holder))
            if newer["token"] > lost["token"] and not mine:
                for path in touched:
                    yield path, fence, holder, lost.get("end") or {}


def sessions(reader: Reader) -> Iterator[Record]:
    """The record of every session."""
    for name in sorted(reader.entries(layout.T_SESSIONS) or ()):
        where = f"{layout.T_SESSIONS}/{name}"
        yield checked(parse(reader.read(where) or b"", where), _SESSION, where)


class _Sessions:
    """Session records by name, each read once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[str, Record | None] = {}

    def run(self, of: Mapping[str, Any]) -> Record | None:
        """The record of the very run (`session` and `sid`) that `of` names; None when it has ended."""
        name = of["session"]
        if name not in self._known:
            where = layout.session(name)
            raw = self._reader.read(where)
            self._known[name] = None if raw is None else checked(parse(raw, where), _SESSION, where)
        record = self._known[name]
        return record if record is not None and record["sid"] == of["sid"] else None
