"""Settings: `git config peer.*` for a clone, `.git-peer.toml` for a project. Wrong values are named."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from git_peer.core.errors import PeerError
from git_peer.core.log.record import is_log_id
from git_peer.store.git import libgit2
from git_peer.store.git.libgit2 import Repository


def seconds(text: str) -> int:
    """A duration; ValueError where it is none."""
    from git_peer.core import duration  # most who read settings have none that is a time

    return duration.seconds(text)


def _flag(text: str) -> bool:
    low = text.lower()
    if low in ("true", "yes", "on", "1", ""):
        return True
    if low in ("false", "no", "off", "0"):
        return False
    raise ValueError(f"not a boolean: {text!r}")


def _auto_lock(text: str) -> str:
    low = text.lower()
    if low in ("section", "file", "off"):
        return low
    try:
        return "section" if _flag(text) else "off"
    except ValueError:
        raise ValueError(f"not section, file or off: {text!r}") from None


def _off(text: str) -> bool:
    if _flag(text):
        raise ValueError("this release does not have it")
    return False


def _form(text: str) -> str:
    if text.lower() not in ("auto", "small", "full"):
        raise ValueError(f"not auto, small or full: {text!r}")
    return text.lower()


def _counted(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) == 0:
        raise ValueError(f"not a number over zero: {text!r}")
    return int(text)


def lasting(text: str) -> int:
    if seconds(text) == 0:
        raise ValueError(f"not a time over zero: {text!r}")
    return seconds(text)


def _some(text: str) -> int:
    return 0 if text == "0" else _counted(text)


def _named(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError(f"not a name: {text!r}")
    return text.strip()


def branch_name(text: str) -> str:
    fits = all(len(part.encode("utf-8", "surrogatepass")) <= 200 for part in text.split("/"))  # a file each
    if not fits or text.startswith("-") or len(text) > 1000 or not libgit2.is_branch_name(text):
        raise ValueError(f"not a branch name: {text!r}")
    return text


def _names(text: str) -> tuple[str, ...]:
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    wrong = [name for name in found if not name.isidentifier()]
    if wrong:
        raise ValueError(f"not the name of a detector: {wrong[0]!r}")
    return found


def branches(text: str) -> tuple[str, ...]:
    """Names and globs of branches, with commas or white space between them."""
    from git_peer.core.target import glob as globs

    found = tuple(re.split(r"[\s,]+", text.strip(" \t\n,"))) if text.strip(" \t\n,") else ()
    for one in found:
        if (globs.is_glob(one) and globs.problem(one)) or not (globs.is_glob(one) or branch_name(one)):
            raise ValueError(f"not a branch, or a glob of branches: {one!r}")
    return found


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as why:
        raise ValueError(f"not a regular expression: {why}") from None
    return text


# name → (reader, default, what it is); `docs/settings.md` lists them, and a check compares
SETTINGS: dict[str, tuple[Any, Any, str]] = {
    "branch": (branch_name, "peer/coordination", "the log's branch on the remote"),
    "remote": (str, "", "the remote that holds the log"),
    "integration": (branches, (), "the branches on which work lands, the first of them the project's"),
    "gateBranches": (branches, (), "other branches that take no change of what somebody else has locked"),
    "ttl": (seconds, 0, "how long a lock lasts without a sign of life (default: 30m for agents, 8h for people)"),
    "heartbeat": (seconds, 0, "how often a session that holds something is heard of (default: each half TTL)"),
    "maxTtl": (seconds, 14 * 86400, "the longest TTL that can be asked for"),
    "pendingTtl": (lasting, 14 * 86400, "how long a pending lock waits for its work to land"),
    "clockSkew": (seconds, 60, "how far clocks may differ before a lapsed lock may be taken"),
    "retryTimeout": (seconds, 60, "how long a command tries before it ends with exit 3"),
    "maxStaleness": (seconds, 30, "age from which a commit starts a fetch of the log in the background"),
    "autoLock": (_auto_lock, "section", "what agents' hooks lock before an edit: section, file, or off for nothing"),
    "publishWork": (
        _flag,
        False,
        "whether what a work tree has and has not committed goes to the remote, for `conflicts`",
    ),
    "agentsMayForce": (_flag, False, "whether agents may break another's lock"),
    "debateTimeout": (seconds, 14400, "how long nobody may speak in a debate before a person has to decide it"),
    "secrets": (_names, (), "which detectors look for secrets in what is told (none: nobody looks)"),
    "secretsAllow": (_pattern, "", "a regular expression of what is no secret"),
    "plannerModel": (_named, "claude-sonnet-5-5", "the model that `plan new` and `plan replan` ask"),
    "plannerMaxTokens": (_counted, 32_000, "tokens that one of its answers may take"),
    "plannerTimeout": (lasting, 900, "how long it may take in all, retries too"),
    "plannerRetries": (_some, 2, "how often a request that failed on the way is made again"),
    "plannerForm": (_form, "auto", "the form in which `--planner llama` has a plan: small, full, or auto"),
    "plannerMaxTasks": (_counted, 100, "tasks that one plan may have, or change"),
    "runnerModel": (str, "", "the model that `run` asks, as its --model names it"),
    "runnerContext": (_counted, 32_000, "tokens that a prompt and its answer may have together"),
    "runnerAnswer": (_counted, 2_048, "tokens of them that are kept for the answer"),
    "runnerThreads": (_some, 0, "threads that a model in this process may use (0: its share of the cores)"),
    "runnerAttempts": (_counted, 3, "how often a task is tried"),
    "runnerTimeout": (lasting, 600, "how long one answer of a model may take"),
    "sandboxImage": (str, "", "the image that commands are run in (default: what `sandbox build` made)"),
    "sandboxMemory": (_counted, 512, "MiB of memory that a command may use"),
    "sandboxCpus": (_counted, 1, "processors that it may use"),
    "sandboxPids": (_counted, 128, "processes and threads that it may have"),
    "sandboxTimeout": (lasting, 30, "how long it may take"),
    "sign": (_off, False, "sign log commits (not in this release)"),
    "requireSigned": (_off, False, "refuse unsigned log commits (not in this release)"),
    "strict": (_flag, False, "whether the gate looks at every move of a branch, however it is made"),
}
# Where one of these is set, going on without what it promises would be worse than stopping.
PROMISES = ("sign", "requireSigned")
_FILE_KEYS = {
    "log": "id of the project's log",
    "remote": "",
    "branch": "",
    "integration": "",
    "gateBranches": "",
    "ttl": "",
    "maxTtl": "",
    "strict": "",
    "pendingTtl": "",
    "debateTimeout": "",
    "secrets": "",
    "secretsAllow": "",
    "planner": "table: model, maxTokens, timeout, retries, form, maxTasks",
    "runner": "table: model, context, answer, threads, attempts, timeout",
    "sandbox": "table: image, memory, cpus, pids, timeout",
    "gates": "tables: [gates.NAME], read by `git peer gate` from the commit",
}
_TABLES = ("planner", "runner", "sandbox")
FILE = ".git-peer.toml"


def _meant(key: str, known: Iterable[str]) -> str:
    from git_peer.core import near  # only where something is wrong

    found = near.near(key, known)
    return f" (did you mean {found[0]}?)" if found else ""


class Settings:
    """The values in force, read once: environment and command line of git, its config, the project's file."""

    def __init__(self, git: Repository, top: Path | None) -> None:
        self.top = top  # of the work tree, if there is one
        self.warnings: list[str] = []
        self._given: dict[str, str] = {}
        self.log_id = ""
        project = _project(top)
        for key, value in project.items():
            if key not in _FILE_KEYS and key not in PROMISES:
                self.warnings.append(f"{FILE} has an unknown setting: {key}{_meant(key, (*_FILE_KEYS, *PROMISES))}")
            elif key == "log":
                if not isinstance(value, str) or not is_log_id(value):
                    raise PeerError(
                        "invalid", f"{FILE}: log is no log id: {value!r}", "`git peer status --json` shows it"
                    )
                self.log_id = value
            elif key in PROMISES:
                self._given[key.lower()] = str(value)
            elif key == "gates":
                pass  # a commit's own, not this work tree's: ops/quality_gates.py reads them
            elif key in _TABLES:
                self._table(key, value)
            elif isinstance(value, dict) or (isinstance(value, list) and key != "secrets"):
                raise PeerError("invalid", f"{FILE}: {key} is one value: not {str(value)[:80]}", "mend the file")
            else:
                self._given[key.lower()] = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        known = {name.lower() for name in SETTINGS}
        for key, value in _config(git):
            if key not in known:
                self.warnings.append(f"unknown setting: peer.{key}{_meant(key, SETTINGS)}")
            self._given[key] = value

    def _table(self, of: str, table: Any) -> None:
        """A table: `model` in [planner] is peer.plannerModel, and so on."""
        if not isinstance(table, dict):
            raise PeerError("invalid", f"{FILE}: {of} is no table: {table!r}", f"[{of}], and settings below it")
        for key, value in table.items():
            name = f"{of}{key[:1].upper()}{key[1:]}"
            if name not in SETTINGS or key[:1].isupper():
                inner = [one.removeprefix(of) for one in SETTINGS if one.startswith(of)]
                meant = _meant(key, (one[:1].lower() + one[1:] for one in inner))
                self.warnings.append(f"{FILE} has an unknown setting: {of}.{key}{meant}")
            else:
                self._given[name.lower()] = str(value)

    def get(self, name: str) -> Any:
        """The value of peer.<name>; PeerError("invalid") names a wrong one."""
        reader, default, _ = SETTINGS[name]
        text = self._given.get(name.lower())
        if text is None:
            return default
        try:
            return reader(text)
        except ValueError as why:
            raise PeerError("invalid", f"peer.{name}: {why}", f"git config peer.{name} VALUE sets it") from None

    def check(self) -> None:
        """Raise PeerError for the first wrong value."""
        for name in SETTINGS:
            self.get(name)

    def check_promises(self) -> None:
        """Raise PeerError where a setting asks for a promise that this release does not keep: nobody may rely on it."""
        for name in PROMISES:
            try:
                self.get(name)
            except PeerError as why:
                hint = f"take peer.{name} out of git's settings, or {name} out of {FILE}, to go on without it"
                raise PeerError(why.code, why.message, hint, closed=True) from None


def _config(git: Repository) -> list[tuple[str, str]]:
    if "GIT_CONFIG_PARAMETERS" in os.environ or "GIT_CONFIG_COUNT" in os.environ:
        # `git -c peer.x=y`: only git itself reads it.
        import subprocess

        args = ["git", f"--git-dir={git.path}", "config", "--null", "--get-regexp", r"^peer\."]
        out = subprocess.run(args, capture_output=True, check=False).stdout.decode("utf-8", "replace")
        rows = [row.partition("\n") for row in out.split("\0") if row]
        return [(name[5:].lower(), value) for name, _, value in rows]
    return [(name[5:].lower(), value) for name, value in libgit2.config(git, "peer.") if name.count(".") == 1]


def _project(top: Path | None) -> dict[str, Any]:
    path = top / FILE if top is not None else None
    if path is None or not path.is_file():
        return {}
    import tomli

    try:
        return tomli.loads(path.read_text("utf-8"))
    except RecursionError:
        raise PeerError("invalid", f"{FILE}: it is nested too deep", "mend the file") from None
    except (ValueError, OSError) as why:  # also a number of too many digits
        raise PeerError("invalid", f"{FILE}: {why}", "mend the file") from None
