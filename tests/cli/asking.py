"""Running commands as scripts do: every answer is held against what the contract says of all answers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.world import Clone, Result

Env = Mapping[str, "str | None"]

# The contract's table, written out again: a status that drifts in the program must show here.
STATUS = {
    "locked": 1, "held": 1, "not_yours": 1, "not_found": 1, "not_allowed": 1, "exists": 1, "changed": 1, "cycle": 1,
    "invalid": 1, "lost": 1, "rejected": 1, "disputed": 1, "fenced": 1, "failed": 1, "unreachable": 3, "busy": 3,
    "unknown": 3, "unavailable": 3, "not_set_up": 4, "untrusted": 4, "newer_format": 4, "unsupported": 4, "usage": 129,
    "internal": 70, "interrupted": 130,
}  # fmt: skip

LOCK_KEYS = {
    "id", "target", "kind", "path", "mode", "state", "session", "sid", "host", "branch", "worktree", "reason",
    "priority", "token", "ttl", "acquired_at", "expires_at", "live", "guarantee",
}  # fmt: skip

CLAUDE = {"CLAUDECODE": "1", "CLAUDE_CODE_SESSION_ID": "1f2e3d4c"}


def ask(
    clone: Clone, *args: str, as_: str | None = None, env: Env | None = None, cwd: str = "", stdin: bytes | None = None
) -> dict[str, Any]:
    """The JSON answer of a command, which did what it should."""
    result = clone.peer("--json", *args, as_=as_, env=env, cwd=cwd, stdin=stdin)
    return sound(result)


def refused(
    clone: Clone, code: str, *args: str, as_: str | None = None, env: Env | None = None, cwd: str = "",
    stdin: bytes | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The JSON answer of a command that is refused with `code`."""
    result = clone.peer("--json", *args, as_=as_, env=env, cwd=cwd, stdin=stdin, status=None)
    answer = sound(result)
    assert not answer["ok"], result
    assert answer["error"]["code"] == code, result
    return answer


def sound(result: Result) -> dict[str, Any]:
    """The one JSON object on stdout, with what the contract promises of every one."""
    answer = result.json()
    assert answer["ok"] is (result.status == 0), result
    assert "session" in answer, result
    assert all({"code", "message"} <= notice.keys() for notice in answer["notices"]), result
    assert "Traceback" not in result.err, result
    if result.status:
        error = answer["error"]
        assert error.keys() == {"code", "message", "hint"}, result
        assert result.status == STATUS[error["code"]], result
        assert error["message"], result
        assert teaches_no_force(error["hint"]), result
    else:
        assert "error" not in answer, result
    if "traffic" in answer:
        assert answer["traffic"].keys() == {"pushes", "fetches"}, result
        assert answer["guarantee"] in {"remote", "local", "tentative"}, result
    return answer


def teaches_no_force(hint: str) -> bool:
    """Whether a hint leaves out every way round a lock."""
    return not any(word in hint for word in ("--force", "--no-verify", "core.hooksPath"))


def complaint(result: Result) -> tuple[str, str]:
    """(error, hint) as people read them: two lines on stderr, nothing else, nothing on stdout."""
    lines = result.err.splitlines()
    assert result.out == "", result
    assert len(lines) == 2, result
    assert lines[0].startswith("error: "), result
    assert lines[1].startswith("hint: "), result
    assert teaches_no_force(lines[1]), result
    return lines[0].removeprefix("error: "), lines[1].removeprefix("hint: ")


def codes(answer: Mapping[str, Any]) -> list[str]:
    """The codes of an answer's notices."""
    return [notice["code"] for notice in answer["notices"]]


def held(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(target, session) of an answer's locks."""
    return [(view["target"], view["session"]) for view in answer["locks"]]


def snapshot(folder: Path, *leave_out: str) -> dict[str, str]:
    """Every file and folder below: path → what it holds. Names of `leave_out` at the top are passed over."""
    found = {}
    for where, folders, files in os.walk(os.fsencode(folder)):
        inner = os.path.relpath(where, os.fsencode(folder))
        if inner == b".":
            folders[:] = [name for name in folders if os.fsdecode(name) not in leave_out]
        found[os.fsdecode(inner)] = "folder"
        for name in files:
            path = os.path.join(where, name)
            text = os.readlink(path) if os.path.islink(path) else Path(os.fsdecode(path)).read_bytes()
            key = os.fsdecode(os.path.normpath(os.path.join(inner, name)))
            if key not in leave_out:
                found[key] = hashlib.sha256(text).hexdigest()
    return found
