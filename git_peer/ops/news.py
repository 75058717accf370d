"""Telling, answering and debating: what they need of git, of a library, and of a remote that is silent."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from git_peer import layout
from git_peer.core import text
from git_peer.core.debate import record as debates
from git_peer.core.debate import view as moderating
from git_peer.core.debate.decide import Escalate, Open, Resolve, Speak
from git_peer.core.debate.record import Debate
from git_peer.core.delta import events as telling
from git_peer.core.delta import record as deltas
from git_peer.core.delta.decide import SWEPT, Answer, Tell, Work
from git_peer.core.delta.record import Delta, News
from git_peer.core.errors import PeerError
from git_peer.core.plan import record as plan
from git_peer.core.session import naming
from git_peer.core.session import record as sessions
from git_peer.core.target.target import Target
from git_peer.ops import known
from git_peer.ops import sync as tentative
from git_peer.ops.peer import Peer


# -- what comes in --------------------------------------------------------------------------------
def _several(values: Sequence[str], what: str) -> tuple[str, ...]:
    """The entries of a list, each one line."""
    if len(values) > text.ITEMS:
        raise PeerError("invalid", f"{len(values)} times {what}: {text.ITEMS} are allowed", "say the rest in the text")
    return tuple(dict.fromkeys(text.taken_line(value, what, text.ITEM) for value in values))


def _named(names: Sequence[str]) -> tuple[str, ...]:
    """Names of sessions."""
    for name in names:
        if not naming.is_name(name):
            raise PeerError("usage", f"not a session's name: {text.line(name, 80)!r}", "`git peer peers` lists them")
    return tuple(dict.fromkeys(names))


def _not_too_many(**lists: Sequence[object]) -> None:
    for what, values in lists.items():
        if len(values) > deltas.MOST:
            raise PeerError("invalid", f"{len(values)} {what}: {deltas.MOST} are allowed", "name a folder, or a glob")


def works(peer: Peer, idents: Iterable[str] = ()) -> dict[str, Work]:
    """What this clone knows of other sessions' branches, as far as deltas that may settle ask for it."""
    state = peer.state
    answered = state.entries(f"{layout.T_ABOUT}/answered") or {}
    found = [deltas.get(state, ident) for ident in sorted({*idents, *answered})[: 2 * SWEPT]]
    about = [delta for delta in found if delta is not None and delta.paths]
    if not about:
        return {}
    changed: dict[str, list[str] | None] = {}
    known: dict[str, Work] = {}
    for session in sessions.all_of(state):
        if session.head not in changed:
            changed[session.head] = peer.unlanded_of(session.head)
        paths = changed[session.head]
        if session.head and paths is not None:
            hit = [delta.id for delta in about if deltas.touched(delta, paths, state.log.folds)]
            known[session.sid] = Work(head=session.head, deltas=tuple(hit))
    return known


# -- deltas ---------------------------------------------------------------------------------------
def tell(
    peer: Peer,
    kind: str,
    summary: str,
    *,
    severity: str | None = None,
    body: str = "",
    paths: Sequence[Target] = (),
    contracts: Sequence[str] = (),
    tasks: Sequence[str] = (),
    commit: str | None = None,
    to: Sequence[str] = (),
    supersedes: str = "",
    allow: str = "",
    offline: bool = False,
) -> dict[str, Any]:
    """Push a delta: {delta: D}, tentatively where the remote does not answer. `allow`: why it may carry a secret."""
    _not_too_many(paths=paths, contracts=contracts, tasks=tasks, sessions=to)
    for name in contracts:
        plan.check_id(name, "contract")
    to = _named(to)
    known.all_sessions(peer, to, fetch=not offline)
    known.all_contracts(peer, contracts, fetch=not offline)
    news = News(
        type=kind,
        severity=severity or ("blocking" if kind == "blocker" else "info"),
        summary=text.taken_line(summary, "a summary"),
        body=text.taken(body, "a body", text.BODY),
        paths=tuple(dict.fromkeys(paths)),
        contracts=tuple(dict.fromkeys(contracts)),
        tasks=tuple(dict.fromkeys(tasks)),
        commit=peer.repo.commit(commit) if commit is not None else "",
        to=_named(to),
        supersedes=supersedes,
        allowed=text.taken_line(allow, "a reason", text.ITEM) if allow else "",
    )
    command = Tell(me=peer.me, ident=os.urandom(8).hex(), news=news, works=works(peer))
    done = tentative.send(peer, command, offline)
    if news.commit:
        from git_peer.ops import notes as noting

        noting.after(peer)
    return done


def answer(peer: Peer, idents: Sequence[str], note: str = "", offline: bool = False) -> dict[str, Any]:
    """Answer deltas: {acked: [id]}."""
    said = text.taken(note, "a note")
    state = peer.state
    mine = [delta.id for delta in (_maybe(peer, ident) for ident in idents) if delta is not None]
    changed = peer.unlanded() if deltas.touch_paths(state) else []
    command = Answer(
        me=peer.me,
        deltas=tuple(dict.fromkeys(idents)),
        note=said,
        changed=tuple(layout.percent(path) for path in _about(peer, mine, changed)),
        works=works(peer, mine),
    )
    return tentative.send(peer, command, offline)


