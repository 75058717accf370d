"""git peer session start|end|renew, peers, whoami."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from git_peer.cli import _targets
from git_peer.cli._output import Call, Reply, table
from git_peer.cli._params import given_text
from git_peer.cli.main import command, group
from git_peer.core.errors import PeerError
from git_peer.core.rules import decide as commands
from git_peer.core.session import naming
from git_peer.core.session import record as sessions
from git_peer.core.target.target import Target
from git_peer.core.text import count
from git_peer.ops.peer import Peer
from git_peer.store.clone import times


@group("session")
def session_command() -> None:
    """Start, end or renew this session."""


@command("start")
@click.argument("name", required=False)
@click.option("--agent", metavar="KIND", help="Which coding agent this is.")
@click.option("--doing", metavar="TEXT", help="What it works on.")
@click.option("--capability", "capabilities", multiple=True, metavar="C", help="What it can do; may be repeated.")
@click.option("--issue", metavar="REF", help="The issue that it works on, as your tracker calls it.")
@click.option("--spec", metavar="REF", help="The specification that it works by: a path, or a URL.")
@click.option("--path", "paths", multiple=True, metavar="P", help="What it works on; may be repeated. Locks nothing.")
@click.option("--meta", metavar="JSON", help="What programs should know of it: a JSON object, or @FILE.")
@click.option("--takeover", is_flag=True, help="Replace the live run of that name: it is fenced.")
def start(
    call: Call,
    name: str | None,
    agent: str | None,
    doing: str | None,
    capabilities: tuple[str, ...],
    issue: str | None,
    spec: str | None,
    paths: tuple[str, ...],
    meta: str | None,
    takeover: bool,
) -> Reply:
    """Start this session, or say what changed about it. Any writing command starts one by itself.

    What you give replaces what was known, and an empty value (`--doing ''`) empties it; the rest stays.
    """
    if name is not None:
        if not naming.is_name(name):
            raise PeerError("usage", f"not a session's name: {name!r}", "lower-case letters, digits, '.', '_' and '-'")
        call.name = name
    peer = call.peer(writing=True)
    given: dict[str, Any] = {
        "agent": agent,
        "doing": given_text(doing),
        "capabilities": _several(capabilities),
        "issue": issue,
        "spec": spec,
        "paths": _about(peer, paths),
        "meta": _canonical(given_text(meta)),
    }
    peer.me = msgspec.structs.replace(
        peer.me,
        agent=agent or peer.me.agent,
        doing=given["doing"] or "",
        capabilities=given["capabilities"] or (),
        takeover=takeover,
    )
    done = peer.run(commands.Start(me=peer.me, **given))
    peer.me = msgspec.structs.replace(peer.me, takeover=False)
    return Reply({"name": done["name"], "sid": done["sid"]}, f"Session {done['name']}.", network=True, wrote=True)


def _several(values: tuple[str, ...]) -> tuple[str, ...] | None:
    """A list option: None where it is not given, and empty where it is given as ''."""
    return tuple(dict.fromkeys(value for value in values if value)) if values else None


def _about(peer: Peer, paths: tuple[str, ...]) -> tuple[Target, ...] | None:
    given = _several(paths)
    return None if given is None else tuple(dict.fromkeys(_targets.parsed(peer.repo, given)))


def _canonical(meta: str | None) -> str | None:
    """Metadata as it is kept: an object of JSON in one spelling; PeerError("usage") for anything else."""
    if not meta:
        return meta
    import json

    try:
        found = json.loads(meta)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise PeerError("usage", "--meta wants a JSON object", """as in --meta '{"pr": 7}'""")
    return json.dumps(found, ensure_ascii=False, sort_keys=True, separators=(",", ":")) if found else ""


@command("end")
@click.argument("name", required=False)
def end(call: Call, name: str | None) -> Reply:
    """End this session, or one that is yours; its locks are given back."""
    peer = call.peer(writing=True)
    from git_peer.ops import sync as tentative

    tentative.drop(peer, [], True)
    # What it told while the remote did not answer; what others of the clone took stays for their own `sync`.
    lost = tentative.sync(peer)["lost"] if tentative.kept(peer) else []
    from git_peer.ops import unlanded

    done = peer.run(commands.End(me=peer.me, name=name or "", **unlanded.for_end(peer, name or "")))
    tentative.drop(peer, [], True, done["ended"])
    tentative.named(peer, lost)
    from git_peer.ops import wip

    wip.forget(peer, done["ended"])
    text = [f"Session {done['ended']} ended, {count(len(done['released']), 'lock')} released."]
    waiting = sorted(one["target"] for one in done.get("pending", ()))
    text += [f"{one} is pending until its work has landed." for one in waiting]
    text += [f"Lost: {one['command']} of {one['session']}: {one['why']}" for one in lost]
    return Reply({**done, "lost": lost}, text, network=True, wrote=True)


@command("renew")
@click.option("--if-due", is_flag=True, help="Only from half of the shortest TTL on; costs nothing before.")
def renew(call: Call, if_due: bool) -> Reply:
    """A sign of life: the session's leases start again."""
    peer = call.peer(writing=True)
    if if_due:
        sent = peer.keep_alive()
        return Reply({"name": peer.name, "renewed": sent}, "Renewed." if sent else "Not due.", network=True)
    done = peer.run(commands.Renew(me=peer.me))
    return Reply({"name": done["name"], "sid": done["sid"]}, f"Renewed {done['name']}.", network=True, wrote=True)


for _one in (start, end, renew):
    session_command.add_command(_one)


@command("peers")
def peers_command(call: Call) -> Reply:
    """Who is here, by the local copy of the log."""
    found = call.peer(once=True).peers()
    rows = [
        [
            s["name"],
            s["agent"] or "person",
            "live" if s["live"] else "lapsed",
            f"{s['host']}:{s['worktree']}",
            s["branch"],
            times.when(s["last_seen"]),
            sessions.told(s),
        ]
        for s in found
    ]
    text = table(rows, ["SESSION", "WHO", "STATE", "WHERE", "BRANCH", "LAST SEEN", "DOING"])
    return Reply({"sessions": found}, text or "Nobody has started a session.")


@command("whoami")
def whoami_command(call: Call) -> Reply:
    """Which session this is, and where its name comes from."""
    peer = call.peer(once=True)
    session = peer.session()
    agent = peer.me.agent or (session.agent if session else "")
    data: dict[str, Any] = {
        "name": peer.name,
        "sid": session.sid if session else None,
        "started": session is not None,
        "agent": agent or None,
        "person": not agent,
        "default": peer.me.name is None,
        "clone": peer.me.clone,
        "worktree": peer.me.worktree,
    }
    kind = agent or ("the person of this work tree" if peer.me.name is None else "a person")
    text = f"{peer.name} ({kind}), {'started' if session else 'not started yet'}"
    return Reply(data, text)
