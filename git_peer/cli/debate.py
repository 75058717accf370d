"""git peer debate start|respond|escalate|resolve|run|show|list."""

from __future__ import annotations

import sys

import click
import msgspec

from git_peer.cli import _news, _targets
from git_peer.cli._output import Call, Reply
from git_peer.cli._params import given_text
from git_peer.cli.main import command, group
from git_peer.core.debate import record as debates
from git_peer.core.debate import view as moderating
from git_peer.core.errors import PeerError
from git_peer.ops import news

_tasks = click.option("--task", "tasks", multiple=True, metavar="TITLE", help="A task that it leads to.")
_constraint = click.option("--constraint", "constraints", multiple=True, metavar="C", help="What must hold.")
_alternative = click.option("--alternative", "alternatives", multiple=True, metavar="A", help="What would do as well.")


@group("debate")
def debate_command() -> None:
    """Come to an agreement: start, respond, escalate, resolve, run, show, list."""


@command("start")
@click.option("--topic", required=True, metavar="TEXT", help="What is to be agreed on, in a line.")
@click.option("--position", required=True, metavar="TEXT", help="What this side holds.")
@_constraint
@_alternative
@click.option("--delta", metavar="ID", default="", help="The delta it answers; its author is a side.")
@click.option("--contract", metavar="C", default="", help="The contract whose new version it makes.")
@click.option("--with", "sides", multiple=True, metavar="SESSION", help="Another side; who responds is one, too.")
@click.option("--evidence", "evidence", multiple=True, metavar="URL", help="Where it can be seen.")
@click.option("--path", "paths", multiple=True, metavar="P", help="What cannot land while it is escalated.")
def start(
    call: Call,
    topic: str,
    position: str,
    constraints: tuple[str, ...],
    alternatives: tuple[str, ...],
    delta: str,
    contract: str,
    sides: tuple[str, ...],
    evidence: tuple[str, ...],
    paths: tuple[str, ...],
) -> Reply:
    """Open a debate. The opening is its side's turn of round 1."""
    peer = call.peer(writing=True)
    done = news.debate(
        peer,
        given_text(topic) or "",
        given_text(position) or "",
        constraints=constraints,
        alternatives=alternatives,
        sides=sides,
        delta=delta,
        contract=contract,
        evidence=evidence,
        paths=_targets.parsed(peer.repo, paths),
    )
    return Reply(done, _news.debate(done["debate"]), network=True, wrote=True)


@command("respond")
@click.argument("ident", metavar="ID")
@click.option("--message", metavar="TEXT", help="What to say.")
@click.option("--propose", metavar="TEXT", help="What to agree on; of a contract, its new definition.")
@click.option("--accept", is_flag=True, help="Agree to the proposal that stands.")
@click.option("--reject", is_flag=True, help="Take the proposal that stands off the table.")
@click.option("--proposal", metavar="ID", help="The proposal that was read; refused where another one stands by now.")
@_constraint
@_alternative
@_tasks
def respond(
    call: Call,
    ident: str,
    message: str | None,
    propose: str | None,
    accept: bool,
    reject: bool,
    proposal: str | None,
    constraints: tuple[str, ...],
    alternatives: tuple[str, ...],
    tasks: tuple[str, ...],
) -> Reply:
    """Speak in a debate: one turn a round for each side. Who has no side yet takes one.

    --accept and --reject are on the proposal that this clone's copy shows; if another one stands by then, they are
    refused (`changed`). When every other side has accepted a proposal the debate is resolved by it.
    """
    if (propose is not None) + accept + reject > 1:
        raise PeerError("usage", "a turn proposes, accepts or rejects", "`git peer help debate respond` shows how")
    if proposal is not None and not (accept or reject):
        raise PeerError("usage", "--proposal goes with --accept or --reject", "")
    if not (message or propose or accept or reject):
        raise PeerError("usage", "a turn needs --message, --propose, --accept or --reject", "")
    done = news.respond(
        call.peer(writing=True),
        ident,
        given_text(message) or "",
        propose=given_text(propose) or "",
        verdict="accept" if accept else "reject" if reject else "",
        proposal=proposal,
        constraints=constraints,
        alternatives=alternatives,
        tasks=tasks,
    )
    return Reply(done, _news.debate(done["debate"]), network=True, wrote=True)


