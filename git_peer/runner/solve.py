"""A model as a solver: can it be done as it is, else divide it; write code and tests, check them, mend what failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import pygit2

from git_peer.core.errors import PeerError
from git_peer.core.plan.task.record import Spec
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target
from git_peer.ops import trees
from git_peer.ports import Model, Said
from git_peer.runner import answers, briefs, prompts, results, syntax
from git_peer.runner import check as checking
from git_peer.runner.briefs import Listing
from git_peer.runner.prompts import Brief, Parts
from git_peer.runner.shown import Source
from git_peer.runner.work import Errand, Solution

WARMTH = 0.7  # temperature of the second candidate and those after it: alike ones would be no choice
TOLD = 6000  # characters of a failed check that the model is shown
SHORT = 256  # tokens of a yes or no, with a reason


class ModelSolver:
    """Solves with a model: prompt and answer have `context` tokens together, the answer `answer` of them.

    An answer may take `seconds`.
    """

    def __init__(self, model: Model, context: int, answer: int, seconds: int) -> None:
        self.name = model.name
        self._model = model
        whole = min(context, model.context)
        self._answer = min(answer, whole // 2)
        self._room = whole - self._answer
        self._seconds = seconds

    @property
    def tokens(self) -> int:
        """Tokens used so far."""
        return self._model.usage.input_tokens + self._model.usage.output_tokens

    def close(self) -> None:
        """Let the model go."""
        self._model.close()

    def parts(self, errand: Errand) -> tuple[Spec, ...]:
        """What the model divides a task into that it cannot do as it is."""
        brief, files = _brief(errand)
        if errand.divisible and not errand.feedback and not self._can(errand, brief):
            return self._divided(errand, brief, files)
        return ()

    def candidate(self, errand: Errand, seed: int) -> Solution:
        """Write, check and mend until it passes."""
        return _Candidacy(self, errand, *_brief(errand), seed).run()

    def ask(
        self, errand: Errand, parts: Parts, *, most: int = 0, schema: dict[str, Any] | None = None, seed: int = 0
    ) -> Said:
        """The model's answer to one step. TimeUp where there is no time or there are no tokens left."""
        seconds = min(self._seconds, errand.left())
        fitted = prompts.fit(parts, self._model.count, self._room)
        warmth = WARMTH if seed else 0.0
        said = self._model.say(fitted.messages, most or self._answer, seconds, _unheard, schema, seed, warmth)
        errand.journal.step(
            parts.step,
            fitted.messages,
            said.text,
            attempt=parts.attempt,
            cut=fitted.cut,
            end=said.end,
            tokens=[said.input_tokens, said.output_tokens],
        )
        return said

    def _can(self, errand: Errand, brief: Brief) -> bool:
        """Whether the model says that it can be done as it is; what is neither yes nor no is a yes."""
        verdict = answers.verdict(self.ask(errand, prompts.decide(brief), most=SHORT).text)
        divided = verdict.solvable is False
        errand.tell(f"it has to be divided: {verdict.why}" if divided else "it can be done as it is")
        return not divided

    def _divided(self, errand: Errand, brief: Brief, files: Listing) -> tuple[Spec, ...]:
        """Its parts, in order; none where the answer is of no use, and then it is tried as it is."""
        parts = prompts.divide(brief)
        try:
            said = self.ask(errand, parts, schema=answers.SUBTASKS)
        except PeerError as why:
            if why.code != "unsupported":
                raise
            said = self.ask(errand, parts)  # no grammar of it: the answer is looked over as any other
        allowed = briefs.allowed(errand.task, files, errand.peer.state.log.folds)
        division = answers.subtasks(said.text, allowed, errand.task.accept)
        if not division.subtasks:
            errand.tell(f"it could not be divided: {division.problems[0]}")
        return tuple(_spec(errand, one, number) for number, one in enumerate(division.subtasks))


class _Wrong(NamedTuple):
    """What was wrong with an attempt: why its answer could not be taken, or what its check said."""

    problems: tuple[str, ...] = ()
    feedback: str = ""


