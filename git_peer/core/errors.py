"""Errors as data: a code, a message, a hint. Faces style them once, at the edge."""

from __future__ import annotations

from typing import Any

# Exit status of each error code: the command contract. docs/format.md lists them; a check compares.
EXIT: dict[str, int] = {
    **dict.fromkeys(
        (
            "locked",
            "held",
            "not_yours",
            "not_found",
            "not_allowed",
            "exists",
            "changed",
            "cycle",
            "invalid",
            "lost",
            "rejected",
            "disputed",
            "fenced",
            "failed",
        ),
        1,
    ),
    **dict.fromkeys(("unreachable", "busy", "unknown", "unavailable"), 3),
    **dict.fromkeys(("not_set_up", "untrusted", "newer_format", "unsupported"), 4),
    "usage": 129,
    "internal": 70,
    "interrupted": 130,
}


class PeerError(Exception):
    """A command that did not do what was asked: `code` of the contract, a message and a hint for people.

    `extra` goes into the JSON object beside `error` (for example `conflicts`).
    """

    def __init__(self, code: str, message: str, hint: str = "", **extra: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.extra = extra
        self.stateful = False  # whatever its code, another state might not have refused

    @property
    def status(self) -> int:
        """The exit status."""
        return EXIT[self.code]


class Malformed(Exception):
    """An event or a record that honest software would not have written.

    Where a command would have led to it, the command is refused with `code` and `hint`.
    """

    def __init__(self, what: object, code: str = "invalid", hint: str = "") -> None:
        super().__init__(what)
        self.code = code
        self.hint = hint
