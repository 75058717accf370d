"""Which paths a model may write: none outside of the repository or of the task, none of git's own. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from git_peer.core import text
from git_peer.core.target import git_dir
from git_peer.core.target import glob as globs
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target

LONGEST, PART = 1_000, 200  # bytes of a path, and of one component

_DRIVE = re.compile(r"[A-Za-z]:|[A-Za-z][A-Za-z0-9+.-]+://")
# What runs, or is obeyed, without that anybody asked for it: CI, hooks, git's filters, editors, coding agents, ours.
_FOLDERS = frozenset(
    ".github .gitlab .gitea .forgejo .circleci .buildkite .woodpecker .teamcity .azure-pipelines .ci .husky .githooks "
    ".git-hooks .hooks .devcontainer .vscode .idea .claude .claude-plugin .codex .gemini .cursor .agents "
    ".direnv".split()
)
_FILES = re.compile(
    r"\.gitattributes|\.gitmodules|\.gitconfig|\.mailmap|\.pre-commit-(?:config|hooks)\.ya?ml|lefthook[\w-]*\.\w+"
    r"|\.lefthook[\w-]*\.\w+|\.gitlab-ci[\w.-]*\.ya?ml|\.travis\.ya?ml|\.drone\.ya?ml|\.cirrus\.(?:ya?ml|star)"
    r"|\.woodpecker\.ya?ml|\.appveyor\.ya?ml|appveyor\.ya?ml|azure-pipelines[\w.-]*\.ya?ml|bitbucket-pipelines\.ya?ml"
    r"|jenkinsfile[\w.-]*|cloudbuild\.ya?ml|buildspec\.ya?ml|\.envrc|\.mcp\.json|\.git-peer\.toml|\.cursorrules"
    r"|agents\.md|claude\.md|gemini\.md|\.netrc|\.pypirc|\.npmrc|sitecustomize\.py|usercustomize\.py|.*\.pth"
)


def problem(path: str) -> str:
    """Why no model may write there, whatever its task is, as a clause; "" where it may."""
    if not path:
        return "is empty"
    if not path.isascii() and any(0xD800 <= ord(char) <= 0xDFFF for char in path):
        return "is not UTF-8"
    if len(path.encode()) > LONGEST or any(len(part.encode()) > PART for part in path.split("/")):
        return f"is too long: at most {PART} bytes a part, {LONGEST:,} in all"
    if text.line(path) != path:
        return "has control characters, or ones that nobody sees"
    if path.startswith(("/", "~")) or _DRIVE.match(path):
        return "is absolute: name it from the top of the repository"
    if "\\" in path:
        return "has a backslash: write `/` between folders"
    parts = path.split("/")
    if any(git_dir.is_one(part) for part in parts):
        return "is inside git's own directory"
    if {"", ".", ".."} & set(parts):
        return "has an empty part, `.` or `..`"
    if ":" in path or any(part != part.strip() or part.endswith(".") for part in parts):
        return "has a part that not every system can have (`:`, a space at its ends, a dot at its end)"
    if any(set(part) & set('*?"<>|') for part in parts):
        return "has a character that file names should not have"
    return ""


def is_setting(path: str) -> bool:
    """Whether CI, git, an editor or an agent obeys what stands there; only a task that names it may write it."""
    parts = path.lower().split("/")
    return parts[0] == "hooks" or any(part in _FOLDERS for part in parts) or _FILES.fullmatch(parts[-1]) is not None


def is_test(path: str) -> bool:
    """Whether pytest takes it for a file of tests."""
    name = path.rpartition("/")[2]
    return re.fullmatch(r"test_\w+\.py|\w+_test\.py", name) is not None


def tests_of(path: str) -> list[str]:
    """Where the tests of a Python file may stand, the most usual first."""
    folder, _, name = path.rpartition("/")
    beside = f"{folder}/test_{name}" if folder else f"test_{name}"
    inside = "/".join([*folder.split("/")[1:], f"test_{name}"]) if folder else f"test_{name}"
    below = f"{folder}/tests/test_{name}" if folder else f"tests/test_{name}"
    return list(dict.fromkeys([f"tests/test_{name}", f"tests/{inside}", below, beside]))


def of_task(task: Sequence[Target], fold: bool = False) -> Callable[[str], str]:
    """What files() asks of each path: why this task may not write it, "" where it may.

    A task without paths may write anywhere but settings. Else its own paths, and new tests of its Python files
    (`test_*.py` beside them, or below a folder `tests`).
    """
    own = [one for one in task if one.kind != "name"]
    shown = ", ".join(targets.show(one) for one in own[:8]) + (", …" if len(own) > 8 else "")

    def reason(path: str) -> str:
        if why := problem(path):
            return why
        met = [one for one in own if globs.covers(one.kind, one.real, path, fold)]
        if is_setting(path) and not any(is_setting(_named(one)) for one in met):
            return "is a setting of CI, git, an editor or an agent, which this task does not name"
        if not own or met or _is_its_test(own, path):
            return ""
        return f"is not of this task, which may write {shown} and tests of it"

    return reason


def _named(target: Target) -> str:
    return globs.literal_dir(target.real) if target.kind == "glob" else target.real


def _is_its_test(own: Sequence[Target], path: str) -> bool:
    """A file of tests below `tests` or beside one of the task's files, that is called after one of them.

    A task of whole folders or globs does not say what its files are called.
    """
    if not is_test(path):
        return False
    folder, _, name = path.rpartition("/")
    for one in own:
        home, _, file = one.real.rpartition("/")
        if "tests" not in folder.split("/") and folder != home:
            continue
        stem = file.removesuffix(".py")
        if one.kind in {"dir", "glob"} or (file.endswith(".py") and re.fullmatch(_called(stem), name)):
            return True
    return False


def _called(stem: str) -> str:
    return rf"test_{re.escape(stem)}(?:_\w+)?\.py|{re.escape(stem)}(?:_\w+)?_test\.py"
