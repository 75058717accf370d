"""How a tool asks: the command of the same meaning, as a child process, whose JSON is the answer.

So a tool means exactly what the command contract says, a call that takes long can be cancelled without losing
anything, and a server that runs for days holds no state of the repository.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass
from typing import Any, Protocol

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError

from git_peer.core import text

GRACE = 5.0  # seconds that a cancelled command has to end by itself
MOST = 16 * 1024 * 1024  # bytes of an answer
STREAMS = ("log",)  # commands that answer an object a line


class Refused(ToolError):
    """A command's error, with its code and hint."""

    def __init__(self, answer: dict[str, Any]) -> None:
        error = answer.get("error", {})
        hint = f"\nhint: {error['hint']}" if error.get("hint") else ""
        more = {key: value for key, value in answer.items() if key in ("conflicts", "holder", "violations", "pull")}
        told = f"\n{json.dumps(more, ensure_ascii=True)}" if more else ""
        message = text.line(error.get("message", "no answer"))
        super().__init__(f"{error.get('code', 'internal')}: {message}{hint}{told}")
        self.answer = answer


class Ask(Protocol):
    """Asks as whoever's request is being answered."""

    async def __call__(self, *args: str, ctx: Context[Any, Any] | None = None, stdin: str = "") -> dict[str, Any]:
        """The JSON answer of `git peer ARGS`."""


@dataclass
class Asker:
    """Runs git-peer's commands in a directory, as a session."""

    folder: str
    env: dict[str, str]

    async def __call__(self, *args: str, ctx: Context[Any, Any] | None = None, stdin: str = "") -> dict[str, Any]:
        """The JSON answer of `git peer ARGS`; Refused where it failed. What it waits for is reported as progress."""
        child = await self._start(asyncio.subprocess.PIPE, "--json", "--look", *args)
        assert child.stdin
        assert child.stdout
        assert child.stderr
        try:
            child.stdin.write(stdin.encode())
            child.stdin.close()
            told = asyncio.create_task(_tell(child.stderr, ctx))
            raw = await _all(child.stdout)
            await asyncio.gather(told, child.wait())
        except BaseException:
            await _end(child)
            raise
        answer: dict[str, Any] = text.harmless(_answer(args[0], raw, child.returncode))
        if not answer.get("ok"):
            raise Refused(answer)
        return answer

    async def quietly(self, *args: str) -> None:
        """Run a command for its effect and ignore its answer."""
        child = await self._start(asyncio.subprocess.DEVNULL, *args)
        try:
            await child.wait()
        except BaseException:
            await _end(child)
            raise

    async def _start(self, stream: int, *args: str) -> asyncio.subprocess.Process:
        """Start a command with `stream` as its stdin, stdout and stderr. A client's texts never name files to read."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "git_peer", "--literal", *args),
            cwd=self.folder,
            env=self.env,
            stdin=stream,
            stdout=stream,
            stderr=stream,
            limit=MOST,
            start_new_session=True,
        )


async def _all(stdout: asyncio.StreamReader) -> bytes:
    """What comes until the end, up to MOST bytes; the rest is not kept."""
    kept = bytearray()
    while piece := await stdout.read(1 << 16):
        kept += piece[: MOST - len(kept)]
    return bytes(kept)


def _answer(command: str, raw: bytes, status: int | None) -> dict[str, Any]:
    """What a command has answered: one object, or the objects of a stream under `events`."""
    try:
        rows: list[dict[str, Any]] = [json.loads(line) for line in raw.splitlines()]
    except ValueError:
        rows = []
    if command in STREAMS and all("ok" not in row for row in rows) and status == 0:
        return {"ok": True, "events": rows}
    if len(rows) != 1:
        said = f"git peer {command} gave no answer (exit {status})"
        return {"ok": False, "error": {"code": "internal", "message": said}}
    return rows[0]


async def _tell(stderr: asyncio.StreamReader, ctx: Context[Any, Any] | None) -> None:
    """Pass a command's lines of progress on."""
    count = 0
    while line := await stderr.readline():
        if ctx is not None:
            count += 1
            await ctx.report_progress(count, None, text.shown(line.decode("utf-8", "replace").strip()))


async def _end(child: asyncio.subprocess.Process) -> None:
    """Interrupt a command as ^C would, and only then end it by force."""
    for number in (signal.SIGINT, signal.SIGKILL):
        if child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.shield(asyncio.wait_for(child.wait(), GRACE))


def flags(**given: object) -> list[str]:
    """Options of a command from a tool's arguments: None and False are left out, lists are repeated."""
    found: list[str] = []
    for name, value in given.items():
        option = "--" + name.rstrip("_").replace("_", "-")
        if value is True:
            found.append(option)
        elif value is not None and value is not False and value != "":
            found.extend(f"{option}={one}" for one in (value if isinstance(value, list | tuple) else [value]))
    return found
