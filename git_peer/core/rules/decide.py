"""Commands: what a session asks for, as data. decide() turns one into events on a state, or a refusal.

A command is data because it outlives its process: it is decided again after a lost race, and a tentative
one is decided by `sync`, perhaps days later.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Union

import msgspec

from git_peer.core.debate import decide as arguing
from git_peer.core.delta import decide as answering
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.lock import events as locking
from git_peer.core.lock import fence as fences
from git_peer.core.lock import landing
from git_peer.core.lock import record as locks
from git_peer.core.lock.decide import Take, Unwait, decide_take, decide_unwait
from git_peer.core.lock.landing import RefUpdate
from git_peer.core.log.command import Command, Outcome, envelope
from git_peer.core.log.state import Event, State
from git_peer.core.plan import decide as planning
from git_peer.core.plan import edits
from git_peer.core.plan import merge_point as merging
from git_peer.core.plan import questions_decide as asking
from git_peer.core.plan.task import claim as claiming
from git_peer.core.plan.task import decide as working
from git_peer.core.plan.task import events as tasking
from git_peer.core.plan.task import integration
from git_peer.core.plan.task import record as tasks
from git_peer.core.rules.opening import opened
from git_peer.core.session import record as sessions
from git_peer.core.session.expiry import Evidence
from git_peer.core.session.record import Me, Scene, Session
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target


class Release(Command, tag="unlock", frozen=True, kw_only=True):
    """Give locks back: exact targets, ids, or all of one's own. `force` is the reason for breaking another's."""

    targets: tuple[Target, ...] = ()
    ids: tuple[str, ...] = ()
    all: bool = False
    force: str | None = None


class Start(Command, tag="session-start", frozen=True, kw_only=True):
    """Start this session, or note what changed about it."""


class Renew(Command, tag="session-renew", frozen=True, kw_only=True):
    """A sign of life."""


class End(Command, tag="session-end", frozen=True, kw_only=True):
    """End a session and give back what it holds; no name: one's own."""

    name: str = ""


class Land(Command, tag="push", frozen=True, kw_only=True):
    """Record code that lands in the same push, and release what it finishes."""

    refs: tuple[RefUpdate, ...]
    changed: tuple[str, ...] = ()  # percent-encoded paths that reach the integration branch
    dirty: tuple[str, ...] = ()  # percent-encoded paths with uncommitted change
    landed: str = ""  # the commit that the integration branch comes to stand on
    atomic: bool = True
    keep: bool = False  # release nothing


def decode(raw: bytes) -> Command:
    """The command in `raw`."""
    try:
        return _decoder().decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as why:
        raise Malformed(f"not a command: {why}") from None


def decide(state: State, command: Command, scene: Scene) -> Outcome:
    """Events and answer of `command` on `state`; PeerError where it is refused."""
    try:
        return _DECIDE[type(command)](state, command, scene)
    except Malformed as why:
        refusal = PeerError(why.code, str(why), why.hint)
        refusal.stateful = True
        raise refusal from None
    except PeerError as why:
        why.stateful = why.stateful or isinstance(command, _OF_THE_PLAN)
        raise


def _release(state: State, command: Release, scene: Scene) -> Outcome:
    session = sessions.find(state, command.me)
    chosen = _chosen(state, command, session, scene)
    opening: list[Event] = []
    if session is None and chosen:  # a person gives back what an agent held, or breaks another's by force
        session, opening = opened(state, command.me, scene)
    views = [locks.describe(state, lock, scene, "") for lock in chosen]
    events = locking.release(state, chosen, session, command.me, scene, command.force) if session else []
    return Outcome(opening + events if events else [], lambda after, scene: {"released": views})


def _mine(state: State, session: Session, me: Me) -> list[locks.Lock]:
    owners = [other for other in sessions.all_of(state) if sessions.owns(session, me, other)]
    return [lock for owner in owners for lock in locks.held_by(state, owner.name) if lock.sid == owner.sid]


def _chosen(state: State, command: Release, session: Session | None, scene: Scene) -> list[locks.Lock]:
    me = command.me
    if command.all:
        return [] if session is None else list(locks.held_by(state, session.name))
    found = [locks.by_id(state, ident) for ident in command.ids]
    for target in command.targets:
        there = [lock for lock in locks.near(state, target) if lock.target == target]
        own = [lock for lock in there if _is_own(state, lock, session, me)]
        if not there:
            raise _no_such(state, target)
        if not own and command.force is None:
            raise PeerError(
                "not_yours",
                f"{targets.show(target)} is locked by {there[0].session}, not by this session",
                f"ask {there[0].session} to unlock it",
                lock=locks.describe(state, there[0], scene, ""),
            )
        found.extend(own or there)
    return list({lock.id: lock for lock in found}.values())


def _is_own(state: State, lock: locks.Lock, session: Session | None, me: Me) -> bool:
    holder = locks.holder_of(state, lock)
    return holder is not None and sessions.owns(session, me, holder)


