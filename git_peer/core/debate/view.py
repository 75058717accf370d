"""Debates as they are told: whole, in a line of a list, and as notices of any command."""

from __future__ import annotations

from typing import Any

from git_peer.core import text
from git_peer.core.debate.record import Debate, Turn, of_side, status, turn_of, waited_for
from git_peer.core.lock.record import rfc3339
from git_peer.core.log.command import Scene
from git_peer.core.log.state import State
from git_peer.core.target.target import show


def describe(debate: Debate, scene: Scene) -> dict[str, Any]:
    """A debate as the command contract's B."""
    view: dict[str, Any] = {
        **summary(debate, scene),
        "sides": [
            {
                "session": side.session,
                "position": text.clean(side.position),
                "constraints": [text.line(entry) for entry in side.constraints],
                "alternatives": [text.line(entry) for entry in side.alternatives],
            }
            for side in debate.sides
        ],
        "turns": [_turn(turn) for turn in debate.turns],
        "evidence": [text.line(entry) for entry in debate.evidence],
    }
    standing = turn_of(debate, debate.proposal) if debate.proposal else None
    if standing is not None:
        accepted = list(debate.accepted)
        view["proposal"] = {"id": standing.id, "by": standing.session, "text": text.clean(standing.propose)}
        view["proposal"]["accepted_by"] = accepted
    if view["status"] == "escalated":
        view["escalation"] = _escalation(debate)
    end = debate.resolution
    if end is not None:
        view["resolution"] = {
            "how": end.how,
            "decision": text.clean(end.decision),
            "by": end.by,
            "at": rfc3339(end.at),
            "as_human": end.asserted,
            "contract_version": end.version or None,
            "tasks": list(end.tasks),
        }
    return view


def summary(debate: Debate, scene: Scene) -> dict[str, Any]:
    """A debate in a line of a list."""
    now = status(debate, scene)
    view: dict[str, Any] = {
        "id": debate.id,
        "topic": text.line(debate.topic),
        "status": now,
        "round": debate.round,
        "sides": [{"session": side.session} for side in debate.sides],
        "waiting_for": waited_for(debate) if now == "active" else [],
        "session": debate.session,
        "at": rfc3339(debate.at),
        "idle_at": rfc3339(debate.last + debate.idle),
    }
    view.update({key: value for key, value in (("delta", debate.delta), ("contract", debate.contract)) if value})
    return view


def _turn(turn: Turn) -> dict[str, Any]:
    view: dict[str, Any] = {
        "id": turn.id,
        "session": turn.session,
        "round": turn.round,
        "message": text.clean(turn.message),
        "at": rfc3339(turn.at),
    }
    optional = {"propose": text.clean(turn.propose), "verdict": turn.verdict, "proposal": turn.proposal}
    view.update({key: value for key, value in optional.items() if value})
    return view


def _escalation(debate: Debate) -> dict[str, Any]:
    why = debate.escalation
    if why is None:  # by the time that has passed; nobody has recorded it yet
        return {"how": "idle", "by": None, "at": rfc3339(debate.last + debate.idle), "reason": "", "paths": []}
    return {
        "how": why.how,
        "by": why.by,
        "at": rfc3339(why.at),
        "reason": text.clean(why.reason),
        "paths": [show(target) for target in why.paths],
    }


def news(state: State, name: str, scene: Scene) -> list[str]:
    """What that session is told once: keys of its debates that others, or time, have ended or put before a person."""
    return [_key(debate, scene) for debate in of_side(state, name) if _is_news(debate, name, scene)]


def _is_news(debate: Debate, name: str, scene: Scene) -> bool:
    if debate.resolution is not None:
        return debate.resolution.by != name
    why = debate.escalation
    # Whoever recorded that time was up has moved nothing.
    return status(debate, scene) == "escalated" and (why is None or why.how == "idle" or why.by != name)


def _key(debate: Debate, scene: Scene) -> str:
    return f"{debate.id}:{status(debate, scene)}"


def notices(state: State, name: str, told: set[str], scene: Scene, most: int = 20) -> list[dict[str, Any]]:
    """What a session should know of its debates: whose turn it is, and, where it was not told, how they ended."""
    notices = []
    for debate in of_side(state, name):
        ident, topic = debate.id[:8], text.quoted(debate.topic, 80)
        end = debate.resolution
        if status(debate, scene) == "active":
            if name not in waited_for(debate):
                continue
            message = f"debate {ident} waits for your turn in round {debate.round}: {topic}"
        elif _key(debate, scene) in told or not _is_news(debate, name, scene):
            continue
        elif end is not None:
            made = f", version {end.version} of contract {debate.contract}" if end.version else ""
            message = f"debate {ident} was {end.how} by {end.by}{made}: {text.quoted(end.decision)}"
        else:
            message = f"debate {ident} waits for a person's word, nothing of it can land meanwhile: {topic}"
        notices.append(
            {"code": "debate", "message": message, "debate": debate.id, "hint": f"`git peer debate show {ident}`"}
        )
    return notices[:most]
