"""A coding agent's command line as a solver: in a work tree of its own, with briefing and task as its prompt."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.plan.task.record import Spec
from git_peer.core.target import target as targets
from git_peer.ops import shell, trees
from git_peer.ops import work_tree as work_trees
from git_peer.ops.brief import brief
from git_peer.runner import check as checking
from git_peer.runner import paths, results
from git_peer.runner.work import Errand, Solution

PLACE = "{prompt_file}"
KEPT = 200_000  # bytes of an agent's output that are looked at: its end
TOLD = 6000  # characters of a failed check that the agent is shown
# What an agent says where its key or its quota is at an end; it will solve no other task either.
_NO_KEY = re.compile(
    r"invalid api key|authentication_?( |error|failed)|unauthori[sz]ed|\b401\b|not logged in|run /login|please log ?in"
    r"|quota|usage limit|credit balance|billing|insufficient[_ ]funds",
    re.IGNORECASE,
)
# What it says where its service has no time for it at the moment.
_BUSY = re.compile(
    r"overloaded|rate.?limit|too many requests|temporarily unavailable|service unavailable|internal server error"
    r"|bad gateway|connection (?:error|reset|refused|closed)|\b(?:429|500|502|503|529)\b",
    re.IGNORECASE,
)
FIRST, PAUSE, PATIENCE = 2.0, 120.0, 1800.0  # seconds: the first pause, the longest one, and all of them for a task


class CommandSolver:
    """Runs a command by the shell in the work tree `top`, once an attempt; {prompt_file} in it is a file's name."""

    def __init__(self, command: str, top: Path, seconds: int) -> None:
        words = _words(command)
        self.name = Path(words[0]).name
        self._command = command
        self._top = top
        self._seconds = seconds
        self._tokens = 0

    @property
    def tokens(self) -> int:
        """Tokens, where the agent tells them in JSON at its end."""
        return self._tokens

    def close(self) -> None:
        """Nothing is held."""

    def parts(self, errand: Errand) -> tuple[Spec, ...]:  # noqa: ARG002 - the port's
        """Nothing: an agent divides its work itself."""
        return ()

    def candidate(self, errand: Errand, seed: int) -> Solution:  # noqa: ARG002 - the port's
        """Have the agent work until its changes pass; a seed it has none."""
        work_trees.stand_on(self._top, errand.base)
        said = errand.feedback
        for attempt in range(1, errand.attempts + 1):
            status, output = self._answered(errand, said, attempt)
            self._tokens += used(output)
            tree = work_trees.tree_of(self._top)
            changed = trees.changed(errand.peer.repo.git, errand.base, tree)
            if status != 0 and not changed and _NO_KEY.search(output[-4000:]):
                raise PeerError(
                    "not_allowed", f"{self.name} may not work: {_last(output)}", "look after its key or quota"
                )
            if not changed:
                said = f"Nothing was changed. The command ended with status {status}."
                errand.tell(f"attempt {attempt}: nothing was changed (status {status})")
                continue
            wrong = outside(errand, changed)
            command = errand.task.accept or checking.command_for(changed)
            if wrong:
                said = f"These files are not this task's to change; put them back as they were: {'; '.join(wrong)}"
            elif not command:
                said = (
                    "The task has no acceptance command: write tests for pytest (test_*.py) that show that it is done."
                )
            else:
                checked = errand.checker.run(tree, command, errand.task.id)
                if checked.passed:
                    return Solution(attempt, tree, checked, model=self.name)
                said = f"`{command}` failed:\n{results.feedback(checked.tests, checked.said, TOLD)}"
            errand.tell(f"attempt {attempt}: {said.splitlines()[0][:200]}")
        return Solution(errand.attempts, stuck=said)

    def _answered(self, errand: Errand, said: str, attempt: int) -> tuple[int | None, str]:
        """As _ask(); while its service is busy it is asked again, later and later. PeerError("unavailable")."""
        pause, waited = FIRST, 0.0
        while True:
            status, output = self._ask(errand, said, attempt)
            end = output[-4000:]
            if status in (0, None) or _NO_KEY.search(end) or not _BUSY.search(end):
                return status, output
            if trees.changed(errand.peer.repo.git, errand.base, work_trees.tree_of(self._top)):
                return status, output  # it got somewhere: look at that
            line = _last(output)
            if waited >= PATIENCE:
                told = f"{self.name} was put off for {waited:.0f} s: {line}"
                raise PeerError("unavailable", told, "try again later")
            nap = min(pause * random.uniform(0.5, 1.0), errand.left())  # noqa: S311 - so that not all come back at once
            errand.tell(f"{self.name} is put off ({line}); again in {nap:.0f} s")
            time.sleep(nap)
            errand.left()
            waited += nap
            pause = min(2 * pause, PAUSE)

    def _ask(self, errand: Errand, said: str, attempt: int) -> tuple[int | None, str]:
        """(exit status, None at the time limit; the end of what it said)."""
        prompt = prompt_of(errand, said)
        seconds = min(self._seconds, errand.left())
        with tempfile.TemporaryDirectory(prefix="git-peer-") as scratch:
            file = Path(scratch) / "prompt.md"
            file.write_text(prompt, "utf-8", "replace")
            command = self._command.replace(PLACE, shlex.quote(str(file)))
            env = {**os.environ, "GIT_PEER_SESSION": errand.peer.name, "GIT_PEER_TASK": errand.task.id}
            status, output = shell.run(command, self._top, seconds, KEPT, env)
        errand.journal.step(f"command-{attempt}", [], output, prompt=prompt, status=status)
        return status, output


def _last(output: str) -> str:
    """The last line that says something."""
    return next(filter(None, map(str.strip, reversed(output.splitlines()))), "no word of why")[:200]


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as why:
        raise PeerError("usage", f"--exec: {why}", "as a shell takes it: 'claude -p {prompt_file}'") from None
    if not words:
        raise PeerError("usage", "--exec is empty", "--exec 'claude -p {prompt_file}'")
    return words


def used(output: str) -> int:
    """The tokens of the last line that is JSON with a `usage`, as agents print it; else 0."""
    for line in reversed(output.splitlines()[-50:]):
        with suppress(ValueError, TypeError, AttributeError):
            found: Any = json.loads(line)["usage"]
            return sum(int(found.get(key, 0)) for key in ("input_tokens", "output_tokens"))
    return 0


def outside(errand: Errand, changed: list[str]) -> list[str]:
    """The paths among those changed that no runner may write for this task, each with why; as a model is held to."""
    reason = paths.of_task(errand.task.paths, errand.peer.state.log.folds)
    return [f"{text.word(path, 200)} {why}" for path in changed if (why := reason(path))]


def prompt_of(errand: Errand, said: str) -> str:
    """What the agent is told: the briefing, the task, how it is accepted, and what went wrong before."""
    task = errand.task
    lines = [brief(errand.peer), "", f"# Your task: {task.title} ({task.id})", "", task.description]
    lines += [f"- {item.text}" for item in task.checklist]
    if task.paths:
        lines += ["", "Change these paths only (and tests): " + ", ".join(targets.show(one) for one in task.paths)]
    accept = f"`{task.accept}` must succeed" if task.accept else "tests for pytest that you write must pass"
    lines += ["", f"It is accepted by this: {accept}. It is run in a sandbox without a network, on the files here."]
    lines += ["Work in the current directory. Leave your changes in the files: they are committed and pushed for you."]
    if said:
        lines += ["", "# The last attempt was not accepted", "", said]
    return "\n".join(lines) + "\n"
