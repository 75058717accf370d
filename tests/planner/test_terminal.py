"""On a terminal: the plan is shown, and written when somebody says so."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys

import pytest

from tests.planner.api import Api, tool
from tests.planner.plans import GOOD, show, untouched
from tests.world import Clone, merged

CODE = """\
import os, sys
os.close(os.open(os.ttyname(0), os.O_RDWR))  # it becomes the session's terminal: ^C comes from it
from git_peer.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def on_terminal(clone: Clone, api: Api, say: bytes) -> tuple[int, str, str]:
    """(exit status, stdout, what the screen had) of `plan new` whose question is answered with `say`."""
    main, side = pty.openpty()
    try:
        process = subprocess.Popen(
            (sys.executable, "-P", "-c", CODE, "plan", "new", "Build a shop"),
            cwd=clone.path, env=merged({**api.env, "TERM": "xterm"}),
            stdin=side, stderr=side, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        os.close(side)
        seen = b""
        asked = False
        while piece := _read(main, say if asked and say == b"\x03" else b""):
            seen += piece
            if not asked and b"[y/N]" in seen:
                os.write(main, say)
                asked = True
        out, _ = process.communicate(timeout=120)
    finally:
        os.close(main)
    return process.returncode, out.decode(), seen.decode()


def _read(terminal: int, again: bytes) -> bytes:
    """What the screen gets next. A ^C between the prompt and the reading of its answer is lost: it is pressed again."""
    try:
        while again and not select.select([terminal], [], [], 3)[0]:
            os.write(terminal, again)
        return os.read(terminal, 4096)
    except OSError:  # the other side has ended
        return b""


def test_yes(local: Clone, api: Api) -> None:
    api.script = [tool(GOOD, tokens=(1200, 345))]
    status, out, screen = on_terminal(local, api, b"y\n")
    assert status == 0, (out, screen)
    assert out.index("accept: true") < out.index("Written: 4 new tasks.")
    assert "\r" in screen
    assert "planning (answer 1): " in screen
    assert "1,200 tokens in, 345 out, 1 call" in screen
    assert len(show(local)["tasks"]) == 4


@pytest.mark.parametrize(("say", "status"), [(b"n\n", 1), (b"\n", 1), (b"\x03", 130), (b"\x04", 130)])
def test_no(local: Clone, api: Api, say: bytes, status: int) -> None:
    """No, nothing, ^C and the end of input: nothing is written."""
    api.script = [tool(GOOD)]
    found, out, screen = on_terminal(local, api, say)
    assert found == status, (out, screen)
    assert "Do docs" in out
    assert "Traceback" not in screen
    assert "interrupted" in screen if status == 130 else "nothing was written" in screen
    untouched(local)
