"""Bounds and grammar of events: what honest software never writes is malformed, in any field, and never a crash."""

from __future__ import annotations

import types
import typing
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from git_peer import layout
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.log import record as log
from git_peer.core.log.state import Event, State, encode
from git_peer.core.rules import bounds, fold
from git_peer.core.session import record as sessions
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target
from tests.core.bench import A, B, Bench, refused


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.lock(A, "held.py")
    made.lock(B, "other.py")
    return made


def sid(bench: Bench, name: str = "a") -> str:
    found = sessions.get(bench.state, name)
    assert found is not None
    return found.sid


def take(bench: Bench, **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "kind": "lock.take", "id": "00f0", "at": bench.now, "by": "a", "sid": sid(bench),
        "target": {"kind": "file", "path": "x.py"}, "mode": "exclusive", "ttl": 60, "priority": 3,
    }  # fmt: skip
    return {**fields, **changes}


def arrive(bench: Bench, *events: dict[str, Any]) -> None:
    """Fold events as they come over the wire."""
    fold.apply(bench.state, [fold.parse(msgspec.json.encode(one, order="sorted")) for one in events], bench.height + 1)


LONG = "x" * 60_000
BAD_IDS = ("", "../x", "a/b", "x\0y", "x\ny", "x y", ".x", "x.lock", "x.json", "..", "é", "x" * 65, LONG)
BAD_NAMES = ("", "../x", "A", "x\0", "-x", "x/y", "x" * 65, "x.lock", "x\n")
BAD_NUMBERS = (-1, 2**53, 10**30)
BAD_OBJECTS = ("main", "--output=x", "g" * 40, "0" * 39, "HEAD", "0" * 40 + "\n")
DEEP = "/".join(["d"] * 2000)


@pytest.mark.parametrize(
    "changes",
    [
        *({"id": bad} for bad in BAD_IDS),
        *({"by": bad} for bad in BAD_NAMES),
        *({"sid": bad} for bad in BAD_IDS),
        *({"at": bad} for bad in (*BAD_NUMBERS, 253402300800)),
        *({"ttl": bad} for bad in (0, *BAD_NUMBERS, 10**9 + 1)),
        *({"priority": bad} for bad in (*BAD_NUMBERS, 11)),
        *({"head": bad} for bad in BAD_OBJECTS),
        *({"blobs": {"x.py": bad}} for bad in BAD_OBJECTS),
        {"v": 3},
        {"v": 0},
        {"mode": "mine"},
        *(
            {"target": {"kind": kind, "path": path}}
            for kind in ("file", "dir", "name")
            for path in (DEEP, "../x", "a//b", "x\0", "/x", "x/")
        ),
        {"target": {"kind": "glob", "path": "*/" * 600 + "x"}},
        {"target": {"kind": "glob", "path": "*" + "a" * 600}},
        {"target": {"kind": "glob", "path": "no-wildcard"}},
        {"target": {"kind": "lines", "path": "x", "lines": [0, 2**40]}},
        {"target": {"kind": "file", "path": "%zz", "encoding": "percent"}},
        {"target": {"kind": "file", "path": "x", "blob": "main"}},
    ],
    ids=lambda changes: f"{next(iter(changes))}={next(iter(changes.values()))!s:.30}",
)
def test_what_nobody_honest_writes(bench: Bench, changes: dict[str, Any]) -> None:
    arrive(bench, take(bench))
    with pytest.raises(Malformed):
        arrive(bench, take(bench, **changes))


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{}", b"[]", b"null", b"1", b'"x"', b"\xff", b'{"kind":"lock.take"}', b'{"kind":1}',
        b'{"kind":"no.such"}',
        b'{"kind":"log.void","id":"\\ud800xx","at":1,"by":"x"}',
        b'{"at":1,"by":"\\udfff\\ud800yy","id":"x","kind":"log.void"}',
        b'{"at":1,"by":"x","id":"x","kind":"log.void","settles":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"a":' + b'{"a":' * 12_000 + b"1" + b"}" * 12_000 + b',"kind":"log.void"}',
        b'{"at":' + b"9" * 5000 + b',"by":"x","id":"x","kind":"log.void"}',
        b'{"at":1e400,"by":"x","id":"x","kind":"log.void"}',
        b'{"at":1, "by":"x","id":"x","kind":"log.void"}',  # not canonical
        b"x" * (64 * 1024 + 1),
    ],
    ids=lambda line: repr(line[:40]),
)  # fmt: skip
def test_a_line_that_is_no_event(line: bytes) -> None:
    with pytest.raises(Malformed):
        fold.parse(line)