def _maybe(peer: Peer, ident: str) -> Delta | None:
    try:
        return deltas.find(peer.state, ident)
    except PeerError:
        return None  # it may be there when the log has been fetched


def _about(peer: Peer, idents: Iterable[str], changed: Sequence[str]) -> list[str]:
    """Those of one's own changed paths that these deltas are about."""
    found: dict[str, None] = {}
    for ident in idents:
        delta = deltas.get(peer.state, ident)
        if delta is not None:
            found.update(dict.fromkeys(deltas.touched(delta, changed, peer.state.log.folds)))
    return list(found)


def listed(peer: Peer, everything: bool, after: str = "") -> dict[str, Any]:
    """{deltas: [D], requires_action}: what is open and not answered by this session; or all, the settled ones too."""
    state, who = peer.state, peer.reader()
    why = {delta.id: reasons for delta, reasons in deltas.pressing(state, who)}
    found = deltas.all_of(state)
    views = [
        deltas.describe(delta, who, why.get(delta.id, ()))
        for delta in found
        if everything or delta.session == who.name or not deltas.answered(delta, who)
    ]
    if everything:
        views = [*past(peer, who), *views]
    views += [{**deltas.describe(delta, who), "guarantee": "tentative"} for delta in tentative.untold(peer)]
    if after:
        late = _after(peer, after)
        views = [view for view in views if view["id"] in late or view.get("guarantee") == "tentative"]
    return {"deltas": views, "requires_action": any(view["requires_action"] for view in views)}


def _after(peer: Peer, prefix: str) -> set[str]:
    """The ids of the deltas that were told after that of this prefix, which may have settled since."""
    late: set[str] = set()
    tentatives = {delta.id for delta in tentative.untold(peer) if delta.id.startswith(prefix)}
    for entry in peer.chain.history(peer.engine.tip()):
        for event in reversed(entry.events):
            if isinstance(event, telling.DeltaPush):
                if event.id.startswith(prefix):
                    return late
                late.add(event.id)
    if not tentatives:
        raise PeerError("not_found", f"no delta's id begins with {text.line(prefix, 64)}", "`git peer deltas --all`")
    return set()


def pending(peer: Peer) -> dict[str, Any]:
    """{pending, requires_action}: how much others have told that this session has not answered."""
    who = peer.reader()
    count = sum(not deltas.answered(delta, who) for delta in deltas.all_of(peer.state))
    return {"pending": count, "requires_action": bool(deltas.pressing(peer.state, who))}


def past(peer: Peer, who: deltas.Reader, prefix: str = "") -> list[dict[str, Any]]:
    """The deltas that have left the tree, oldest first, as they stood last; with `prefix` those of such an id."""
    views = []
    for entry in peer.chain.history(peer.engine.tip()):
        for event in reversed(entry.events):
            if not isinstance(event, (telling.DeltaSettle, telling.DeltaSupersede, telling.DeltaLapse)):
                continue
            if not event.delta.startswith(prefix):
                continue
            delta = _before(peer, entry.commit, event.delta)
            if delta is not None:
                kind = str(event.__struct_config__.tag).partition(".")[2]
                views.append({**deltas.describe(delta, who), "requires_action": False, "settled": kind})
    return views[::-1]


def _before(peer: Peer, commit: str, ident: str) -> Delta | None:
    """A delta as it stood before a commit took it out of the tree: that commit's own events are folded again."""
    from git_peer.core.rules import fold

    entry = peer.chain.entry(commit)
    state = peer.chain.state(entry.parent)
    for index, event in enumerate(entry.events):
        gone = getattr(event, "delta", "") == ident
        if gone and isinstance(event, (telling.DeltaSettle, telling.DeltaSupersede, telling.DeltaLapse)):
            return deltas.get(state, ident)
        fold.apply(state, [event], entry.height, index)
    return None


def shown(peer: Peer, prefix: str) -> dict[str, Any]:
    """{delta: D} of one delta, open or settled."""
    who = peer.reader()
    waiting = [delta for delta in tentative.untold(peer) if delta.id.startswith(prefix)]
    if len(waiting) == 1 and prefix:
        return {"delta": {**deltas.describe(waiting[0], who), "guarantee": "tentative"}}
    try:
        delta = deltas.find(peer.state, prefix)
    except PeerError:
        found = past(peer, who, prefix) if prefix else []
        if len({view["id"] for view in found}) != 1:
            raise
        return {"delta": found[-1]}
    return {"delta": deltas.describe(delta, who, deltas.concerns(delta, who, peer.state.log.folds))}


