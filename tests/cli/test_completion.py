"""Tab completion in a real bash, as git's completion and as the shell itself call it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.world import require


@pytest.mark.parametrize(
    ("words", "at", "found"),
    [
        (["git", "peer", "lo"], 1, {"lock", "locks", "log"}),
        (["git", "-C", "x", "peer", "session", "st"], 3, {"start"}),
        (["git", "peer", "lock", "--sh"], 1, {"--shared"}),
        (["git", "peer", "nothing-like-it"], 1, set()),
        (["git", "peer", "lock", "a.py::A"], 1, {"A", "A.f"}),
        (["git", "peer", "lock", "a.py::g"], 1, {"g#1", "g#2"}),
        (["git", "peer", "lock", "none.py::"], 1, set()),
    ],
)
def test_bash(tmp_path: Path, words: list[str], at: int, found: set[str]) -> None:
    require("bash")
    (tmp_path / "a.py").write_text("class A:\n    def f(self): pass\ndef g(): pass\ndef g(): pass\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    program = tmp_path / "git-peer"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m git_peer "$@"\n')
    program.chmod(0o755)
    spelled = " ".join(f"'{word}'" for word in words)
    script = f"""
        PATH={tmp_path}:$PATH
        source <(git-peer completion bash)
        words=({spelled}) cword={len(words) - 1} __git_cmd_idx={at}
        _git_peer
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert set(ran.stdout.split()) == found, ran.stderr