def test_an_honest_path_goes_deep(bench: Bench) -> None:
    """512 components are locked, met by others, and given back; more are refused where they are typed."""
    deep = "/".join(["d"] * 512)
    bench.lock(A, deep)
    with refused("locked"):
        bench.lock(B, deep)
    with refused("locked"):
        bench.lock(B, "d/")
    bench.unlock(A, deep)
    bench.lock(B, "d/")
    for text in (DEEP, "/".join(["d"] * 513), "@" + "/".join(["d"] * 513), "d/" * 513, "x" * 5000):
        with refused("usage"):
            targets.parse(text, "", lambda _: "")
    with pytest.raises(Malformed):
        targets.check(Target("file", deep + "/d"))


def test_many_globs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is one's own is not compared; what others hold is, up to a bound on the work. Counted, not timed."""
    bench = Bench()
    bench.lock(A, "@a")
    bench.lock(B, "@b")
    compared: list[tuple[Target, Target]] = []
    overlap = targets.overlap

    def noted(a: Target, b: Target, fold: bool = False) -> bool:
        compared.append((a, b))
        return overlap(a, b, fold)

    monkeypatch.setattr(targets, "overlap", noted)

    def globs(names: str, dear: str, count: int) -> list[dict[str, Any]]:
        return [
            take(bench, id=f"g{n}", by=who, sid=sid(bench, who), target={"kind": "glob", "path": f"{dear}{n:03d}"})
            for n, who in ((n, names[n % len(names)]) for n in range(count))
        ]

    arrive(bench, *globs("a", "**/", 300))
    assert compared == []
    monkeypatch.setattr("git_peer.core.log.state.WORK", 1 << 19)
    with pytest.raises(Malformed, match="too long to compare"):
        arrive(bench, *globs("ab", "*a" * 250, 20))
    assert len(compared) <= (1 << 19) // 500**2 + 1
    bench.lock(A, *(f"*b{n:03d}" for n in range(60)))
    monkeypatch.setattr("git_peer.core.log.state.WORK", 1 << 12)
    with refused("invalid"):
        bench.lock(B, *(f"*c{n:03d}" for n in range(60)))


def test_a_format_goes_up_one_step(bench: Bench) -> None:
    """So no number at random stops every writer, and no session does it."""
    raised = {"kind": "log.format", "id": "f1", "at": bench.now, "by": "git-peer"}
    for number in (99, layout.FORMAT, 0, -1, layout.FORMAT + 2, 2**60):
        with pytest.raises(Malformed):
            arrive(bench, {**raised, "format": number})
    with pytest.raises(Malformed):
        arrive(bench, {**raised, "format": layout.FORMAT + 1, "by": "a", "sid": sid(bench)})
    arrive(bench, {**raised, "format": layout.FORMAT + 1})


def test_every_field_is_known_to_the_bounds() -> None:
    """A rule is for a field that is there: a renamed one does not lose its bound in silence."""
    for kind, rules in bounds._RULES.items():
        fields = set(_fields(fold.KINDS[kind]))
        assert set(rules) <= fields, kind


def _hints(kind: Any) -> dict[str, Any]:
    """Field → its type."""
    return {name: hint for name, hint in typing.get_type_hints(kind).items() if name in kind.__struct_fields__}


def _fields(kind: Any) -> typing.Iterator[str]:
    for name, hint in _hints(kind).items():
        yield name
        for inner in (hint, *typing.get_args(hint)):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct) and inner is not kind:
                yield from _fields(inner)