class _Candidacy:
    """One solution in the making: what is written so far, attempt after attempt."""

    def __init__(self, solver: ModelSolver, errand: Errand, brief: Brief, files: Listing, seed: int) -> None:
        self._solver = solver
        self._errand = errand
        self._brief = brief
        self._listing = files
        self._seed = seed
        self._files: dict[str, str] = {}
        self._allowed = briefs.allowed(errand.task, files, errand.peer.state.log.folds)

    def run(self) -> Solution:
        """A tree that passed, or what was wrong with the last attempt."""
        wrong = _Wrong()
        for attempt in range(1, self._errand.attempts + 1):
            found = self._attempt(attempt, wrong)
            if isinstance(found, Solution):
                return found
            wrong = _Wrong(found.problems, found.feedback or wrong.feedback)
            told = found.feedback or "; ".join(found.problems)
            self._errand.tell(f"attempt {attempt}: {told.strip().splitlines()[0][:200]}")
        return Solution(self._errand.attempts, stuck="\n".join([*wrong.problems, wrong.feedback]).strip())

    def _asked(self, attempt: int, last: _Wrong) -> Parts:
        made = tuple(Source(path, said) for path, said in self._files.items())
        feedback = last.feedback or self._brief.feedback
        brief = replace(self._brief, made=made, feedback=feedback, problems=last.problems)
        if attempt == 1:
            return prompts.write(brief)
        return prompts.mend(brief, attempt) if last.feedback else prompts.syntax(brief, attempt)

    def _attempt(self, attempt: int, last: _Wrong) -> Solution | _Wrong:
        errand, task, brief = self._errand, self._errand.task, self._brief
        answer = self._solver.ask(errand, self._asked(attempt, last), seed=self._seed)
        changes = answers.files(
            answer.text, self._text, self._allowed, only=brief.only, test=brief.test, cut=answer.end == "cut"
        )
        if not changes:
            return _Wrong(changes.problems)
        self._files |= changes.files
        wrong = syntax.check(self._files)
        if wrong:
            return _Wrong((*changes.problems, *wrong))
        tree = trees.edited(errand.peer.repo.git, errand.base, _bytes(self._files))
        command = task.accept or checking.command_for(self._files)
        if not command:
            return _Wrong((*changes.problems, "there are no tests: write a file of tests for pytest, too"))
        checked = errand.checker.run(tree, command, task.id)
        if checked.passed:
            return Solution(attempt, tree, checked, model=self._solver.name)
        return _Wrong(changes.problems, f"{command} failed:\n{results.feedback(checked.tests, checked.said, TOLD)}")

    def _text(self, path: str) -> str | None:
        """The text of a file as it is now; None where there is none."""
        return self._files[path] if path in self._files else self._listing.text(path)


def _brief(errand: Errand) -> tuple[Brief, Listing]:
    """What the model is told of the task, and the files that it may see."""
    git = errand.peer.repo.git
    files = Listing(git, errand.base)
    return briefs.of_task(errand.peer.state, errand.task, git, errand.base, errand.feedback), files


def _unheard(piece: str, tokens: int) -> None:
    """What a model says is looked at when it is whole."""


def _bytes(files: Mapping[str, str]) -> dict[str, bytes | None]:
    return {path: said.encode() for path, said in files.items()}


def _spec(errand: Errand, part: answers.Subtask, number: int) -> Spec:
    """A part as the plan has it: after the one before it, with what it inherits."""
    task = errand.task
    return Spec(
        title=part.title,
        description=part.description,
        parent=task.id,
        phase=task.phase,
        priority=task.priority,
        skills=task.skills,
        uses=task.uses,
        accept=part.accept,
        paths=tuple(_target(errand, path) for path in part.paths) or task.paths,
        depends_on=(f"~{number - 1}",) if number else (),
    )


def _target(errand: Errand, path: str) -> Target:
    """A path of a part: a folder where the task or the repository has one of that name, else a file."""
    known = any(one.kind == "dir" and one.real == path for one in errand.task.paths)
    root = errand.peer.repo.git[errand.base].peel(pygit2.Tree)
    there = path in root and isinstance(root[path], pygit2.Tree)
    return targets.of_path("dir" if known or there else "file", path)
