"""Deltas: news for the others. The record, whom it concerns and why, where it stands in the tree, how it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from git_peer import layout
from git_peer.core import text
from git_peer.core.lock import record as locks
from git_peer.core.lock import rule as verdict
from git_peer.core.lock.record import Lock, rfc3339
from git_peer.core.log.state import Kept, Record, State, decode
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.record import Task
from git_peer.core.target import target as targets
from git_peer.core.target import tree_index as trie
from git_peer.core.target.target import Target

TYPES = ("discovery", "contract_change", "dependency_found", "scope_change", "decision", "blocker")
SEVERITIES = ("info", "warning", "blocking")
KEEP = 14 * 86400  # seconds that a delta stays which nobody has to answer
MOST = 200  # paths, contracts, tasks or sessions of one delta
SHOWN = 3  # reasons of one kind that are spelled out


class Ack(Record, frozen=True, kw_only=True):
    """An answer. `why` it concerned who gave it; `debate` where the answer is a debate."""

    sid: str
    session: str
    at: int
    note: str = ""
    why: tuple[str, ...] = ()
    debate: str = ""


class News(Kept, frozen=True, kw_only=True):
    """What a delta says. Before it is sent, `supersedes` may be the beginning of an id."""

    type: str
    severity: str = "info"
    summary: str
    body: str = ""
    paths: tuple[Target, ...] = ()
    contracts: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    commit: str = ""
    to: tuple[str, ...] = ()  # sessions it is addressed to
    supersedes: str = ""
    allowed: str = ""  # why it may carry what looks like a secret


class Delta(News, frozen=True, kw_only=True):
    """deltas/<id>.json: an open delta. Times are epoch seconds, `height` is that of its commit."""

    id: str
    height: int
    sid: str
    session: str
    at: int
    debate: str = ""  # the debate that is held about it
    acks: tuple[Ack, ...] = ()


class Reader(NamedTuple):
    """Whom a delta may concern: a session, what it holds, and the paths that its branch changed and not landed."""

    name: str
    sid: str
    locks: tuple[Lock, ...] = ()
    tasks: tuple[Task, ...] = ()
    changed: tuple[str, ...] = ()


# -- places ---------------------------------------------------------------------------------------
def place(ident: str) -> str:
    """The tree path of a delta's record."""
    return f"{layout.T_DELTAS}/{ident}.json"


def _pointers(delta: Delta) -> Iterator[tuple[str, bytes]]:
    """(tree path, content) of every index entry that leads to an open delta."""
    about = layout.T_ABOUT
    for number, target in enumerate(delta.paths):
        where = layout.record(f"{about}/paths", targets.root_path(target), f"{delta.id}.{number}")
        yield where, msgspec.json.encode({"id": delta.id, "target": target}, order="sorted")
    for kind, names in (("contracts", delta.contracts), ("tasks", delta.tasks), ("sessions", delta.to)):
        for name in names:
            yield f"{about}/{kind}/{layout.component(name)}/{delta.id}", b""
    if delta.severity == "blocking":
        yield f"{about}/everybody/{delta.id}", b""
    if any(ack.why for ack in delta.acks):
        yield f"{about}/answered/{delta.id}", b""
    yield f"{about}/days/{day(delta.at)}/{delta.id}", b""


def day(at: int) -> str:
    """The day of an epoch second, as names sort."""
    return f"{max(0, min(at // 86400, 999_999)):06}"


def put(state: State, delta: Delta, old: Delta | None = None) -> None:
    """Keep a delta, and the index that leads to it."""
    had = dict(_pointers(old)) if old is not None else {}
    for where, raw in _pointers(delta):
        if where not in had:
            state.write(where, raw)
    state.put(place(delta.id), delta)


def remove(state: State, delta: Delta) -> None:
    """A delta leaves the tree."""
    for where, _ in _pointers(delta):
        state.delete(where)
    state.delete(place(delta.id))


# -- reading --------------------------------------------------------------------------------------
def get(state: State, ident: str) -> Delta | None:
    """The open delta of that very id."""
    return state.get(place(ident), Delta)


def ids(state: State) -> list[str]:
    """The ids of all open deltas."""
    return sorted(name.removesuffix(".json") for name in state.entries(layout.T_DELTAS) or ())


def all_of(state: State) -> list[Delta]:
    """Every open delta, oldest first."""
    open_ones = [decode(raw, Delta) for _, raw in state.walk(layout.T_DELTAS)]
    return sorted(open_ones, key=lambda delta: (delta.height, delta.id))


def find(state: State, prefix: str) -> Delta:
    """The one open delta whose id begins with `prefix`."""
    from git_peer.core import near  # hot commands look nothing up by a part of its id

    delta = get(
        state,
        near.begun(
            ids(state),
            prefix,
            "open delta",
            "`git peer deltas` lists them, `git peer delta show ID` shows a settled one",
        ),
    )
    assert delta is not None
    return delta


def reader(state: State, name: str, sid: str, changed: Iterable[str] = ()) -> Reader:
    """What the session of that name holds, as deltas ask for it. `sid` "": it has not started."""
    held = tuple(lock for lock in locks.held_by(state, name) if lock.sid == sid) if sid else ()
    return Reader(name, sid, held, tuple(tasks.claimed_by(state, name)), tuple(changed))


