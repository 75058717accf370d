"""git peer push-delta, deltas, ack, delta push|list|show|ack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from git_peer.cli import _news, _targets
from git_peer.cli._output import Call, Reply
from git_peer.cli._params import given_text
from git_peer.cli.main import command, group
from git_peer.core.delta import record as deltas
from git_peer.core.errors import PeerError
from git_peer.core.plan import contracts
from git_peer.ops import news


@group("delta")
def delta_command() -> None:
    """News for the others: push, list, show, ack."""


def _of_push(function: Callable[..., Reply]) -> Callable[..., Reply]:
    for option in reversed(
        (
            click.option("--type", "kind", type=click.Choice(deltas.TYPES), required=True, help="What kind of news."),
            click.option("--summary", required=True, metavar="TEXT", help="In a line of at most 200 characters."),
            click.option("--body", metavar="TEXT", help="The rest, at most 32 KiB; `-` for stdin, or @FILE."),
            click.option(
                "--severity",
                type=click.Choice(deltas.SEVERITIES),
                help="blocking wants everybody's answer. Default: info, of a blocker blocking.",
            ),
            click.option("--path", "paths", multiple=True, metavar="P", help="What it is about; as lock takes it."),
            click.option("--contract", "names", multiple=True, metavar="C", help="A contract it is about."),
            click.option("--task", "tasks", multiple=True, metavar="ID", help="A task it is about."),
            click.option("--commit", metavar="REV", help="A commit it is about."),
            click.option("--to", multiple=True, metavar="SESSION", help="Who should answer, whatever else they hold."),
            click.option("--supersedes", metavar="ID", default="", help="Your delta that this one replaces."),
            click.option("--allow-secret", metavar="REASON", help="It may carry what looks like a secret; recorded."),
            click.option("--offline", is_flag=True, help="Keep it here; `git peer sync` sends it."),
        )
    ):
        function = option(function)
    return function


def _push(
    call: Call,
    kind: str,
    summary: str,
    body: str | None,
    severity: str | None,
    paths: tuple[str, ...],
    names: tuple[str, ...],
    tasks: tuple[str, ...],
    commit: str | None,
    to: tuple[str, ...],
    supersedes: str,
    allow_secret: str | None,
    offline: bool,
) -> Reply:
    if allow_secret is not None and not allow_secret.strip():
        raise PeerError("usage", "--allow-secret needs a reason", "it is recorded in the history")
    peer = call.peer(writing=True)
    done = news.tell(
        peer,
        kind,
        given_text(summary) or "",
        severity=severity,
        body=given_text(body) or "",
        paths=_targets.parsed(peer.repo, paths),
        contracts=names,
        tasks=tasks,
        commit=commit,
        to=to,
        supersedes=supersedes,
        allow=allow_secret or "",
        offline=offline,
    )
    view = done["delta"]
    lines = [f"Told as {view['id'][:8]}" + (", kept until `git peer sync`." if "guarantee" in done else ".")]
    lines += [
        f"The plan has no contract {name}." for name in view["contracts"] if contracts.get(peer.state, name) is None
    ]
    return Reply(done, lines, network=True, wrote=True)


def _list(call: Call, everything: bool, after: str, ident: str) -> Reply:
    if ident and (everything or after):
        raise PeerError("usage", "--id goes with neither --all nor --after", "`git peer help deltas` shows how")
    peer = call.peer(news=True)
    if ident:
        view = news.shown(peer, ident)["delta"]
        return Reply({"deltas": [view], "requires_action": view["requires_action"]}, _news.delta(view, whole=True))
    found = news.listed(peer, everything, after)
    lines = [line for view in found["deltas"] for line in _news.delta(view)]
    return Reply(found, lines or "There is no news that you have not answered.")


def _ack(call: Call, idents: tuple[str, ...], note: str | None, offline: bool) -> Reply:
    peer = call.peer(writing=True)
    done = news.answer(peer, idents, given_text(note) or "", offline)
    text = f"Answered {', '.join(ident[:8] for ident in done['acked'])}."
    return Reply(done, text, network=True, wrote=True)


def _of_list(function: Callable[..., Reply]) -> Callable[..., Reply]:
    everything = click.option("--all", "everything", is_flag=True, help="What was answered and what has settled too.")
    after = click.option("--after", metavar="ID", default="", help="What came after the delta ID.")
    ident = click.option("--id", "ident", metavar="ID", default="", help="That one, whole, with its answers.")
    return everything(after(ident(function)))


def _of_ack(function: Callable[..., Reply]) -> Callable[..., Reply]:
    given = click.argument("idents", nargs=-1, required=True, metavar="ID...")
    note = click.option("--note", metavar="TEXT", help="What to say to it.")
    offline = click.option("--offline", is_flag=True, help="Keep it here; `git peer sync` sends it.")
    return given(note(offline(function)))


@command("push-delta")
@_of_push
def push_delta_command(call: Call, **given: Any) -> Reply:
    """Tell the others what they should know: whom it concerns is worked out, and they are told to answer."""
    return _push(call, **given)


@command("push")
@_of_push
def push(call: Call, **given: Any) -> Reply:
    """The same as push-delta."""
    return _push(call, **given)


@command("deltas")
@_of_list
def deltas_command(call: Call, everything: bool, after: str, ident: str) -> Reply:
    """What others have told and you have not answered, and what you have told and is still open.

    A copy of the log that is older than five seconds is fetched first, for two seconds at most.

    `!` marks what wants an answer of this session, and why.
    """
    return _list(call, everything, after, ident)


@command("list")
@_of_list
def list_(call: Call, everything: bool, after: str, ident: str) -> Reply:
    """The same as deltas."""
    return _list(call, everything, after, ident)


@command("show")
@click.argument("ident", metavar="ID")
def show(call: Call, ident: str) -> Reply:
    """A delta with its text and its answers, open or settled."""
    found = news.shown(call.peer(), ident)
    return Reply(found, _news.delta(found["delta"], whole=True))


@command("ack")
@_of_ack
def ack_command(call: Call, idents: tuple[str, ...], note: str | None, offline: bool) -> Reply:
    """Answer deltas: all of them, or none."""
    return _ack(call, idents, note, offline)


@command("ack")
@_of_ack
def ack(call: Call, idents: tuple[str, ...], note: str | None, offline: bool) -> Reply:
    """The same as ack."""
    return _ack(call, idents, note, offline)


for _one in (push, list_, show, ack):
    delta_command.add_command(_one)
