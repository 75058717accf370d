"""Notes on code commits: the lines of refs/notes/peer, how two notes become one, and how they are told. Pure.

A line is one self-contained JSON object with `id`, `at` (epoch seconds) and `kind`; what else a note has is a
person's text. A set of lines only grows, so notes merge in any order, any number of times.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from git_peer.core import text
from git_peer.core.debate.record import Debate
from git_peer.core.delta.events import DeltaPush
from git_peer.core.lock.record import rfc3339
from git_peer.core.plan.task.events import TaskResult
from git_peer.core.session import naming
from git_peer.core.session.record import Session
from git_peer.core.target.target import show

TOKENS = 32  # of a session that holds more locks its notes have the newest; a hook appends the line in one write
_BLANK = " \t\r"
_MOST = 128  # characters of an id or a kind
_AT_MOST = 253402300799  # the last second that a date can say


class Line(NamedTuple):
    """A line that a program wrote: its JSON as it stands, and what that says."""

    id: str
    at: int
    kind: str
    raw: str
    fields: dict[str, Any]


class Note(NamedTuple):
    """What one commit's note has: lines in order of time, and paragraphs of people's own."""

    lines: list[Line]
    texts: list[str]


# -- reading and merging --------------------------------------------------------------------------
def line_of(raw: str) -> Line | None:
    """A line, where it is one of ours; whatever release wrote it."""
    if not raw.startswith("{"):
        return None
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    ident, at, kind = found.get("id"), found.get("at"), found.get("kind")
    if not (isinstance(ident, str) and isinstance(kind, str) and isinstance(at, int)) or isinstance(at, bool):
        return None
    if not 0 < len(ident) <= _MOST or not 0 < len(kind) <= _MOST or not 0 <= at <= _AT_MOST:
        return None
    return Line(ident, at, kind, raw, found)


def parse(raw: bytes) -> Note:
    """A note as it stands on a commit; nothing in it is an error, and each line and paragraph is there once."""
    lines: dict[str, Line] = {}
    texts: dict[str, None] = {}
    paragraph: list[str] = []
    for row in [*raw.decode("utf-8", "surrogateescape").split("\n"), ""]:
        stripped = row.strip(_BLANK)
        line = line_of(stripped)
        if line is None and stripped:
            paragraph.append(row.rstrip(_BLANK))
            continue
        if paragraph:
            texts["\n".join(paragraph)] = None
            paragraph = []
        if line is not None:
            known = lines.get(line.id)
            # Two that bear one id are no honest writer's; which of them stays must not depend on the order.
            if known is None or (len(known.raw), known.raw) < (len(line.raw), line.raw):
                lines[line.id] = line
    return Note(sorted(lines.values(), key=_order), sorted(texts))


def _order(line: Line) -> tuple[int, int, str]:
    """In one second a commit comes first, then what amended it, then what was found about it."""
    rank = 2 if line.kind != "commit" else int(line.fields.get("how") == "amend")
    return line.at, rank, line.id


def union(notes: Iterable[bytes]) -> bytes:
    """The note that has what each of them has, once. The order of `notes` makes no difference."""
    found = parse(b"\n\n".join(notes))
    parts = ["\n".join(line.raw for line in found.lines)] if found.lines else []
    return (
        ("\n\n".join([*parts, *found.texts]) + "\n").encode("utf-8", "surrogateescape") if parts or found.texts else b""
    )


# -- writing --------------------------------------------------------------------------------------
def encode(fields: Mapping[str, Any]) -> str:
    """A line of these fields, in their order; what a terminal would obey stands as an escape.

    Bytes of a path that are not UTF-8 are percent-encoded: a note is UTF-8.
    """
    line = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return text.escaped(re.sub("[\ud800-\udfff]", lambda found: f"%{ord(found[0]) & 0xFF:02X}", line))


def fragment(session: Session, task: str, tokens: Sequence[int]) -> str:
    """The middle of a provenance line, ready for the post-commit hook: who commits, at which task, by which locks."""
    fields: dict[str, Any] = {"session": session.name, "sid": session.sid}
    if session.agent:
        fields["agent"] = session.agent
    if task:
        fields["task"] = task
    if tokens:
        fields["tokens"] = sorted(tokens)[-TOKENS:]
    return encode(fields)[1:-1]


def provenance(middle: str, commit: str, at: int, how: str = "commit", of: str = "") -> str:
    """The line for a commit that a session made; its id is the commit's, also where an amend takes it along.

    `how` is commit, amend, cherry-pick or rebase, and `of` the commit that this one was made from.
    """
    more = "" if how == "commit" else f',"how":{json.dumps(how)}'
    more += f',"of":{json.dumps(of)}' if of else ""
    return f'{{"kind":"commit",{middle}{more},"at":{at},"id":{json.dumps(commit)}}}'


def delta_line(event: DeltaPush) -> str:
    """The line for a delta that names a commit."""
    fields: dict[str, Any] = {
        "kind": "delta",
        "type": event.type,
        "severity": event.severity,
        "summary": event.summary,
        "body": event.body,
        "session": event.by,
        "paths": [show(target) for target in event.paths],
        "contracts": list(event.contracts),
        "tasks": list(event.tasks),
    }
    return _ended(fields, event.at, event.id)


def debate_line(debate: Debate) -> str:
    """The line for a debate that has ended: the outcome, then the whole transcript."""
    end = debate.resolution
    assert end is not None
    fields: dict[str, Any] = {
        "kind": "debate",
        "topic": debate.topic,
        "outcome": end.how,
        "decision": end.decision,
        "session": end.by,
        "as_human": end.asserted,
        "contract": debate.contract,
        "version": end.version,
        "delta": debate.delta,
        "tasks": list(end.tasks),
        "paths": [show(target) for target in debate.paths],
        "sides": [side.session for side in debate.sides],
        "turns": [
            {
                key: value
                for key, value in (
                    ("session", turn.session),
                    ("round", turn.round),
                    ("message", turn.message),
                    ("propose", turn.propose),
                    ("verdict", turn.verdict),
                    ("at", turn.at),
                )
                if value
            }
            for turn in debate.turns
        ],
    }
    return _ended(fields, end.at, debate.id)


def test_line(event: TaskResult) -> str:
    """The line for what an acceptance command said of a commit."""
    fields = {
        "kind": "test",
        "task": event.task,
        "passed": event.passed,
        "command": event.command,
        "output": event.output,
        "session": event.by,
    }
    return _ended(fields, event.at, event.id)


def _ended(fields: Mapping[str, Any], at: int, ident: str) -> str:
    kept = {key: value for key, value in fields.items() if value not in ("", [], 0, False) or key == "passed"}
    return encode({**kept, "at": at, "id": ident})


# -- what came along ------------------------------------------------------------------------------
def makers(note: Note) -> list[Line]:
    """The provenance lines, oldest first: who made the commit, then who amended it or whose was squashed into it."""
    return [line for line in note.lines if line.kind == "commit"]


def is_same(one: Line, other: Line) -> bool:
    """Whether two provenance lines tell of one session."""
    mine, theirs = (line.fields.get("sid") or line.fields.get("session") for line in (one, other))
    return mine is not None and mine == theirs


# -- showing --------------------------------------------------------------------------------------
def describe(line: Line) -> dict[str, Any]:
    """A line for JSON: its fields with the time as RFC 3339, `turns` too; text is cleaned, for a stranger wrote it."""
    view: dict[str, Any] = {"kind": text.line(line.kind), "id": text.line(line.id), "at": rfc3339(line.at)}
    for key, value in line.fields.items():
        if key not in view and key != "debate":
            view[text.line(key, _MOST)] = _cleaned(value)
    for turn in view.get("turns", ()) if isinstance(view.get("turns"), list) else ():
        if isinstance(turn, dict) and isinstance(turn.get("at"), int) and 0 <= turn["at"] <= _AT_MOST:
            turn["at"] = rfc3339(turn["at"])
    if line.kind == "commit":
        view["commit"] = view["id"]
    return view


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return text.clean(value)
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    if isinstance(value, dict):
        return {text.line(key, _MOST): _cleaned(one) for key, one in value.items()}
    return value


def in_words(line: Line) -> list[str]:
    """A line for people: what it says first, the rest below it as what strangers wrote."""
    said = line.fields
    who = _word(said.get("session")) or "somebody"
    if line.kind == "commit":
        how = {"amend": "amended by", "cherry-pick": "picked by"}.get(str(said.get("how")), "made by")
        task = f" at {_word(said['task'])}" if said.get("task") else ""
        tokens = said.get("tokens")
        locks = f", locks {', '.join(map(_word, tokens))}" if isinstance(tokens, list) and tokens else ""
        agent = f" ({_word(said['agent'])})" if said.get("agent") else ""
        return [f"{how} {who}{agent}{task}{locks}"]
    if line.kind == "delta":
        head = f"delta {line.id[:8]} from {who}: {_word(said.get('severity'))} {_word(said.get('type'))}"
        return [head, *_framed(said.get("summary")), *_framed(said.get("body"))]
    if line.kind == "debate":
        rows = [f"debate {line.id[:8]}, {_word(said.get('outcome'))} by {who}: {_word(said.get('topic'))}"]
        rows += _framed(said.get("decision"))
        turns = said.get("turns")
        for turn in turns if isinstance(turns, list) else ():
            if isinstance(turn, dict):
                verdict = {"accept": " accepts", "reject": " rejects"}.get(str(turn.get("verdict")), "")
                rows.append(f"  round {_word(turn.get('round'))}, {_word(turn.get('session'))}{verdict}:")
                rows += [f"  {row}" for row in (*_framed(turn.get("message")), *_framed(turn.get("propose")))]
        return rows
    if line.kind == "test":
        passed = "passed" if said.get("passed") is True else "failed"
        command = f": {_word(said['command'])}" if said.get("command") else ""
        return [f"{_word(said.get('task'))} {passed}, told by {who}{command}", *_framed(said.get("output"))]
    return [f"{_word(line.kind)} {_word(line.id)} by {who}"]


def _word(value: Any) -> str:
    return text.line(str(value), 200) if value not in (None, "") else ""


def _framed(value: Any) -> list[str]:
    shown = text.clean(str(value)) if value else ""
    return text.framed(shown) if shown else []


_ESCAPE = re.compile("%(25|20|0A|09|0D|2D|2E)")  # what the hook writes so in a name that another tool gave


# -- who of a hook's record -------------------------------------------------------------------------
def who(fields: Sequence[str]) -> tuple[str, str | None]:
    """(git directory, session name or None for its unnamed person) of a post-commit record's four words."""
    gitdir, name, kind, ident = ("" if field in ("-", ".") else field for field in fields[:4])
    env = {"GIT_PEER_SESSION": _ESCAPE.sub(lambda found: chr(int(found[1], 16)), name)} if name else {}
    if kind:
        # The same derivation as at the commit: an agent's session is named after its id and work tree.
        mark = {"claude": ("CLAUDECODE", "CLAUDE_CODE_SESSION_ID"), "codex": ("CODEX_CI", "CODEX_SESSION_ID")}
        flag, key = mark.get(kind, ("GEMINI_CLI", "GEMINI_SESSION_ID"))
        env |= {flag: "1", key: ident}
    return gitdir, naming.name_from(env, gitdir)[0]