# -- fuzzing ----------------------------------------------------------------------------------------
NASTY = st.sampled_from(
    ["", "a", "b", "x", "00f0", "../x", "a/b", "x\0y", "\n", "\x1b[2J", "\u202e", "é", "g", "exclusive", "shared",
     "wall", "gone", "watch", "remote", "local", "moving", "review", "todo", "done", "dropped", "info", "blocking",
     "free", "decision", "agreed", "decided", "accept", "asked", "idle", "0" * 40, "f" * 64, "--output=x", DEEP,
     "x" * 5000, ".", "..", ".git", "%zz", "**", "*" * 200, "[", "con", "x.lock", "refs/heads/main"]
)  # fmt: skip
NUMBERS = st.sampled_from([0, 1, 2, 3, 60, 1_000_000, -1, 2**31, 2**53, 2**63, 2**64, 10**40])
TARGETS: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    kind=st.sampled_from(["file", "dir", "glob", "lines", "section", "name"]),
    path=NASTY,
) | st.builds(dict, kind=st.just("lines"), path=st.just("x"), lines=st.tuples(NUMBERS, NUMBERS), blob=NASTY)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Anything of a field's type, mostly nasty."""
    if hint is str:
        return NASTY | st.text(max_size=5)
    if hint is bool:
        return st.booleans()
    if hint is int:
        return NUMBERS
    if hint is Target:
        return TARGETS
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(st.none() if arg is type(None) else values(arg) for arg in args))
    if origin is tuple:
        return st.lists(values(args[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(values(args[0]), values(args[1]), max_size=2)
    assert issubclass(hint, msgspec.Struct), hint
    return st.fixed_dictionaries({}, optional={name: values(one) for name, one in _hints(hint).items()})


def lines(names: dict[str, str]) -> st.SearchStrategy[dict[str, Any]]:
    """Events of every kind by the sessions `names` (name → sid), the rest at random."""

    def of(kind: str) -> st.SearchStrategy[dict[str, Any]]:
        hints = _hints(fold.KINDS[kind])
        own = {name: values(hint) for name, hint in hints.items() if name not in ("id", "by", "sid", "at", "v")}
        required = {f.name for f in msgspec.structs.fields(fold.KINDS[kind]) if f.required}
        made = st.fixed_dictionaries(
            {name: one for name, one in own.items() if name in required},
            optional={name: one for name, one in own.items() if name not in required},
        )
        by = st.sampled_from([*names.items(), ("git-peer", "")]) | st.tuples(NASTY, NASTY)
        head = st.tuples(by, st.sampled_from(["00f0", "x", "../x", ""]), st.sampled_from([1_000_000, 0, -1, 2**60]))
        return st.builds(
            lambda body, head: {
                **body,
                "kind": kind,
                "by": head[0][0],
                "sid": head[0][1],
                "id": head[1],
                "at": head[2],
            },
            made,
            head,
        )

    return st.sampled_from(sorted(fold.KINDS)).flatmap(of)


@pytest.fixture(scope="module")
def busy() -> Bench:
    made = Bench()
    made.lock(A, "held.py", "glob/*.py", "@deploy")
    made.lock(B, "other.py", "d/")
    return made


@settings(
    max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_whatever_arrives_is_an_event_or_malformed(busy: Bench, data: st.DataObject) -> None:
    """Never another exception; and what is taken leaves a state that every reader can read."""
    names = {"a": sid(busy), "b": sid(busy, "b")}
    found = data.draw(st.lists(lines(names), min_size=1, max_size=3))
    state = State(busy.state)
    try:
        events: list[Event] = []
        for one in found:
            known = fold.KINDS[one["kind"]]
            try:  # canonical, so that more than the first check is reached
                line = encode(msgspec.convert(one, known))
            except (msgspec.ValidationError, PeerError):
                line = msgspec.json.encode(one, order="sorted")
            events.append(fold.parse(line))
        fold.apply(state, events, busy.height + 1)
    except Malformed:
        return
    for path, raw in state.changes.items():
        assert not {"", ".", ".."} & set(path.split("/")), path
        assert "\0" not in path, path
        assert raw is None or not path.endswith(".json") or msgspec.json.decode(raw) is not None
    assert state.log.height == busy.height + 1
    assert all(isinstance(one, sessions.Session) for one in sessions.all_of(state))


def test_the_log_s_id_is_part_of_a_ref() -> None:
    assert all(map(log.is_log_id, ("0123abcd", "my-project", "_x", "A.b")))
    assert not any(map(log.is_log_id, ("", "..", "a/b", ".x", "x.lock", "x.", "a b", "x" * 65, "x\0")))
