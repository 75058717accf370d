"""Evaluating quality gates on a commit: what each needs is fetched, and the core judges."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pygit2

from git_peer import layout
from git_peer.adapters import languages
from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.plan import contracts
from git_peer.core.plan.task.board import Board
from git_peer.core.quality_gate import api, coverage, dependencies, regression, secrets, size, stubs
from git_peer.core.quality_gate.change import Change
from git_peer.core.quality_gate.definition import KINDS, Definition
from git_peer.core.quality_gate.verdict import Verdict, unknown
from git_peer.formats import manifests, reports
from git_peer.ops import admission, changed_files
from git_peer.ops.peer import shown_path
from git_peer.ops.quality_gates import Span
from git_peer.ports import Ran
from git_peer.store.git.repo import Repo
from git_peer.store.settings import Settings

if TYPE_CHECKING:
    from git_peer.ops.peer import Peer

Run = Callable[[str, str, int, str], Ran]
"""Runs (commit, command, seconds, label) on the files of a commit."""
Outcomes = Callable[[bytes], "dict[str, str] | None"]
"""Test → passed, failed or skipped, of a JUnit report; None where it cannot be read."""

KEPT = 3000  # characters of an output that are shown: its end
FINDINGS = 200  # that are told of one gate
_ENDED = {"time": "at its time limit", "memory": "for the memory that it used", "output": "for what it wrote"}
_ABSENT = re.compile(
    r"No module named '?(?:pytest|coverage|__main__)\b|error: no such command: `llvm-cov`"
    r"|could not determine executable to run"
    r"|npm error? (?:code )?ENOENT|sh: \d*:? ?\S+: (?:not found|command not found)"
)
_CUT = re.compile(r"^\[… \d+ bytes left out …\]$", re.MULTILINE)


@dataclass(frozen=True)
class Result:
    """What a gate said, and how long that took."""

    name: str
    required: bool
    verdict: Verdict
    seconds: float
    cached: bool = False  # all that it ran had been run before

    def view(self, settings: Settings) -> dict[str, Any]:
        """For JSON, without secrets; output cut to its end."""
        found: list[dict[str, Any]] = []
        for one in self.verdict.findings[:FINDINGS]:
            row: dict[str, Any] = {"message": admission.redacted(text.line(one.message, 300), settings, os.environ)}
            if one.path:
                shown, encoding = shown_path(one.path)
                row |= {"path": shown, **({"path_encoding": encoding} if encoding else {})}
            found.append(row | ({"line": one.line} if one.line else {}))
        output = admission.redacted(text.clean(self.verdict.output), settings, os.environ)[-KEPT:].strip()
        return {
            "name": self.name,
            "verdict": self.verdict.word,
            "required": self.required,
            "why": self.verdict.why,
            "findings": found,
            "more": max(0, len(self.verdict.findings) - FINDINGS),
            "output": output,
            "seconds": round(self.seconds, 3),
            "cached": self.cached,
        }


def evaluate(
    repo: Repo,
    settings: Settings,
    peer: Peer | None,
    at: Span,
    definitions: Mapping[str, Definition],
    run: Run,
    read: Outcomes | None,
    taken: Callable[[], int] = lambda: 0,
) -> list[Result]:
    """What each gate says of a span; a built-in one that nobody named and this project has no use for is left out.

    `taken` counts the runs that were answered from memory.
    """
    at_hand = _Evaluation(repo.git, settings, peer, at, run, read)
    found = []
    for name, one in definitions.items():
        if not one.declared and at_hand.has_no_use_for(name):
            continue
        began, runs, known = time.monotonic(), at_hand.runs, taken()
        verdict = at_hand.judge(one, definitions)
        ran = at_hand.runs - runs
        cached = ran > 0 and taken() - known == ran
        found.append(Result(name, bool(one.get("required")), verdict, time.monotonic() - began, cached))
    return found


class _Evaluation:
    """One span, and all that is found out of it once."""

    def __init__(
        self, git: pygit2.Repository, settings: Settings, peer: Peer | None, at: Span, run: Run, read: Outcomes | None
    ) -> None:
        self.git = git
        self.settings = settings
        self.peer = peer
        self.at = at
        self.runs = 0
        self._run = run
        self._read = read

    def judge(self, one: Definition, every: Mapping[str, Definition]) -> Verdict:
        """The verdict of one gate."""
        if one.name not in KINDS:
            return self._command(one)
        if one.name in ("tests", "regression", "coverage"):
            tests = every.get("tests", Definition("tests", {}))
            return {"tests": self._tests, "regression": self._regression, "coverage": self._coverage}[one.name](
                one, tests
            )
        if one.name == "size":
            return size.judge(self.changes, one.get("lines"), one.get("files"))
        if one.name == "stubs":
            return stubs.judge(self.changes, self._tasks)
        if one.name == "secrets":
            get, given = self.settings.get, admission.given(os.environ)
            commits = changed_files.of_each(self.git, self.at.base, self.at.tip)
            return secrets.judge(commits, get("secrets"), get("secretsAllow"), given)
        if one.name == "api":
            return self._api()
        return self._dependencies(one)

    def has_no_use_for(self, name: str) -> bool:
        """Whether nothing in the project asks for a gate that runs something."""
        if name in ("tests", "regression"):
            return not self._test_command
        return name == "coverage" and not self._coverage_command

    # -- what is changed ------------------------------------------------------------------------------
    @cached_property
    def changes(self) -> list[Change]:
        """The files that the span changes."""
        return changed_files.between(self.git, self.at.base, self.at.tip)

    @cached_property
    def _tasks(self) -> frozenset[str] | None:
        return frozenset(Board(self.peer.state).tasks) if self.peer is not None else None

    @cached_property
    def _agreed(self) -> list[str]:
        """The contracts that were made or changed after the base was committed."""
        if self.peer is None:
            return []
        since = self.git[self.at.base].peel(pygit2.Commit).commit_time if self.at.base else 0
        return [f"{one.name}\n{one.definition}" for one in contracts.all_of(self.peer.state) if one.at >= since]

    def _api(self) -> Verdict:
        surfaces, unread = [], 0
        for one in self.changes:
            before = languages.of(one.old_path)
            moved = one.old_path != one.path
            if one.old is None or one.state or before not in languages.SYMBOLS or languages.is_test(one.old_path):
                continue
            old = self._symbols(one.old_path, before, one.old)
            new = self._symbols(one.path, one.language, one.new) if one.new is not None and not moved else []
            if old is None or new is None:
                unread += 1
                continue
            surfaces.append(api.Surface(one.old_path, before, old, new, "" if moved else one.new or ""))
        verdict = api.judge(surfaces, self._agreed)
        if unread and verdict.word == "pass":
            return unknown(f"the symbols of {unread} changed files could not be read")
        return verdict

    def _symbols(self, path: str, language: str, source: str) -> list[api.Public] | None:
        from git_peer.adapters import outlines
        from git_peer.adapters.grammars import Grammars

        grammars, raw = Grammars(), source.encode()
        if grammars.has(language):
            header = re.search(r"\.(?:h|hh|hpp|hxx|h\+\+)$", path.lower()) is not None
            found = grammars.symbols(language, raw, header)
        else:
            found = outlines.python(raw) if language == "Python" else None
        return (
            None
            if found is None
            else [api.Public(*row) for row in ((o.name, o.kind, o.signature, o.line) for o in found)]
        )

    def _dependencies(self, one: Definition) -> Verdict:
        rows, unread = [], []
        for change in self.changes:
            if change.new is None or change.state == "vendored" or not manifests.declares(change.path):
                continue
            new = manifests.read(change.path, change.new)
            old = manifests.read(change.old_path, change.old) if change.old is not None else {}
            if new is None:
                unread.append(change.path)
                continue
            lines = {name: manifests.line_of(change.new, name) for name in new if name not in (old or {})}
            rows.append(dependencies.Manifest(change.path, old or {}, new, lines))
        verdict = dependencies.judge(rows, one.get("allow"), self._agreed)
        if unread and verdict.word == "pass":
            return unknown(f"{text.quoted(unread[0])} cannot be read")
        return verdict

    # -- what is run ----------------------------------------------------------------------------------
    def _ran(self, commit: str, command: str, one: Definition, name: str = "") -> Ran | Verdict:
        """How a command ended on a commit; unknown where it could not be run."""
        self.runs += 1
        try:
            ran = self._run(commit, command, one.seconds or self.settings.get("sandboxTimeout"), name or one.name)
        except PeerError as why:
            return unknown(why.message)
        if ran.ended:
            return unknown(f"its command was ended {_ENDED[ran.ended]}", ran.output)
        if ran.status in (126, 127) or (ran.status and _ABSENT.search(ran.output)):
            return unknown("its command is not there", ran.output)
        return ran

    def _command(self, one: Definition) -> Verdict:
        ran = self._ran(self.at.tip, one.get("command"), one)
        if isinstance(ran, Verdict):
            return ran
        if ran.status == 0:
            return Verdict("pass", "exit status 0", (), ran.output)
        return Verdict("fail", f"exit status {ran.status}", (), ran.output)

    def _tests(self, one: Definition, _: Definition) -> Verdict:
        command = one.get("command") or self._test_command
        if not command:
            return unknown("no tests were found: `command` in [gates.tests] says how they are run")
        ran = self._ran(self.at.tip, command, one)
        if isinstance(ran, Verdict):
            return ran
        ends = self._outcomes(ran)
        count = {word: sum(end == word for end in (ends or {}).values()) for word in ("passed", "failed")}
        if "pytest" in command and ran.status in (3, 4, 5):
            return unknown("pytest found no tests" if ran.status == 5 else "pytest could not be run", ran.output)
        if ran.status == 0 and ends is not None and ends and not count["passed"]:
            return unknown("no test was run", ran.output)
        told = f"{count['passed']} passed, {count['failed']} failed" if ends else f"exit status {ran.status}"
        return Verdict("fail" if ran.status or count["failed"] else "pass", told, (), ran.output)

    def _regression(self, _: Definition, tests: Definition) -> Verdict:
        command = tests.get("command") or self._test_command
        if not command:
            return unknown("no tests were found: `command` in [gates.tests] says how they are run")
        if not self.at.baseline:
            return unknown("there is no baseline")
        ends = []
        for commit, what in ((self.at.baseline, "the baseline"), (self.at.tip, "the commit")):
            ran = self._ran(commit, command, tests)
            if isinstance(ran, Verdict):
                return ran._replace(why=f"{what}: {ran.why}")
            found = self._outcomes(ran)
            if not found:
                return unknown(f"{what}: nothing tells the tests by name, or all of them", ran.output)
            ends.append(found)
        return regression.judge(*ends)

    def _outcomes(self, ran: Ran) -> dict[str, str] | None:
        """Tests by name; None where they are not told, or not all."""
        told = self._read(ran.report) if ran.report and self._read is not None else {}
        said = reports.outcomes(ran.output)
        if told is None or (said and _CUT.search(ran.output)):
            return None
        return {**said, **told}

    def _coverage(self, one: Definition, _: Definition) -> Verdict:
        command = one.get("command") or self._coverage_command
        if not command:
            return unknown("nothing was found that measures: `command` in [gates.coverage] says what does")
        found: list[coverage.Lines | None] = []
        for commit in (self.at.tip, self.at.baseline):
            if not commit:
                found.append(None)
                continue
            ran = self._ran(commit, command, one)
            lines = None if isinstance(ran, Verdict) else reports.coverage(ran.report, self._paths(commit))
            if lines is None and commit == self.at.tip:
                if isinstance(ran, Verdict):
                    return ran
                return unknown("its command wrote neither LCOV nor Go's profile to $GIT_PEER_REPORT", ran.output)
            found.append(lines)
        changes = [change for change in self.changes if not change.test and not change.state]
        after, before = (
            {p: f for p, f in one.items() if not languages.is_test(p)} if one is not None else None for one in found
        )
        assert after is not None
        return coverage.judge(changes, after, before, one.get("changed"), one.get("drop"))

    # -- what the project looks like ------------------------------------------------------------------
    def _paths(self, commit: str) -> Iterator[str]:
        todo = [("", self.git[commit].peel(pygit2.Tree))]
        while todo:
            above, tree = todo.pop()
            for entry in tree:
                path = above + layout.from_bytes(entry.raw_name or b"")
                if isinstance(entry, pygit2.Tree):
                    todo.append((f"{path}/", entry))
                elif isinstance(entry, pygit2.Blob):
                    yield path

    def _file(self, name: str) -> str:
        """A file at the top of the commit; "" where there is none."""
        try:
            blob = self.git[self.at.tip].peel(pygit2.Tree)[name]
        except KeyError:
            return ""
        return blob.data.decode("utf-8", "replace") if isinstance(blob, pygit2.Blob) else ""

    @cached_property
    def _suites(self) -> list[str]:
        """The languages that the project has tests in, by its files."""
        paths = list(self._paths(self.at.tip))
        found = []
        if any(languages.of(path) == "Python" and languages.is_test(path) for path in paths):
            found.append("Python")
        script = re.search(r'"test"\s*:\s*"((?:[^"\\]|\\.)*)"', self._file("package.json"))
        if script and "no test specified" not in script[1]:
            found.append("JavaScript")
        return found + [name for name, file in (("Rust", "Cargo.toml"), ("Go", "go.mod")) if self._file(file)]

    @cached_property
    def _test_command(self) -> str:
        return " && ".join(_TESTS[one] for one in self._suites)

    @cached_property
    def _coverage_command(self) -> str:
        """Of one language: reports of several cannot be put together."""
        return _COVERAGE[self._suites[0]] if len(self._suites) == 1 else ""


_TESTS = {
    "Python": "python3 -m pytest -q",
    "JavaScript": "npm test --silent",
    "Rust": 'CARGO_TARGET_DIR="$TMPDIR/target" cargo test --no-fail-fast',
    "Go": "go test -json ./...",
}
_COVERAGE = {
    "Python": (
        'export COVERAGE_FILE="$TMPDIR/coverage"; python3 -m coverage run -m pytest -q; s=$?; '
        'python3 -m coverage lcov -q -o "$GIT_PEER_REPORT" || exit 127; exit $s'
    ),
    "JavaScript": (
        'npx --no-install c8 -r lcovonly --reports-dir="$TMPDIR/c8" --temp-directory="$TMPDIR/v8" '
        "npm test --silent; s=$?; "
        'cp "$TMPDIR/c8/lcov.info" "$GIT_PEER_REPORT" || exit 127; exit $s'
    ),
    "Rust": 'CARGO_TARGET_DIR="$TMPDIR/target" cargo llvm-cov --lcov --output-path "$GIT_PEER_REPORT"',
    "Go": 'go test -coverprofile="$GIT_PEER_REPORT" ./...',
}


# -- for faces ------------------------------------------------------------------------------------
@contextmanager
def running(
    repo: Repo, settings: Settings, box: str, fresh: bool, warn: Callable[[str], None]
) -> Iterator[tuple[Run, Callable[[], int]]]:
    """(a Run in the sandbox of that kind, how many runs were answered from memory); `fresh`: none from before."""
    from git_peer.ops import sandboxes, trials
    from git_peer.store.clone import ran

    where = f"docker {sandboxes.image(settings)}" if box == "docker" else box
    memory = ran.Kept(repo.common, where, fresh)
    sandbox = sandboxes.Later(box, settings, warn)
    tried = trials.Trials(repo.git, sandbox, settings.get("sandboxTimeout"), memory)
    try:
        yield lambda commit, command, seconds, label: tried.run(commit, command, label, seconds), lambda: memory.taken
    finally:
        tried.close()
        sandbox.close()


def remembered(repo: Repo, settings: Settings) -> Run:
    """A Run that answers from memory alone, whichever sandbox it was; PeerError `unknown` for what has not been run."""
    from git_peer.ops import sandboxes
    from git_peer.store.clone import ran

    kept = [ran.Kept(repo.common, where) for where in (f"docker {sandboxes.image(settings)}", "none")]

    def run(commit: str, command: str, seconds: int, label: str) -> Ran:
        tree = str(repo.git[commit].peel(pygit2.Tree).id)
        found = next((one for memory in kept if (one := memory.get((tree, command))) is not None), None)
        if found is None:
            raise PeerError("unknown", f"its command was never run on {commit[:12]} in this clone", "`git peer gate`")
        return found

    return run


def junit(commit: str, views: Sequence[Mapping[str, Any]]) -> str:
    """JUnit XML of what Result.view() gives: a test case for each gate."""
    cases = []
    for one in views:
        rows = [f"{row.get('path', '')}:{row.get('line', '')} {row['message']}".strip(": ") for row in one["findings"]]
        said = "\n".join([*rows, one["output"]] if one["output"] else rows)
        cases.append(reports.Case(one["name"], one["verdict"], one["why"], said, one["seconds"]))
    return reports.junit(f"git peer gate {commit[:12]}", cases)
