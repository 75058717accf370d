"""What events say for people: the subject of a log commit, and a line of `git peer log`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from git_peer.core.lock import events as locking
from git_peer.core.lock import landing
from git_peer.core.log.state import Event, State
from git_peer.core.plan import contracts, phases
from git_peer.core.plan import record as plan
from git_peer.core.plan.task import events as tasking
from git_peer.core.plan.task import record as tasks
from git_peer.core.target import target as targets

_DOES: dict[str, str] = {
    "task.add": "added",
    "task.edit": "edited",
    "task.assign": "assigned",
    "task.claim": "claimed",
    "task.release": "released",
    "task.lapse": "took back the lapsed",
    "task.progress": "goes on with",
    "task.result": "tried",
    "phase.add": "added phase",
    "phase.sync": "stands on the head of phase",
    "phase.close": "closed phase",
    "contract.add": "added contract",
    "contract.change": "changed contract",
    "contract.approve": "approved contract",
    "plan.set": "set the goal",
}


def of(events: Sequence[Event], state: State) -> str:
    """A log commit's subject; `state` is the one after it."""
    by = events[0].by
    takes = [e for e in events if isinstance(e, locking.LockTake)]
    frees = [e for e in events if isinstance(e, (locking.LockRelease, locking.LockBreak, locking.LockExpire))]
    planned = [e for e in events if isinstance(e, _PLANNED)]
    writers = dict.fromkeys(event.by for event in events)
    if len(writers) > 1:
        text = f"{len(events)} events by {', '.join(writers)}"
    elif any(isinstance(e, landing.PushLand) for e in events):
        text = f"push: {by} landed work" + (f" and released {len(frees)} locks" if frees else "")
    elif planned:
        text = _planned(planned[-1], state)
        text += f" and {len(planned) - 1} more" if len(planned) > 1 else ""
        text += f", with {len(takes)} lock{'s' * (len(takes) > 1)}" if takes else ""
    elif takes:
        shown = targets.show(takes[0].target)
        text = f"lock: {by} took {shown}" + (f" and {len(takes) - 1} more" if len(takes) > 1 else "")
    elif frees:
        text = f"unlock: {by} released {len(frees)} lock{'s' if len(frees) > 1 else ''}"
    else:
        text = f"{str(events[-1].__struct_config__.tag).replace('.', ': ', 1)} {by}"
    clean = "".join(c if c.isprintable() else "?" for c in text.encode("utf-8", "replace").decode())
    return f"{clean[:100]} [skip ci]"


_PLANNED = (
    plan.PlanSet,
    plan.PhaseAdd,
    phases.PhaseSync,
    phases.PhaseClose,
    tasking.TaskAdd,
    tasking.TaskEdit,
    tasking.TaskAssign,
    tasking.TaskClaim,
    tasking.TaskRelease,
    tasking.TaskLapse,
    tasking.TaskMove,
    tasking.TaskProgress,
    tasking.TaskResult,
    contracts.ContractAdd,
    contracts.ContractChange,
    contracts.ContractApprove,
)


def _planned(event: Event, state: State) -> str:
    kind = str(event.__struct_config__.tag)
    noun = kind.partition(".")[0]
    if isinstance(event, tasking.TaskMove):
        does = {"review": "handed in", "merge_point": "accepted", "in_progress": "sent back"}.get(
            event.status, f"set to {event.status}"
        )
    else:
        does = _DOES.get(kind, kind.partition(".")[2])
    about = ""
    if isinstance(event, (plan.PhaseAdd, phases.PhaseSync, phases.PhaseClose)):
        about = event.phase
    elif isinstance(event, (contracts.ContractAdd, contracts.ContractChange, contracts.ContractApprove)):
        about = event.contract
    elif not isinstance(event, plan.PlanSet):
        ident = str(getattr(event, "task", ""))
        task = tasks.get(state, ident)
        about = f"{ident} {task.title}" if task is not None else ident
    return f"{noun}: {event.by} {does} {about}".rstrip()


_TOLD: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "task.add": lambda row: f"{row['task']} {row['spec']['title']}",
    "task.move": lambda row: f"{row['task']} {row['status']} {row.get('force') or row.get('note', '')}",
    "task.edit": lambda row: f"{row['task']} {', '.join(row['changes'])}",
    "task.assign": lambda row: f"{row['task']} {row.get('session', '')}",
    "task.progress": lambda row: f"{row['task']} {row.get('percent', '')} {row.get('note') or ''}",
    "task.result": lambda row: f"{row['task']} {'passed' if row['passed'] else 'failed'} on {row['commit'][:12]}",
    "phase.add": lambda row: f"{row['phase']} {row['name']}",
    "delta.push": lambda row: f"{row['severity'] if row.get('severity') else 'info'} {row['type']}: {row['summary']}",
    "delta.ack": lambda row: f"{str(row.get('delta', ''))[:8]} {row.get('note', '')}",
    "debate.open": lambda row: f"{row['topic']}",
    "plan.set": lambda row: str(row.get("goal") or ""),
    "contract.add": lambda row: f"{row['contract']} {row['type']}",
    "contract.change": lambda row: f"{row['contract']}@{row['version']} {row.get('force', '')}",
    "contract.approve": lambda row: f"{row['contract']}@{row['version']}",
}


def about(row: Mapping[str, Any]) -> str:
    """What an event, as `git peer log --json` tells it, is about; "" where its kind alone says it."""
    told = _TOLD.get(row["kind"])
    if told is not None:
        return " ".join(told(row).split())[:200]
    return str(row.get("task") or row.get("phase") or "") if row["kind"].startswith(("task.", "phase.")) else ""
