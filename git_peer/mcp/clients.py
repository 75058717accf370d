"""Clients: whoever is connected, each with a session of git-peer that begins and ends with its connection."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import mcp_types as types
from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context

from git_peer.core.session import naming
from git_peer.mcp.call import Asker, Refused

RENEW = 30.0  # seconds between looks whether a renewal is due
PARTING = 20.0  # seconds that the ends of sessions may take together when the server ends
WORK = frozenset({"tools/call", "resources/read", "prompts/get"})  # requests that are made as a session
_STATE = "git-peer"  # a connection's client in its scratch state


def session_env(env: Mapping[str, str], gitdir: str) -> tuple[dict[str, str], str]:
    """(the environment of commands, the name of a session that this server has to start and to end, or "").

    An agent that names itself in the environment is the session that its shell commands are. Any other client gets a
    session of its own, for it is an agent and must not act as the person of the work tree.
    """
    name, kind = naming.name_from(env, gitdir)
    if name is not None or kind:
        return dict(env), ""
    own = new_name("mcp")
    return {**env, "GIT_PEER_SESSION": own}, own


def new_name(prefix: str) -> str:
    """A session's name that nobody else has."""
    return f"{prefix[:48]}-{secrets.token_hex(4)}"


class Client:
    """One client: commands that run as its session, which starts before its first request is answered."""

    def __init__(self, ask: Asker, name: str) -> None:
        self.ask = ask
        self.name = name  # of a session of its own; "": the environment's, which is not ours to start or end
        self.uris: set[str] = set()  # resources it has subscribed to by the handshake's protocol
        self._starting = asyncio.Lock()
        self._started = False
        self._ended = False

    async def begin(self) -> None:
        """Start the session, once. A remote that is away does not keep the client from reading."""
        async with self._starting:
            if self._started or self._ended or not self.name:
                return
            self._started = True
            with contextlib.suppress(Refused):
                await self.ask("session", "start", self.name, "--agent=mcp")

    async def renew(self) -> None:
        """Renew the session's leases where that is due."""
        if self._ended or (self.name and not self._started):
            return
        with contextlib.suppress(Refused):  # the network is away: the next look tries again
            await self.ask("session", "renew", "--if-due")

    async def end(self) -> None:
        """End the session, once: what it holds is given back."""
        async with self._starting:
            if self._ended:
                return
            self._ended = True
            if self.name and self._started:
                with contextlib.suppress(Refused):
                    await self.ask("session", "end", self.name)


class Clients:
    """All who are connected. A middleware of the server: each request is answered as its own client's.

    `shared` serves every connection alike: over stdio, where there is one.
    """

    def __init__(self, folder: str, env: Mapping[str, str], gitdir: str) -> None:
        self._folder, self._env, self._gitdir = folder, env, gitdir
        self._present: ContextVar[Client] = ContextVar("client")
        self._connected: dict[Connection, Client] = {}
        self._ends: set[asyncio.Task[None]] = set()
        self.shared: Client | None = None

    def share(self) -> Client:
        """One client for every connection: the agent that has started this server."""
        env, own = session_env(self._env, self._gitdir)
        self.shared = Client(Asker(self._folder, env), own)
        return self.shared

    async def ask(self, *args: str, ctx: Context[Any, Any] | None = None, stdin: str = "") -> dict[str, Any]:
        """The JSON answer of `git peer ARGS`, run as the client whose request is being answered."""
        return await self._present.get().ask(*args, ctx=ctx, stdin=stdin)

    def subscribers(self) -> list[tuple[Connection, set[str]]]:
        """Connections that have subscribed to resources, and to which."""
        return [(connection, client.uris) for connection, client in self._connected.items() if client.uris]

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Answer a request as its connection's client."""
        client = self.client_of(ctx)
        if ctx.method in WORK:
            await client.begin()
        token = self._present.set(client)
        try:
            return await call_next(ctx)
        finally:
            self._present.reset(token)

    async def subscribe(self, ctx: ServerRequestContext[Any, Any], params: types.SubscribeRequestParams) -> Any:
        """`resources/subscribe`: tell this client when the resource changes."""
        self.client_of(ctx).uris.add(str(params.uri))
        return types.EmptyResult()

    async def unsubscribe(self, ctx: ServerRequestContext[Any, Any], params: types.UnsubscribeRequestParams) -> Any:
        """`resources/unsubscribe`."""
        self.client_of(ctx).uris.discard(str(params.uri))
        return types.EmptyResult()

    def client_of(self, ctx: ServerRequestContext[Any, Any]) -> Client:
        """The client of a request's connection; a new connection gets one, which leaves with it."""
        connection: Connection = ctx.session._connection  # handlers are given no other way to it
        client = connection.state.get(_STATE)
        if client is None:
            client = self.shared or self._separate(connection)
            connection.state[_STATE] = client
            self._connected[connection] = client
            connection.exit_stack.callback(self._left, connection)
        assert isinstance(client, Client)
        return client

    def _separate(self, connection: Connection) -> Client:
        """A session of this connection's own, whatever name the server's environment has."""
        info = connection.client_params.client_info.name if connection.client_params else ""
        kind = re.sub(r"[^a-z0-9]+", "-", info.lower()).strip("-")[:24]
        given = self._env.get("GIT_PEER_SESSION", "")
        own = new_name(naming.mapped(given) if given else "-".join(filter(None, ("mcp", kind))))
        return Client(Asker(self._folder, {**self._env, "GIT_PEER_SESSION": own}), own)

    def _left(self, connection: Connection) -> None:
        client = self._connected.pop(connection, None)
        if client is not None and client is not self.shared:
            task = asyncio.create_task(client.end())  # not in the SDK's teardown, which gives up after five seconds
            self._ends.add(task)
            task.add_done_callback(self._ends.discard)

    async def renewals(self) -> None:
        """Renew the leases of all who are connected, until cancelled."""
        while True:
            await asyncio.sleep(RENEW)
            clients = {*self._connected.values(), *filter(None, [self.shared])}
            await asyncio.gather(*(client.renew() for client in clients))

    async def close(self) -> None:
        """End every session, for the server ends."""
        clients = {*self._connected.values(), *filter(None, [self.shared])}
        ends = [*self._ends, *(asyncio.create_task(client.end()) for client in clients)]
        if ends:
            await asyncio.wait(ends, timeout=PARTING)