def _no_such(state: State, target: Target) -> PeerError:
    near = [targets.show(lock.target) for lock in locks.overlapping(state, target)][:3]
    hint = f"`unlock` takes exact targets; there is a lock on {', '.join(near)}" if near else "`git peer locks --mine`"
    return PeerError("not_found", f"there is no lock on {targets.show(target)}", hint)


def _view(name: str) -> Callable[[State, Scene], dict[str, Any]]:
    def answer(after: State, scene: Scene) -> dict[str, Any]:
        session = sessions.get(after, name)
        return {"started": session is not None, "name": name, "sid": session.sid if session else None}

    return answer


def _renewal(session: Session, me: Me, scene: Scene) -> Event:
    return sessions.SessionRenew(
        id=scene.ident(),
        at=scene.now,
        by=session.name,
        sid=session.sid,
        branch=me.branch or None,
        head=me.head or None,
        doing=me.doing or None,
    )


def _start(state: State, command: Start, scene: Scene) -> Outcome:
    session, opening = opened(state, command.me, scene)
    return Outcome(opening or [_renewal(session, command.me, scene)], _view(session.name))


def _renew(state: State, command: Renew, scene: Scene) -> Outcome:
    session = sessions.find(state, command.me)
    if session is None:
        raise PeerError("not_found", "this session has not started", "`git peer session start`")
    return Outcome([_renewal(session, command.me, scene)], _view(session.name))


def _end(state: State, command: End, scene: Scene) -> Outcome:
    mine = sessions.find(state, command.me)
    ended = sessions.get(state, command.name) if command.name else mine
    if ended is None:
        raise PeerError("not_found", f"no session {command.name or 'of this work tree'} to end", "`git peer peers`")
    if not sessions.owns(mine, command.me, ended):
        raise PeerError("not_yours", f"{ended.name} is another's session", "its own run, or its person, ends it")
    session, opening = (mine, []) if mine is not None else opened(state, command.me, scene)
    held = list(locks.held_by(state, ended.name))
    views = [locks.describe(state, lock, scene, "") for lock in held]
    freed = locking.release(state, held, session, command.me, scene, None)
    for task in tasks.claimed_by(state, ended.name):
        what = {**envelope(session, scene), "task": task.id}
        if task.status == "in_progress" and task.sid == ended.sid:
            freed.append(tasking.TaskRelease(**what, note="its session ended"))
        elif task.status == "in_progress":  # of an earlier run of that name, sent back from review
            freed.append(tasking.TaskLapse(**what, evidence=Evidence(how="gone")))
    over = sessions.SessionEnd(
        id=scene.ident(), at=scene.now, by=session.name, sid=session.sid, name=ended.name, ended=ended.sid
    )
    return Outcome([*opening, *freed, over], lambda after, scene: {"ended": ended.name, "released": views})


def _land(state: State, command: Land, scene: Scene) -> Outcome:
    from git_peer.layout import unpercent

    session, opening = opened(state, command.me, scene)
    changed, dirty = ([unpercent(path) for path in paths] for paths in (command.changed, command.dirty))
    done, going = landing.ends(state, changed, dirty, session, command.me) if changed else ([], [])
    freed, kept = ([], done + going) if command.keep else (done, going)
    fenced = [lock.id for lock in kept if fences.awaits(state, lock.target, lock.sid)]
    views = [locks.describe(state, lock, scene, "") for lock in freed]
    events = landing.events(command.refs, freed, fenced, command.landed, command.atomic, session, scene)
    return Outcome([*opening, *events], lambda after, scene: {"released": views})


_DECIDE: dict[type[Command], Callable[[State, Any, Scene], Outcome]] = {
    Take: decide_take,
    Unwait: decide_unwait,
    Release: _release,
    Start: _start,
    Renew: _renew,
    End: _end,
    Land: _land,
    claiming.Claim: claiming.decide_claim,
    claiming.Next: claiming.decide_next,
    claiming.GiveUp: claiming.decide_give_up,
    claiming.Assign: claiming.decide_assign,
    working.Move: working.decide_move,
    working.Progress: working.decide_progress,
    working.Record: working.decide_record,
    edits.EditPlan: planning.decide_edit,
    merging.Sync: merging.decide_sync,
    integration.Integrate: integration.decide_integrate,
    answering.Tell: answering.decide_tell,
    answering.Answer: answering.decide_answer,
    arguing.Open: arguing.decide_open,
    arguing.Speak: arguing.decide_speak,
    arguing.Escalate: arguing.decide_escalate,
    arguing.Resolve: arguing.decide_resolve,
    asking.Ask: asking.decide_ask,
    asking.Answer: asking.decide_answer,
}
_OF_THE_PLAN = (
    claiming.Claim,
    claiming.Next,
    claiming.GiveUp,
    claiming.Assign,
    working.Move,
    working.Progress,
    working.Record,
    edits.EditPlan,
    merging.Sync,
    integration.Integrate,
)


@cache
def _decoder() -> msgspec.json.Decoder[Command]:
    """Made when it is wanted: it takes as long as all these classes, and most commands read none."""
    return msgspec.json.Decoder(Union[tuple(_DECIDE)])  # noqa: UP007
