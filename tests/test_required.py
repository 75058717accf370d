"""GIT_PEER_REQUIRE=all: a skip is a failure, wherever it comes from."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.world import merged, start

TOP = Path(__file__).parents[1]
SKIPS = {
    "mark": "@pytest.mark.skip(reason='later')\ndef test_it() -> None: ...\n",
    "condition": "@pytest.mark.skipif(True, reason='not here')\ndef test_it() -> None: ...\n",
    "word": "def test_it() -> None:\n    pytest.skip('not here')\n",
    "fixture": "@pytest.fixture\ndef f():\n    pytest.skip()\n\n\ndef test_it(f: None) -> None: ...\n",
    "import": "def test_it() -> None:\n    pytest.importorskip('no_such_module')\n",
    "module": "pytest.skip('not here', allow_module_level=True)\n",
    "cases": "@pytest.mark.parametrize('x', [])\ndef test_it(x: int) -> None: ...\n",
}


@pytest.mark.parametrize("wanted", ["all", "git", None])
def test_a_skip(tmp_path: Path, wanted: str | None) -> None:
    for name, text in SKIPS.items():
        (tmp_path / f"test_{name}.py").write_text(f"import pytest\n\n{text}")
    env = {"GIT_PEER_REQUIRE": wanted, "PYTHONPATH": os.pathsep.join([str(TOP), os.environ.get("PYTHONPATH", "")])}
    options = (
        "-q",
        "-rA",
        "--continue-on-collection-errors",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.conftest",
        "-c",
        os.devnull,
        "--rootdir",
    )
    ran = start(
        (sys.executable, "-P", "-m", "pytest", *options, str(tmp_path), str(tmp_path)), TOP, merged(env)
    ).finish()
    bad = [line for line in ran.out.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert len(bad) == (len(SKIPS) if wanted == "all" else 0), ran
    assert (ran.status != 0) is (wanted == "all"), ran
