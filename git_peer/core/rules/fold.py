"""The fold: every event kind, and the one function that turns a state and events into the next state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec

from git_peer.core.debate import events as debating
from git_peer.core.delta import events as telling
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.lock import events as locking
from git_peer.core.lock import landing
from git_peer.core.lock import queue as waits
from git_peer.core.log import record as log
from git_peer.core.log.state import Event, State, encode
from git_peer.core.plan import contracts, graph, phases, questions
from git_peer.core.plan import record as plan
from git_peer.core.plan.task import events as tasking
from git_peer.core.rules import bounds
from git_peer.core.session import record as sessions

_APPLY: dict[type[Event], Callable[[State, Any, int, int], None]] = {
    log.LogCreate: log.apply_create,
    log.LogMode: log.apply_mode,
    log.LogFolds: log.apply_folds,
    log.LogIntegration: log.apply_integration,
    log.LogFormat: log.apply_format,
    log.LogVoid: log.apply_void,
    log.LogRepair: log.apply_repair,
    sessions.SessionStart: sessions.apply_start,
    sessions.SessionRenew: sessions.apply_renew,
    sessions.SessionEnd: sessions.apply_end,
    sessions.SessionLapse: sessions.apply_lapse,
    locking.LockTake: locking.apply_take,
    locking.LockRenew: locking.apply_renew,
    locking.LockRelease: locking.apply_release,
    locking.LockExpire: locking.apply_expire,
    locking.LockBreak: locking.apply_break,
    locking.LockPreempt: locking.apply_preempt,
    waits.LockWait: waits.apply_wait,
    waits.LockUnwait: waits.apply_unwait,
    landing.PushLand: landing.apply_land,
    plan.PlanSet: plan.apply_set,
    plan.PhaseAdd: plan.apply_phase_add,
    plan.PhaseEdit: plan.apply_phase_edit,
    phases.PhaseDrop: phases.apply_drop,
    phases.PhaseSync: phases.apply_sync,
    phases.PhaseClose: phases.apply_close,
    tasking.TaskAdd: tasking.apply_add,
    tasking.TaskEdit: tasking.apply_edit,
    tasking.TaskAssign: tasking.apply_assign,
    tasking.TaskClaim: tasking.apply_claim,
    tasking.TaskRelease: tasking.apply_release,
    tasking.TaskLapse: tasking.apply_lapse,
    tasking.TaskMove: tasking.apply_move,
    tasking.TaskProgress: tasking.apply_progress,
    tasking.TaskResult: tasking.apply_result,
    contracts.ContractAdd: contracts.apply_add,
    contracts.ContractChange: contracts.apply_change,
    contracts.ContractApprove: contracts.apply_approve,
    contracts.ContractDrop: contracts.apply_drop,
    questions.QuestionAsk: questions.apply_ask,
    questions.QuestionAnswer: questions.apply_answer,
    questions.QuestionClose: questions.apply_close,
    telling.DeltaPush: telling.apply_push,
    telling.DeltaAck: telling.apply_ack,
    telling.DeltaSupersede: telling.apply_supersede,
    telling.DeltaSettle: telling.apply_settle,
    telling.DeltaLapse: telling.apply_lapse,
    debating.DebateOpen: debating.apply_open,
    debating.DebateTurn: debating.apply_turn,
    debating.DebateEscalate: debating.apply_escalate,
    debating.DebateResolve: debating.apply_resolve,
    debating.DebateLapse: debating.apply_lapse,
}
KINDS: dict[str, type[Event]] = {str(kind.__struct_config__.tag): kind for kind in _APPLY}

MAX_EVENT, MAX_BATCH = 64 * 1024, 512 * 1024  # bytes


class _Head(msgspec.Struct):
    """What tells an event's kind."""

    kind: str


_HEAD = msgspec.json.Decoder(_Head)


@cache
def _decoder(kind: str) -> msgspec.json.Decoder[Event]:
    """For each kind its own: one for all takes as long to make as all these classes, and a command reads few kinds."""
    return msgspec.json.Decoder(KINDS[kind])


def parse(line: bytes) -> Event:
    """One event from its line; Malformed unless it is the canonical JSON of a known kind."""
    if len(line) > MAX_EVENT:
        raise Malformed("an event over 64 KiB")
    try:
        kind = _HEAD.decode(line).kind
        if kind not in KINDS:
            raise Malformed(f"not an event: {kind!r} is no kind of event")
        event = _decoder(kind).decode(line)
        canonical = encode(event)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError, PeerError) as why:
        raise Malformed(f"not an event: {why}") from None
    if canonical != line:
        raise Malformed("an event that is not canonical JSON")
    return event


def apply(state: State, events: Sequence[Event], height: int, start: int = 0) -> None:
    """Fold the events of one commit of that height into `state`; Malformed where they do not fit."""
    if not events:
        raise Malformed("a commit without events")
    for index, event in enumerate(events, start):
        bounds.check(event)
        _APPLY[type(event)](state, event, height, index)
    graph.check(state)
    state.set_log(msgspec.structs.replace(state.log, height=height))


def split(events: Sequence[Event]) -> list[list[Event]]:
    """The events in parts that a commit takes, in order."""
    parts: list[list[Event]] = [[]]
    size = 0
    for event in events:
        length = len(encode(event)) + 1
        if parts[-1] and size + length > MAX_BATCH // 2:
            parts.append([])
            size = 0
        parts[-1].append(event)
        size += length
    return parts


def too_large(size: int) -> PeerError:
    """The refusal of a batch of `size` bytes."""
    return PeerError(
        "invalid",
        f"too much at once: {size // 1024} KiB of events, {MAX_BATCH // 1024} are allowed",
        "split it into several commands, or lock a folder or a glob",
    )
