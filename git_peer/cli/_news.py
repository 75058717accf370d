"""Deltas and debates as people read them: on a terminal, and in Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from git_peer.core import text
from git_peer.store.clone import times

_View = Mapping[str, Any]


def delta(view: _View, whole: bool = False) -> list[str]:
    """A delta; its summary in a list, all of it with `whole`."""
    to = f" to {', '.join(view['to'])}" if view["to"] else ""
    state = f" ({view['guarantee']})" if "guarantee" in view else f" ({view['settled']}d)" if "settled" in view else ""
    mark = "! " if view["requires_action"] else "  "
    what = f"{view['severity']} {view['type']} from {view['session']}{to}"
    lines = [f"{mark}{view['id'][:8]}  {what}, {times.when(view['at'])}{state}"]
    lines += text.framed(view["summary"], "    | ")
    about = [(name, view[name]) for name in ("paths", "contracts", "tasks") if view[name]]
    lines += [f"    {name}: {', '.join(text.line(str(one)) for one in values)}" for name, values in about]
    if view["requires_action"]:
        lines.append(f"    wants your answer: {'; '.join(view['why'])}")
    if view.get("debate"):
        lines.append(f"    debated: git peer debate show {view['debate'][:8]}")
    if not whole:
        return lines
    if view["commit"]:
        lines.append(f"    commit: {view['commit']}")
    if view["body"]:
        lines += ["", *text.framed(view["body"], "    | "), ""]
    for ack in view["acks"]:
        note = f": {text.quoted(ack['note'], 200)}" if ack["note"] else ""
        how = "took a side in the debate" if "debate" in ack else "answered"
        lines.append(f"    {ack['session']} {how}, {times.when(ack['at'])}{note}")
    return lines


def debate(view: _View) -> str:
    """A debate in a line."""
    waits = f", waits for {', '.join(view['waiting_for'])}" if view["waiting_for"] else ""
    return (
        f"{view['id'][:8]}  {view['status']}, round {view['round']}{waits}: {text.quoted(view['topic'])}"
        f" ({', '.join(side['session'] for side in view['sides'])})"
    )


def conversation(view: _View) -> list[str]:
    """A debate from its first word to its last, as one reads it on a terminal."""
    lines = [f"Debate {view['id'][:8]}: {text.quoted(view['topic'], 200)}", _standing(view)]
    lines += [f"{name}: {', '.join(values)}" for name, values in _about(view)]
    now = 0
    for turn in view["turns"]:
        if turn["round"] != now:
            now = turn["round"]
            lines += ["", f"-- round {now} " + "-" * 40]
        lines += ["", f"{turn['session']}{_deed(view, turn)}, {times.when(turn['at'])}"]
        if turn["message"]:
            lines += text.framed(turn["message"])
        if turn.get("propose"):
            lines += [f"  proposal {turn['id'][:8]}:", *text.framed(turn["propose"], "  > ")]
        lines += [f"  {name}: {text.quoted(one, 200)}" for name, one in _points(view, turn)]
    return lines + _ending(view)


def _standing(view: _View) -> str:
    if view["status"] == "active":
        waits = f"; it waits for {', '.join(view['waiting_for'])}" if view["waiting_for"] else ""
        return f"active, round {view['round']} of 5{waits}"
    return str(view["status"])


def _about(view: _View) -> Iterable[tuple[str, list[str]]]:
    sides = [side["session"] for side in view["sides"]]
    found = (("sides", sides), ("delta", [view.get("delta", "")]), ("contract", [view.get("contract", "")]))
    yield from ((name, values) for name, values in found if any(values))
    if view["evidence"]:
        yield "evidence", [text.quoted(one, 200) for one in view["evidence"]]


def _deed(view: _View, turn: _View) -> str:
    if turn["id"] == view["id"]:
        return " opens"
    if turn.get("verdict"):
        return f" {turn['verdict']}s proposal {turn['proposal'][:8]}"
    return " proposes" if turn.get("propose") else ""


def _points(view: _View, turn: _View) -> Iterable[tuple[str, str]]:
    """A side's constraints and alternatives stand with its first turn."""
    first = next(one for one in view["turns"] if one["session"] == turn["session"])
    if first["id"] == turn["id"]:
        side = next(one for one in view["sides"] if one["session"] == turn["session"])
        yield from (("constraint", one) for one in side["constraints"])
        yield from (("alternative", one) for one in side["alternatives"])