@command("escalate")
@click.argument("ident", metavar="ID")
@click.option("--reason", metavar="TEXT", help="Why it cannot be agreed on.")
def escalate(call: Call, ident: str, reason: str | None) -> Reply:
    """Put a debate before a person. What it is about cannot land until then."""
    done = news.escalate(call.peer(writing=True), ident, given_text(reason) or "")
    return Reply(done, _news.debate(done["debate"]), network=True, wrote=True)


@command("resolve")
@click.argument("ident", metavar="ID")
@click.option("--decision", required=True, metavar="TEXT", help="What holds from now on.")
@click.option("--definition", metavar="TEXT", help="The contract's new definition, where it is not the decision.")
@click.option("--as-human", is_flag=True, help="A person says this, though not at a terminal. Recorded.")
@_tasks
def resolve(
    call: Call, ident: str, decision: str, definition: str | None, as_human: bool, tasks: tuple[str, ...]
) -> Reply:
    """Decide an escalated debate: a person's word."""
    done = news.resolve(
        call.peer(writing=True),
        ident,
        given_text(decision) or "",
        definition=given_text(definition) or "",
        typed=sys.stdin.isatty(),
        as_human=as_human,
        tasks=tasks,
    )
    return Reply(done, _news.debate(done["debate"]), network=True, wrote=True)


@command("run")
@click.argument("ident", metavar="ID")
@click.option("--model", metavar="M", default="", help="A GGUF file, a name of `model list`, a server, anthropic:M.")
@click.option("--interval", type=click.FloatRange(0.1), default=5.0, metavar="S", help="Seconds between looks.")
def run(call: Call, ident: str, model: str, interval: float) -> Reply:
    """Have a model speak for this session's side until the debate is resolved, or before a person."""
    from git_peer.cli.history import look
    from git_peer.ops.models import open_model
    from git_peer.runner import debater

    peer = call.peer(writing=True)
    news.debate_of(peer, ident)
    get = peer.settings.get
    limits = debater.Limits(get("runnerAnswer"), get("runnerTimeout"), interval)
    speaker = open_model(model, peer.settings)
    try:
        done = debater.debate(peer, speaker, ident, limits, lambda: look(peer), lambda _piece, _tokens: None)
    finally:
        speaker.close()
    view = moderating.describe(news.debate_of(peer, done["debate"]), peer.scene(peer.state))
    data = {"debate": view, "turns": done["turns"], "usage": msgspec.to_builtins(speaker.usage)}
    return Reply(data, _news.debate(view), network=True, wrote=True)


@command("show")
@click.argument("ident", metavar="ID")
@click.option("--format", "form", type=click.Choice(["text", "md"]), default="text", help="md: for a pull request.")
def show(call: Call, ident: str, form: str) -> Reply:
    """A debate from its first word to its last."""
    peer = call.peer()
    view = moderating.describe(news.debate_of(peer, ident), peer.scene(peer.state))
    return Reply({"debate": view}, _news.markdown(view) if form == "md" else _news.conversation(view))


@command("list")
@click.option("--all", "everything", is_flag=True, help="Those that were resolved in the last 14 days, too.")
def list_(call: Call, everything: bool) -> Reply:
    """The debates that are going on, or wait for a person, by the local copy."""
    peer = call.peer()
    scene = peer.scene(peer.state)
    views = [moderating.describe(one, scene) for one in debates.all_of(peer.state)]
    views = [view for view in views if everything or view["status"] != "resolved"]
    lines = [_news.debate(view) for view in views]
    return Reply({"debates": views}, lines or "There are no open debates.")


for _one in (start, respond, escalate, resolve, run, show, list_):
    debate_command.add_command(_one)
