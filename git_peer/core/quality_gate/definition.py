"""What a project says of its quality gates: `[gates.NAME]` in .git-peer.toml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from git_peer.core import duration, near
from git_peer.core.errors import PeerError
from git_peer.core.quality_gate import coverage, size


class Option(NamedTuple):
    """What a gate lets itself be told: the type of the value, what holds without it, what it means."""

    kind: type
    default: Any
    does: str


class Kind(NamedTuple):
    """A gate that is built in. `advisory`: unless somebody names it, nobody is stopped because it could not be run."""

    does: str
    options: Mapping[str, Option] = {}
    runs: bool = False
    advisory: bool = False


_COMMON = {
    "required": Option(bool, False, "whether it holds a task at review and at its merge point"),
    "off": Option(bool, False, "leave it out"),
}
_RUNS = {
    "command": Option(str, "", "what is run, on the files of the commit"),
    "timeout": Option(str, "", "how long that may take (default: peer.sandboxTimeout)"),
}
KINDS: dict[str, Kind] = {
    "tests": Kind("the tests pass", runs=True),
    "regression": Kind("a test that passed on the baseline neither fails nor vanishes", advisory=True),
    "coverage": Kind(
        "tests run the changed lines, and no less in all than on the baseline",
        {
            "changed": Option(int, coverage.CHANGED, "per cent of the changed lines that tests must run"),
            "drop": Option(float, coverage.DROP, "points that the whole may lose"),
        },
        runs=True,
        advisory=True,
    ),
    "stubs": Kind("no new TODO, FIXME, stub or skipped test that names no task"),
    "secrets": Kind("no commit brings in what looks like a secret"),
    "size": Kind(
        "the diff is not too large to be read",
        {
            "lines": Option(int, size.LINES, "changed lines, at most"),
            "files": Option(int, size.FILES, "changed files, at most"),
        },
    ),
    "api": Kind("no public symbol is removed or changed without a contract that says so"),
    "dependencies": Kind(
        "no new dependency, unless it is allowed or a contract names it",
        {"allow": Option(list, (), "names, with `*`, of what may come in")},
    ),
}
OWN = Kind("a command of this project's own succeeds", runs=True)
_NAME = re.compile(r"[A-Za-z][\w.-]{0,39}")
_FILE = ".git-peer.toml"


class Definition(NamedTuple):
    """A gate of a project: `declared` where its file names it."""

    name: str
    values: Mapping[str, Any]
    declared: bool = False

    @property
    def kind(self) -> Kind:
        """What is built in of it."""
        return KINDS.get(self.name, OWN)

    def get(self, option: str) -> Any:
        """What it was told, or what holds without."""
        return self.values.get(option, options(self.kind)[option].default)

    @property
    def seconds(self) -> int:
        """How long its command may take; 0 where nobody says."""
        return duration.seconds(self.get("timeout")) if self.get("timeout") else 0


def options(kind: Kind) -> dict[str, Option]:
    """Everything that may be said of a gate of this kind."""
    return {**_COMMON, **(_RUNS if kind.runs else {}), **kind.options}


def read(table: Any) -> tuple[dict[str, Definition], list[str]]:
    """The gates of a project by name, the built-in ones first, and warnings; `table` is what `[gates]` holds.

    PeerError `invalid` names a wrong value.
    """
    if not isinstance(table, Mapping):
        raise _wrong("gates is no table", "[gates.NAME], and settings below it")
    found = {name: Definition(name, {}) for name in KINDS}
    warnings: list[str] = []
    for name, given in table.items():
        if not _NAME.fullmatch(name):
            raise _wrong(f"no name of a gate: {name[:60]!r}", "letters, digits, `-`, `_` and `.`")
        if not isinstance(given, Mapping):
            raise _wrong(f"gates.{name} is no table", f"[gates.{name}], and settings below it")
        known = options(KINDS.get(name, OWN))
        values: dict[str, Any] = {}
        for key, value in given.items():
            if key not in known:
                meant = near.near(key, known)
                warnings.append(
                    f"{_FILE} has an unknown setting: gates.{name}.{key}"
                    + (f" (did you mean {meant[0]}?)" if meant else "")
                )
                continue
            values[key] = _value(f"gates.{name}.{key}", known[key], value)
        found[name] = Definition(name, values, True)
        if name not in KINDS and not found[name].get("command"):
            meant = near.near(name, KINDS)
            hint = f"did you mean [gates.{meant[0]}]?" if meant else "`command` is what it runs"
            raise _wrong(f"gates.{name} has no command, and no such gate is built in", hint)
    return {name: one for name, one in found.items() if not one.get("off")}, warnings


def _value(name: str, option: Option, value: Any) -> Any:
    kind = option.kind
    if kind is list:
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return tuple(value)
    elif kind is float:
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100:
            return float(value)
    elif kind is int:
        most = 100 if name.endswith(".changed") else 10**9
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
            return value
    elif isinstance(value, kind):
        if name.endswith(".timeout"):
            _lasting(name, str(value))
        return value
    what = {list: "a list of texts", float: "0 to 100", bool: "true or false", int: "a number", str: "a text"}[kind]
    raise _wrong(f"{name}: not {what}: {str(value)[:60]!r}", f"{option.does}")


def _lasting(name: str, value: str) -> None:
    try:
        good = duration.seconds(value) > 0
    except ValueError:
        good = False
    if not good:
        raise _wrong(f"{name}: no time: {value[:60]!r}", "such as 90s or 10m")


def _wrong(what: str, hint: str) -> PeerError:
    return PeerError("invalid", f"{_FILE}: {what}", hint)
