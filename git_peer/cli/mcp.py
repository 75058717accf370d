"""git peer mcp: the server of the Model Context Protocol."""

from __future__ import annotations

import asyncio
import os
import sys

import click

from git_peer.cli._output import Call
from git_peer.cli.main import command
from git_peer.core.errors import PeerError


@command("mcp")
@click.option("--http", "addr", metavar="ADDR", help="Serve streamable HTTP on this loopback address, with a token.")
def mcp_command(call: Call, addr: str | None) -> int:
    """Serve an agent's tools over the Model Context Protocol: on stdin and stdout, or over HTTP.

    Over HTTP a client shows the token in GIT_PEER_MCP_TOKEN, or the one that is printed, as `Authorization: Bearer`.
    """
    peer = call.peer()
    try:
        from git_peer.mcp.server import Server, address, bound, token
    except ImportError as why:
        raise PeerError("unavailable", f"{why.name} is not installed", "pip install 'git-peer[mcp]'") from None
    env = {**os.environ, **({"GIT_PEER_SESSION": call.name} if call.name else {})}
    server = Server(os.getcwd(), peer.repo.git, env, peer.me.gitdir)
    if addr is None:
        return asyncio.run(server.stdio())
    host, port = address(addr)
    secret, sock = token(), bound(host, port)

    def serving() -> None:
        shown = "" if os.environ.get("GIT_PEER_MCP_TOKEN") else f"\ntoken: {secret}"
        sys.stderr.write(f"serving http://{host}:{port}/mcp{shown}\n")
        sys.stderr.flush()

    asyncio.run(server.http(sock, secret, serving))
    return 0
