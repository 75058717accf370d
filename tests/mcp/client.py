"""The official client, over both transports, on git-peer's own server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2 as httpx
from mcp import ClientSession, StdioServerParameters
from mcp.client.session import MessageHandlerFnT
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.world import Clone

Use = Callable[[ClientSession], Awaitable[Any]]


def over_stdio(clone: Clone, use: Use, heard: MessageHandlerFnT | None = None, **env: str) -> Any:
    """What `use` returns with a client that has started `git peer mcp` in the clone."""

    async def run() -> Any:
        server = StdioServerParameters(
            command=sys.executable,
            args=["-P", "-m", "git_peer", "mcp"],
            cwd=str(clone.path),
            env={**os.environ, **env},
        )
        async with stdio_client(server) as (read, write), ClientSession(read, write, message_handler=heard) as session:
            await session.initialize()
            return await use(session)

    return asyncio.run(run())


def free_port() -> int:
    """A port on loopback that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def served(clone: Clone, **env: str) -> AsyncIterator[tuple[str, str]]:
    """(URL, token) of a running `git peer mcp --http`; it is interrupted at the end, and must end by that."""
    port = free_port()
    running = clone.start_peer("mcp", "--http", f"127.0.0.1:{port}", env=env)
    token = ""
    assert running.process.stderr is not None
    for _ in range(2):
        line = await asyncio.to_thread(running.process.stderr.readline)
        found = re.match(rb"token: (\S+)", line)
        token = found[1].decode() if found else token
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp", token
    finally:
        running.process.terminate()
        await asyncio.to_thread(running.finish)


def over_http(clone: Clone, use: Use, heard: MessageHandlerFnT | None = None, **env: str) -> Any:
    """The same over streamable HTTP with the server's token."""

    async def run() -> Any:
        async with served(clone, **env) as (url, token):
            headers = {"Authorization": f"Bearer {token}"}
            async with (
                httpx.AsyncClient(headers=headers, timeout=60) as http,
                streamable_http_client(url, http_client=http) as streams,
                ClientSession(streams[0], streams[1], message_handler=heard) as session,
            ):
                await session.initialize()
                return await use(session)

    return asyncio.run(run())
