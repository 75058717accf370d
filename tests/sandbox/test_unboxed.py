"""`--sandbox none`: a copy of the code, an end, and bounds; nothing else is promised."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from git_peer.adapters import capture
from git_peer.adapters.unboxed import Unboxed
from git_peer.ops import sandboxes
from git_peer.ports import Job
from git_peer.store.git.repo import Repo
from git_peer.store.settings import Settings
from tests.world import Clone


@pytest.fixture
def box() -> Unboxed:
    """None at all."""
    return Unboxed(512)


def test_it_is_warned_of(local: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(local.path)
    told: list[str] = []
    repo = Repo()
    box = sandboxes.open_sandbox("none", Settings(repo.git, repo.top), told.append)
    assert (box.kind, len(told), "no sandbox" in told[0]) == ("none", 1, True)
    box.close()


@pytest.mark.parametrize(
    ("command", "status", "output"),
    [
        ("exit 7", 7, ""),
        ("kill -9 $$", 137, ""),
        ("cat there; echo err >&2", 0, "there\nerr\n"),
        ("cat", 0, ""),
        ("exec >&- 2>&-; exit 4", 4, ""),
    ],
)
def test_how_it_ends(box: Unboxed, code: Path, command: str, status: int, output: str) -> None:
    (code / "there").write_text("there\n")
    ran = box.run(Job(code, command, 20))
    assert (ran.status, ran.ended, ran.output) == (status, "", output)


def test_a_copy(box: Unboxed, code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does to its folder is done to a copy, which is gone; keys of the environment are not there."""
    monkeypatch.setenv("SOME_API_KEY", "secret")
    (code / "there").write_text("there\n")
    ran = box.run(Job(code, "echo changed >there; echo x >new; cat there; env; pwd; echo $HOME", 20))
    assert ran.status == 0
    assert "changed" in ran.output
    assert "secret" not in ran.output
    assert [path.read_text() for path in code.iterdir()] == ["there\n"]
    assert not any(Path(path).exists() for path in re.findall(r"^/\S+$", ran.output, re.MULTILINE))


@pytest.mark.parametrize("command", ["sleep 100", "trap '' TERM; exec >&- 2>&-; while :; do sleep 1; done"])
def test_time(box: Unboxed, code: Path, command: str) -> None:
    ran = box.run(Job(code, command, 1))
    assert (ran.status, ran.ended, ran.report) == (None, "time", b"")


@pytest.mark.parametrize("away", ["sleep 100 &", "setsid sleep 100 &", "(setsid sh -c 'sleep 100 & sleep 100' &);"])
def test_nothing_goes_on(box: Unboxed, code: Path, away: str) -> None:
    """Also what has left its process group."""
    ran = box.run(Job(code, f"{away} sleep 0.2; echo done; env | grep ^GIT_PEER_JOB", 20))
    (mark,) = re.findall(r"^GIT_PEER_JOB=.+$", ran.output, re.MULTILINE)
    assert "done" in ran.output
    left = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            left += [path] if mark.encode() in path.read_bytes() else []
        except OSError:
            continue
    assert left == []


def test_output_flood(box: Unboxed, code: Path) -> None:
    ran = box.run(Job(code, "yes 0123456789", 30))
    assert (ran.ended, ran.status) == ("output", None)
    assert len(ran.output) < capture.HEAD + capture.TAIL + 100
    assert box.run(Job(code, "yes | head -c 1000000", 30)).status == 0  # the control


def test_memory(box: Unboxed, code: Path) -> None:
    """Addresses are bounded; the control stays below."""
    hungry = "exec python3 -c 'x = bytearray(%d << 20)'"
    assert box.run(Job(code, hungry % 4096, 30)).status == 1
    assert box.run(Job(code, hungry % 64, 30)).status == 0


@pytest.mark.parametrize(
    ("command", "report"),
    [
        ("echo '<a/>' >$R", b"<a/>\n"),
        ("ln -s /etc/passwd $R", b""),
        ("mkfifo $R", b""),
        ("mkdir $R", b""),
        (f"head -c {capture.REPORT + 1} /dev/zero >$R", b""),
        ("true", b""),
    ],
)
def test_report(box: Unboxed, code: Path, command: str, report: bytes) -> None:
    ran = box.run(Job(code, f"R=${{PYTEST_ADDOPTS##*junitxml=}}; {command}", 20))
    assert (ran.status, ran.report) == (0, report)


def test_pytest(box: Unboxed, code: Path) -> None:
    (code / "test_it.py").write_text("def test_it():\n    pass\n")
    ran = box.run(Job(code, "python3 -m pytest -q", 60))
    assert (ran.status, b'tests="1"' in ran.report) == (0, True), ran
    assert os.listdir(code) == ["test_it.py"]