def _ending(view: _View) -> list[str]:
    lines: list[str] = []
    if "escalation" in view:
        why = view["escalation"]
        said = {"asked": f"{why['by']} asked for a person", "rounds": "the rounds are over", "idle": "nobody spoke"}
        lines += [
            "",
            f"Escalated, {times.when(why['at'])}: {said[why['how']]}. Nothing of it can land until a person decides.",
        ]
        lines += text.framed(why["reason"]) if why["reason"] else []
        lines += [f"  in dispute: {', '.join(text.line(one) for one in why['paths'])}"] if why["paths"] else []
    elif view["status"] == "active" and "proposal" in view:
        standing = view["proposal"]
        by = f", accepted by {', '.join(standing['accepted_by'])}" if standing["accepted_by"] else ""
        lines += ["", f"Proposal {standing['id'][:8]} of {standing['by']} stands{by}."]
        lines += [f"To agree: git peer debate respond {view['id'][:8]} --accept"]
    if "resolution" in view:
        end = view["resolution"]
        lines += ["", f"Resolved, {times.when(end['at'])}: {end['how']} by {end['by']}" + _human(end)]
        lines += text.framed(end["decision"])
        lines += [f"  {made}" for made in _made(view, end)]
    return lines


def _human(end: _View) -> str:
    return " (a person's word, by --as-human)" if end["as_human"] else ""


def _made(view: _View, end: _View) -> Iterable[str]:
    if end["contract_version"]:
        yield f"contract {view['contract']} is at version {end['contract_version']}"
    if end["tasks"]:
        yield f"tasks: {', '.join(end['tasks'])}"


# -- Markdown -------------------------------------------------------------------------------------
def markdown(view: _View) -> list[str]:
    """A debate for a pull request: what the sides wrote stands in code, where nothing is a link, a tag or a mention."""
    lines = [f"## Debate {view['id'][:8]}: {text.span(view['topic'])}", "", f"**{_standing(view)}**", ""]
    lines += [f"- {name}: {', '.join(text.span(one) for one in values)}" for name, values in _bare(view)]
    now = 0
    for turn in view["turns"]:
        if turn["round"] != now:
            now = turn["round"]
            lines += ["", f"### Round {now}"]
        lines += ["", f"**{turn['session']}**{_deed(view, turn)} ({turn['at']})", ""]
        lines += [*text.fenced(turn["message"]), ""] if turn["message"] else []
        lines += [f"Proposal {turn['id'][:8]}:", "", *text.fenced(turn["propose"]), ""] if turn.get("propose") else []
        lines += [f"- {name}: {text.span(one, text.ITEM)}" for name, one in _points(view, turn)]
    if "escalation" in view:
        why = view["escalation"]
        lines += ["", f"### Escalated ({why['how']}, {why['at']})", ""]
        lines += [*text.fenced(why["reason"]), ""] if why["reason"] else []
        lines += [f"- in dispute: {text.span(one, text.ITEM)}" for one in why["paths"]]
    if "resolution" in view:
        end = view["resolution"]
        lines += ["", f"### Resolved: {end['how']} by {end['by']}{_human(end)} ({end['at']})", ""]
        lines += [*text.fenced(end["decision"]), "", *(f"- {made}" for made in _made(view, end))]
    return lines[: max((at for at, line in enumerate(lines, 1) if line), default=0)]


def _bare(view: _View) -> Iterable[tuple[str, list[str]]]:
    yield from ((name, values) for name, values in _about(view) if name != "evidence")
    if view["evidence"]:
        yield "evidence", list(view["evidence"])