# -- debates --------------------------------------------------------------------------------------
def debate(
    peer: Peer,
    topic: str,
    position: str,
    *,
    constraints: Sequence[str] = (),
    alternatives: Sequence[str] = (),
    sides: Sequence[str] = (),
    delta: str = "",
    contract: str = "",
    evidence: Sequence[str] = (),
    paths: Sequence[Target] = (),
) -> dict[str, Any]:
    """Open a debate: {debate: B}."""
    _not_too_many(paths=paths)
    if contract:
        plan.check_id(contract, "contract")
    sides = _named(sides)
    if len(sides) < debates.SIDES:  # more of them are refused as such
        known.all_sessions(peer, sides)
    command = Open(
        me=peer.me,
        topic=text.taken_line(topic, "a topic"),
        position=_said(position, "a position"),
        constraints=_several(constraints, "a constraint"),
        alternatives=_several(alternatives, "an alternative"),
        sides=sides,
        delta=delta,
        contract=contract,
        evidence=_several(evidence, "evidence"),
        paths=tuple(dict.fromkeys(paths)),
        idle=max(1, min(peer.settings.get("debateTimeout"), 30 * 86400)),
    )
    return peer.run(command)


def _said(given: str, what: str) -> str:
    found = text.taken(given, what)
    if not found:
        raise PeerError("invalid", f"{what} that says nothing", "say it in a sentence")
    return found


def respond(
    peer: Peer,
    ident: str,
    message: str = "",
    *,
    propose: str = "",
    verdict: str = "",
    proposal: str | None = None,
    constraints: Sequence[str] = (),
    alternatives: Sequence[str] = (),
    tasks: Sequence[str] = (),
) -> dict[str, Any]:
    """A turn: {debate: B}. A verdict is on the proposal of this clone's copy, or on the one whose id is given."""
    seen = ""
    if verdict:
        standing = debates.find(peer.state, ident)
        seen = _proposal(standing, proposal) if proposal is not None else standing.proposal
    command = Speak(
        me=peer.me,
        debate=ident,
        message=text.taken(message, "a message"),
        propose=text.taken(propose, "a proposal"),
        verdict=verdict,
        seen=seen,
        constraints=_several(constraints, "a constraint"),
        alternatives=_several(alternatives, "an alternative"),
        tasks=_several(tasks, "a task"),
    )
    return _noted(peer, peer.run(command))


def _noted(peer: Peer, done: dict[str, Any]) -> dict[str, Any]:
    """Have the end of a debate noted, with its transcript, on the commit that it was about."""
    if done["debate"]["status"] == "resolved":
        from git_peer.ops import notes as noting

        noting.after(peer)
    return done


def _proposal(debate: Debate, prefix: str) -> str:
    """The id of the turn that `prefix` names, as it stands in the debate."""
    found = [turn.id for turn in debate.turns if turn.propose and turn.id.startswith(prefix)]
    if len(found) != 1 or not prefix:
        hint = f"`git peer debate show {debate.id[:8]}` shows them"
        raise PeerError("not_found", f"no proposal {text.line(prefix, 64)!r} in debate {debate.id[:8]}", hint)
    return found[0]


def escalate(peer: Peer, ident: str, reason: str = "") -> dict[str, Any]:
    """Put a debate before a person: {debate: B}."""
    said = text.taken(reason, "a reason")
    return peer.run(Escalate(me=peer.me, debate=ident, reason=said))


def resolve(
    peer: Peer,
    ident: str,
    decision: str,
    *,
    definition: str = "",
    typed: bool = False,
    as_human: bool = False,
    tasks: Sequence[str] = (),
) -> dict[str, Any]:
    """A person's word on an escalated debate: {debate: B}. Unless it is `typed` at a terminal it has to be asserted."""
    session = peer.session()
    if not peer.me.person or (session is not None and session.agent):
        raise PeerError("not_allowed", "an agent may not decide a debate", "ask a person")
    if not typed and not as_human:
        hint = "`git peer help debate resolve` tells what else there is"
        raise PeerError("not_allowed", "a debate is decided by a person, at a terminal", hint)
    command = Resolve(
        me=peer.me,
        debate=ident,
        decision=_said(decision, "a decision"),
        definition=text.taken(definition, "a definition"),
        asserted=not typed,
        tasks=_several(tasks, "a task"),
    )
    return _noted(peer, peer.run(command))


def debated(peer: Peer) -> list[dict[str, Any]]:
    """The debates that are going on, or wait for a person, in short."""
    state, scene = peer.state, peer.scene(peer.state)
    return [moderating.summary(one, scene) for one in debates.all_of(state) if one.status != "resolved"]


def debate_of(peer: Peer, prefix: str) -> Debate:
    """The debate whose id begins with `prefix`; from the history where it has left the tree."""
    from git_peer.core.debate.events import DebateLapse

    try:
        return debates.find(peer.state, prefix)
    except PeerError:
        for entry in peer.chain.history(peer.engine.tip()) if prefix else ():
            for event in entry.events:
                if isinstance(event, DebateLapse) and event.debate.startswith(prefix):
                    old = debates.get(peer.chain.state(entry.parent), event.debate)
                    if old is not None:
                        return old
        raise