def concerns(delta: Delta, who: Reader, folds: bool = False) -> list[str]:
    """Why a delta wants an answer from `who`, each reason a clause said to it; [] where it wants none."""
    if delta.session == who.name:
        return []
    why = ["it is addressed to you"] if who.name in delta.to else []
    if delta.severity == "blocking":
        why.append("it is blocking")
    for task in who.tasks:
        if task.id in delta.tasks:
            why.append(f"it names your task {task.id}")
        for name in delta.contracts:
            if name in task.provides:
                why.append(f"your task {task.id} provides the contract {name}")
            elif name in task.uses:
                why.append(f"your task {task.id} uses the contract {name}")
    held = [k for k in who.locks if any(targets.overlap(k.target, target, folds) for target in delta.paths)]
    why += _few([f"you have locked {targets.show(lock.target)}" for lock in held], "lock")
    gone = touched(delta, who.changed, folds)
    return why + _few([f"your branch has changed {path}, which has not landed" for path in gone], "path")


def touched(delta: Delta, paths: Iterable[str], folds: bool) -> list[str]:
    """Those of `paths` that a delta is about."""
    spots = [verdict.place({"kind": t.kind, "path": t.real}) for t in delta.paths if t.kind != "name"]
    return (
        [path for path in paths if any(verdict.touches(kind, at, path, folds) for kind, at in spots)] if spots else []
    )


def _few(reasons: list[str], what: str) -> list[str]:
    more = len(reasons) - SHOWN
    return reasons if more <= 0 else [*reasons[:SHOWN], f"and {text.count(more, f'more {what}')} of yours"]


def answered(delta: Delta, who: Reader) -> bool:
    """Whether that run has answered, or is whose news it is."""
    return delta.session == who.name or any(ack.sid == who.sid for ack in delta.acks if who.sid)


def candidates(state: State, who: Reader) -> list[str]:
    """The ids of open deltas that may concern `who`, by the index: costs what `who` holds, not what there is."""
    about = layout.T_ABOUT
    near: dict[str, None] = {}

    def add(folder: str) -> None:
        near.update(dict.fromkeys(sorted(state.entries(f"{about}/{folder}") or ())))

    add("everybody")
    add(f"sessions/{layout.component(who.name)}")
    for task in who.tasks:
        add(f"tasks/{layout.component(task.id)}")
        for name in (*task.provides, *task.uses):
            add(f"contracts/{layout.component(name)}")
    folds = state.log.folds
    for lock in who.locks:
        for _, raw in trie.near(state, f"{about}/paths", targets.root_path(lock.target), folds):
            near.setdefault(_id_of(raw))
    for _, record in verdict.concerning(state, f"{about}/paths", who.changed, folds):
        near.setdefault(record["id"])
    return list(near)


def _id_of(raw: bytes) -> str:
    return str(msgspec.json.decode(raw)["id"])


def touch_paths(state: State) -> bool:
    """Whether any open delta is about paths: only then it matters what a branch has changed."""
    return any(state.entries(f"{layout.T_ABOUT}/paths") or ())


def pressing(state: State, who: Reader) -> list[tuple[Delta, list[str]]]:
    """(delta, why) of every open delta that still wants an answer from `who`, oldest first."""
    folds = state.log.folds
    waiting = []
    for ident in candidates(state, who):
        delta = get(state, ident)
        if delta is not None and not answered(delta, who):
            why = concerns(delta, who, folds)
            if why:
                waiting.append((delta, why))
    return sorted(waiting, key=lambda pair: (pair[0].height, pair[0].id))


def reader_of(state: State, name: str, sid: str, unlanded: Callable[[], Iterable[str]]) -> Reader:
    """The reader of this run; `unlanded` (git is asked) is called only where a delta is about paths."""
    return reader(state, name, sid, unlanded() if touch_paths(state) else ())


def notices(state: State, who: Reader, most: int = 5) -> list[dict[str, Any]]:
    """What a session should answer, as notices of any command."""
    waiting = pressing(state, who)
    notices = [
        {
            "code": "delta",
            "message": f"{delta.type} {delta.id[:8]} from {delta.session} wants your answer "
            f"({'; '.join(text.line(reason, 100) for reason in why[:2])}): {text.quoted(delta.summary)}",
            "delta": delta.id,
            "why": [text.line(reason) for reason in why],
            "hint": f"`git peer ack {delta.id[:8]}`, or a debate about it",
        }
        for delta, why in waiting[:most]
    ]
    if len(waiting) > most:
        left = len(waiting) - most
        more = f"{text.count(left, 'more delta')} {'wants' if left == 1 else 'want'} your answer"
        notices.append({"code": "delta", "message": more, "hint": "`git peer deltas` lists them"})
    return notices


# -- showing --------------------------------------------------------------------------------------
def describe(delta: Delta, who: Reader, why: Iterable[str] = ()) -> dict[str, Any]:
    """A delta as the command contract's D, for `who`."""
    mine = next((ack for ack in delta.acks if ack.sid == who.sid and who.sid), None)
    reasons = [text.line(reason) for reason in (mine.why if mine else why)]
    view: dict[str, Any] = {
        "id": delta.id,
        "type": delta.type,
        "severity": delta.severity,
        "summary": text.line(delta.summary),
        "body": text.clean(delta.body),
        "paths": [targets.show(target) for target in delta.paths],
        "contracts": list(delta.contracts),
        "tasks": list(delta.tasks),
        "commit": delta.commit or None,
        "to": list(delta.to),
        "session": delta.session,
        "at": rfc3339(delta.at),
        "acks": [_ack(ack) for ack in delta.acks],
        "requires_action": bool(reasons) and not answered(delta, who),
        "why": reasons,
    }
    optional = {"supersedes": delta.supersedes, "debate": delta.debate, "allowed_secret": text.line(delta.allowed)}
    view.update({key: value for key, value in optional.items() if value})
    return view


def _ack(ack: Ack) -> dict[str, Any]:
    view = {"session": ack.session, "at": rfc3339(ack.at), "note": text.clean(ack.note)}
    return {**view, "debate": ack.debate} if ack.debate else view
