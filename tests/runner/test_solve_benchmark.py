"""The benchmark of a model's wits: its tasks are sound, and a right answer counts while a wrong one does not."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pygit2
import pytest

from benchmarks import solve
from benchmarks.solving import PUZZLES
from git_peer.adapters.unboxed import Unboxed
from git_peer.core.errors import PeerError
from git_peer.ports import Message, Progress, Said, Usage
from git_peer.runner import paths, results
from git_peer.store.settings import Settings

BY_NAME = {one.name: one for one in PUZZLES}


class Scripted:
    """A model that says what is written down for a task and a seed, and else fails as one does that is too slow."""

    name = "scripted"
    context = 32_000

    def __init__(self, said: Mapping[tuple[str, int], str]) -> None:
        self.said = said
        self.usage = Usage()
        self.asked: list[tuple[str, float]] = []

    def count(self, messages: Sequence[Message]) -> int:
        return sum(len(one.content) for one in messages) // 3

    def say(
        self,
        messages: Sequence[Message],
        most: int,
        seconds: float,
        progress: Progress,
        schema: dict[str, Any] | None = None,
        seed: int = 0,
        temperature: float = 0.0,
    ) -> Said:
        del most, seconds, progress, schema  # the port has them; what is written down needs none
        last = messages[-1].content.rpartition("\n")[2]
        found = re.fullmatch(r"Step: write\. Task: (\w+)\. Attempt: 1\.", last)
        assert found is not None
        self.asked.append((found[1], temperature))
        if (found[1], seed) not in self.said:
            raise PeerError("failed", "no answer in time")
        return Said(self.said[found[1], seed], "done", 1, 1)

    def close(self) -> None: ...


def run_all(folder: Path, answered: bool) -> dict[str, tuple[int, int]]:
    """Task → (tests that passed, tests that did not) of all tasks in one run, with their solutions or without."""
    folder.mkdir()
    for one in PUZZLES:
        for path, text in {**one.given, **({one.path: one.answer} if answered else {})}.items():
            (folder / path).write_text(text)
        (folder / f"test_{one.path}").write_text(one.tests)
    report = folder / "report.xml"
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", "--rootdir=."]
    argv.append("--continue-on-collection-errors")
    subprocess.run(argv, cwd=folder, capture_output=True, timeout=200)
    tests = results.parse(report.read_bytes())
    assert not tests.unreadable
    bad = [name.removeprefix("test_").partition("::")[0] for name, _ in tests.failures]
    return {one.name: (tests.passed, bad.count(one.name) + bad.count(f"test_{one.name}")) for one in PUZZLES}


def test_tasks_are_solved_by_their_solutions_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FAILURES", 1_000)
    assert len(PUZZLES) == len(BY_NAME) == 30
    assert all(not paths.problem(one.path) and one.path.isascii() for one in PUZZLES)
    solved = run_all(tmp_path / "solved", True)
    assert [name for name, (passed, failed) in solved.items() if failed or not passed] == []
    bare = run_all(tmp_path / "bare", False)
    assert [name for name, (_, failed) in bare.items() if not failed] == []


def test_what_is_counted(tmp_path: Path) -> None:
    """A right answer, one that is right at the second try, one that fails its tests, one that cannot be read."""
    right = {
        name: f"FILE: {name}.py\n```python\n{BY_NAME[name].answer}```\n"
        for name in ("zigzag_sum", "ladder_text", "middle")
    }
    said = {
        ("zigzag_sum", 0): right["zigzag_sum"],
        ("zigzag_sum", 1): right["zigzag_sum"],
        ("ladder_text", 0): "FILE: ladder_text.py\n```python\ndef ladder(word):\n    return []\n```\n",
        ("ladder_text", 1): right["ladder_text"],
        ("middle", 0): "FILE: ../middle.py\n```python\nx = 1\n```\n",
        ("middle", 1): "FILE: middle.py\n```python\ndef middle(:\n```\n",
    }
    model = Scripted(said)
    settings = Settings(pygit2.init_repository(tmp_path / "r", bare=True), None)
    box = Unboxed(settings.get("sandboxMemory"))
    try:
        chosen = [BY_NAME[name] for name in ("zigzag_sum", "ladder_text", "middle")]
        scores = list(solve.run(model, box, settings, chosen, 3))
    finally:
        box.close()
    assert [one.passed for one in scores] == [[True, True, False], [False, True, False], [False, False, False]]
    assert "tests" in scores[1].why[0]
    assert "path" in scores[2].why[0]
    assert "middle.py:1" in scores[2].why[1]
    assert scores[0].why[2] == "no answer in time"
    assert {warm for name, warm in model.asked} == {0.0, solve.WARMTH}
    row = solve.table("scripted", scores).split("\n")[-1]
    assert row.startswith("| scripted | 3 | 33% (1) | 67% (2) |")


def test_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert solve.main(["--model", "/no/such/file.gguf", "--sandbox", "none"]) == 1
    assert "no model" in capsys.readouterr().err
