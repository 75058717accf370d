"""MCP's official conformance suite on `git peer mcp --http`: what fails is what docs/mcp.md says does not apply."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2 as httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from tests.mcp.client import over_http, served
from tests.real.clients import program
from tests.world import Clone, World, start

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs" / "mcp.md"
APPLY = {  # what must pass, written out: a suite that is not run as a whole must show here
    "dns-rebinding-protection", "ping", "prompts-list", "resources-list", "resources-subscribe",
    "resources-unsubscribe", "server-initialize", "server-sse-multiple-streams", "tools-call-error",
    "tools-call-simple-text", "tools-list",
}  # fmt: skip


@contextlib.asynccontextmanager
async def with_token(url: str, token: str) -> AsyncIterator[str]:
    """The URL of a proxy that shows the server's token: the suite cannot. Whose host a request names stays as it is."""
    there = httpx.URL(url).port or 80

    async def pass_on(request: Request) -> StreamingResponse:
        headers = [(key, value.replace(b":%d" % port, b":%d" % there)) for key, value in request.headers.raw]
        headers.append((b"authorization", b"Bearer " + token.encode()))
        asked = http.build_request(request.method, url, headers=headers, content=await request.body())
        got = await http.send(asked, stream=True)
        whole = BackgroundTask(got.aclose)
        return StreamingResponse(got.aiter_raw(), got.status_code, headers=dict(got.headers), background=whole)

    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        app = Starlette(routes=[Route("/mcp", pass_on, methods=["GET", "POST", "DELETE"])])
        web = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        async with httpx.AsyncClient(timeout=60) as http:
            serving = asyncio.create_task(web.serve([sock]))
            try:
                yield f"http://localhost:{port}/mcp"
            finally:
                web.should_exit = True
                await serving


def outcomes(folder: Path) -> dict[str, list[str]]:
    """scenario → what it said went wrong, of a run's results."""
    found: dict[str, list[str]] = {}
    for file in folder.glob("server-*/checks.json"):
        name = re.sub(r"^server-|-\d{4}-\d\d-\d\dT.*$", "", file.parent.name)
        checks = json.loads(file.read_text())
        found[name] = [str(one.get("errorMessage") or one["id"]) for one in checks if one["status"] == "FAILURE"]
    return found


def excused() -> set[str]:
    """The scenarios of docs/mcp.md's table of what does not apply."""
    section = DOCS.read_text().partition("\n## Conformance\n")[2].partition("\n## ")[0]
    cells = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    return {name for cell in cells for name in re.findall("`([a-z0-9-]+)`", cell)}


def test_the_official_suite(world: World, tmp_path: Path) -> None:
    clone = world.clone("one")
    clone.peer("init", "--local")

    async def run() -> None:
        async with served(clone) as (url, token), with_token(url, token) as there:
            suite = (program("node22"), program("mcp-conformance"), "server", "--suite", "all", "--url", there)
            ran = await asyncio.to_thread(start((*suite, "-o", str(tmp_path / "results")), clone.path).finish)
            assert "=== SUMMARY ===" in ran.out, ran

    asyncio.run(run())
    found = outcomes(tmp_path / "results")
    failed = {name: why for name, why in found.items() if why}
    assert set(failed) == excused(), failed
    assert set(found) - set(failed) == APPLY


def test_what_is_excused_is_not_promised(world: World) -> None:
    """The capabilities whose checks do not apply are declared to no client."""
    clone: Clone = world.clone("one")
    clone.peer("init", "--local")

    async def capabilities(session: object) -> object:
        return session.server_capabilities  # type: ignore[attr-defined]

    told = over_http(clone, capabilities)
    assert (told.logging, told.completions) == (None, None)
