"""tools/llama-wheel with a stand-in for pip: built once, whoever asks, and nothing half done is left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.world import Running, require, start

TOOL = Path(__file__).parents[2] / "tools" / "llama-wheel"
# Is its own venv's python; as pip it notes the call, and makes a wheel after a moment.
STAND_IN = """\
#!/bin/sh
case "$2" in
venv) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
pip)
    echo built >>"$BUILT"
    sleep 0.3
    [ -z "${FAILS:-}" ] || exit 3
    while [ "$1" != --wheel-dir ]; do shift; done
    mkdir -p "$2"
    for last; do :; done
    echo wheel >"$2/llama_cpp_python-${last#*==}-py3-none-any.whl"
    ;;
esac
"""


class Builder:
    """Runs the tool for a cache folder of its own."""

    def __init__(self, tmp: Path) -> None:
        self.cache = tmp / "a cache"
        self.built = tmp / "built"
        self.python = tmp / "python"
        self.python.write_text(STAND_IN)
        self.python.chmod(0o755)

    def start(self, **more: str) -> Running:
        """Begin."""
        env = {**os.environ, "PYTHON": str(self.python), "BUILT": str(self.built), **more}
        return start((str(TOOL), str(self.cache)), self.cache.parent, env)

    def wheels(self) -> list[str]:
        """What is in the cache, but for the lock."""
        return sorted(path.name for path in self.cache.iterdir() if path.name != ".lock")

    def builds(self) -> int:
        """How often pip was asked to."""
        return len(self.built.read_text().splitlines()) if self.built.exists() else 0


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    """One."""
    require("c++")
    return Builder(tmp_path)


def test_it_is_built_once(builder: Builder) -> None:
    require("flock")
    running = [builder.start() for _ in range(3)]
    told = [one.finish(0).line for one in running]
    assert told == [str(builder.cache)] * 3
    assert builder.builds() == 1
    assert len(builder.wheels()) == 1
    builder.start().finish(0)
    assert builder.builds() == 1


def test_a_build_that_fails_leaves_nothing(builder: Builder) -> None:
    require("flock")  # which tells what a killed run has left from what is being built
    assert builder.start(FAILS="1").finish().status != 0
    assert builder.wheels() == []
    (builder.cache / ".new.killed").mkdir()
    builder.start().finish(0)
    assert len(builder.wheels()) == 1


def test_no_compiler(builder: Builder, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for name in ("mkdir", "dirname", "rm"):
        (few / name).symlink_to(f"/bin/{name}")
    done = builder.start(PATH=str(few)).finish(1)
    assert "C++ compiler" in done.err
    assert "hint:" in done.err
    assert builder.builds() == 0
