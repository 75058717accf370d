"""Sessions: one run of one agent, or a person, in one work tree. Its record, its events, who owns what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from git_peer import layout
from git_peer.core import text
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.log.command import Me, Scene
from git_peer.core.log.state import Event, Record, State, alike, decode
from git_peer.core.session import lease as leases
from git_peer.core.session import naming
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target

RUNNER = "runner"  # the kind of agent that `git peer run` is, whatever works for it
_TOLD = ("branch", "head", "doing", "agent", "capabilities", "work")  # what a session may say of itself again
MAX_REFERENCE, MAX_PATHS = 1000, 100  # bytes of an issue's or a specification's name; paths of work
SILENT = 7 * 86400  # seconds without a sign of life after which a session may leave the tree


class Work(Record, frozen=True, kw_only=True):
    """What a session works on, for programs: an issue, a specification, paths, and what else it says as JSON."""

    issue: str = ""
    spec: str = ""
    paths: tuple[Target, ...] = ()
    meta: str = ""  # canonical JSON of an object

    def told(self) -> str:
        """In a line for people."""
        told = [f"issue {self.issue}"] if self.issue else []
        told += [f"spec {self.spec}"] if self.spec else []
        told += [", ".join(map(targets.show, self.paths))] if self.paths else []
        return ", ".join(told)


def check_work(work: Work | None) -> None:
    """Malformed where it is more than a record should carry, or metadata that is no JSON object."""
    if work is None:
        return
    if max(len(work.issue.encode()), len(work.spec.encode())) > MAX_REFERENCE or len(work.paths) > MAX_PATHS:
        raise Malformed(f"work names an issue and a spec of {MAX_REFERENCE} bytes, and {MAX_PATHS} paths, at most")
    if len(work.meta.encode()) > text.MESSAGE or (work.meta and not isinstance(_object(work.meta), dict)):
        raise Malformed(f"metadata is a JSON object of at most {text.MESSAGE // 1024} KiB")


def _object(raw: str) -> object:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return None


class Session(Record, frozen=True, kw_only=True):
    """sessions/<name>.json. `at` and `height` are those of its last event; times are epoch seconds."""

    name: str
    sid: str
    clone: str
    gitdir: str = ""  # the work tree's git directory, relative to the common one; "" is the main work tree
    host: str = ""
    agent: str = ""  # kind of coding agent; "" is a person
    default: bool = False  # the unnamed person of the work tree, who owns what agents hold there
    worktree: str = ""
    branch: str = ""
    head: str = ""
    doing: str = ""
    capabilities: tuple[str, ...] = ()
    started: int
    at: int
    height: int
    ttl: int
    skewed: bool = False  # its clock once ran backwards: only watching proves that it is dead
    work: Work | None = None


class SessionStart(Event, tag="session.start", frozen=True, kw_only=True):
    """A session begins; with `takeover` it replaces the live session `takeover` (a sid) of that name."""

    example = {"clone": "c", "ttl": 60}

    clone: str
    gitdir: str = ""
    host: str = ""
    agent: str = ""
    default: bool = False
    worktree: str = ""
    branch: str = ""
    head: str = ""
    doing: str = ""
    capabilities: tuple[str, ...] = ()
    ttl: int
    takeover: str = ""

    def says(self) -> str:
        how = "took over and started" if self.takeover else "started"
        return f"{how} a session on {self.branch}" if self.branch else f"{how} a session"

    def apply(self, state: State, height: int, index: int) -> None:
        """A name is free, or its bearer is replaced by name."""
        if not naming.is_name(self.by) or not self.sid:
            raise Malformed(f"not a session's name: {self.by!r}")
        there = get(state, self.by)
        if (there.sid if there else "") != self.takeover:
            raise Malformed(f"{self.by} is another session")
        state.put(layout.session(self.by), _from_start(self, height))


class SessionRenew(Event, tag="session.renew", frozen=True, kw_only=True):
    """A sign of life; what is given replaces what was known."""

    branch: str | None = None
    head: str | None = None
    doing: str | None = None
    agent: str | None = None
    capabilities: tuple[str, ...] | None = None
    work: Work | None = None

    since = {"agent": 2, "capabilities": 2, "work": 2}

    def says(self) -> str:
        told = [f"is on branch {self.branch or 'none'}"] if self.branch is not None else []
        told += (
            [f"does: {self.doing}" if self.doing else "does nothing in particular"] if self.doing is not None else []
        )
        told += [f"is {self.agent or 'a person'}"] if self.agent is not None else []
        told += (
            [f"can: {', '.join(self.capabilities) or 'nothing in particular'}"] if self.capabilities is not None else []
        )
        told += [f"works on {self.work.told() or 'nothing in particular'}"] if self.work is not None else []
        return "; ".join(told) or "gave a sign of life"

    def apply(self, state: State, height: int, index: int) -> None:
        """The lease starts again."""
        check_work(self.work)
        given = {key: getattr(self, key) for key in _TOLD if getattr(self, key) is not None}
        if self.work == Work():
            given["work"] = None
        if self.agent:
            given["default"] = False  # an agent is nobody's person
        touch(state, self, height, **given)


class SessionEnd(Event, tag="session.end", frozen=True, kw_only=True):
    """A session is over: its own word, or that of the person who owns it.

    Or, with `left`, that of another of its clone, which finds its work tree or process gone.
    """

    example = {"name": "a", "ended": "s"}

    name: str
    ended: str
    left: bool = False

    def apply(self, state: State, height: int, index: int) -> None:
        """The record goes; its locks must have gone before."""
        actor = acting(state, self)
        ended = get(state, self.name)
        if ended is None or ended.sid != self.ended:
            raise Malformed(f"{self.name} ({self.ended}) is not a session")
        mine = actor.sid == ended.sid or (actor.default and (actor.clone, actor.gitdir) == (ended.clone, ended.gitdir))
        if not mine and not (self.left and actor.clone == ended.clone):
            raise Malformed(f"{self.by} does not own {self.name}")
        if holds(state, self.name):
            raise Malformed(f"{self.name} still holds locks or tasks")
        if actor.sid != ended.sid:
            touch(state, self, height)
        state.delete(layout.session(self.name))

    def says(self) -> str:
        if self.name == self.by:
            return "ended its session"
        return f"ended the session {self.name}" + (", whose run is gone" if self.left else "")


class SessionLapse(Event, tag="session.lapse", frozen=True, kw_only=True):
    """A session that was silent for a week and holds nothing leaves the tree; its last event is the evidence."""

    example = {"name": "b", "lapsed": "s2", "height": 2, "last": 3}

    name: str
    lapsed: str
    height: int
    last: int

    def apply(self, state: State, height: int, index: int) -> None:
        """The evidence must fit; a lock keeps its session in the tree."""
        touch(state, self, height)
        gone = get(state, self.name)
        if gone is None or (gone.sid, gone.height, gone.at) != (self.lapsed, self.height, self.last):
            raise Malformed(f"{self.name} has given a sign of life since")
        if self.at <= gone.at + SILENT or gone.sid == self.sid or holds(state, self.name):
            raise Malformed(f"{self.name} has not lapsed")
        state.delete(layout.session(self.name))

    def says(self) -> str:
        return f"took out the session {self.name}, silent for a week"


def says(session: Session) -> dict[str, Any]:
    """What a session says of itself, as the contract tells it."""
    work = session.work or Work()
    return {
        "doing": session.doing,
        "capabilities": list(session.capabilities),
        "issue": work.issue or None,
        "spec": work.spec or None,
        "paths": [targets.show(target) for target in work.paths],
        "meta": msgspec.json.decode(work.meta) if work.meta else {},
    }


def told(view: Mapping[str, Any], most: int = 0) -> str:
    """The same in a line for people: what it does, works on and can."""
    told = [text.line(view["doing"], most)] if view["doing"] else []
    told += [f"{name} {text.line(view[name], most)}" for name in ("issue", "spec") if view[name]]
    told += [f"on {text.line(', '.join(view['paths']), most)}"] if view["paths"] else []
    told += [f"can {text.line(', '.join(view['capabilities']), most)}"] if view["capabilities"] else []
    return "; ".join(told)


def get(state: State, name: str) -> Session | None:
    """The session of that name."""
    return state.get(layout.session(name), Session)


def all_of(state: State) -> Iterator[Session]:
    """Every session, by name."""
    for _, raw in state.walk(layout.T_SESSIONS):
        yield decode(raw, Session)


def expires(session: Session, ttl: int, scene: Scene) -> int:
    """When a lease of `ttl` seconds of that session runs out."""
    return leases.expires({"sid": session.sid, "at": session.at, "height": session.height}, ttl, scene.seen)


def is_live(session: Session, scene: Scene) -> bool:
    """Whether any lease of the session may still run."""
    return session.sid not in scene.left and scene.now <= expires(session, session.ttl, scene)


def same_run(session: Session, me: Me) -> bool:
    """Whether `me`, by that name, goes on with this session."""
    return session.clone == me.clone and session.gitdir == me.gitdir


def owns(mine: Session | None, me: Me, other: Session) -> bool:
    """Whether what `other` holds is one's own: the same sid, or a person's agent in the same work tree."""
    if mine is not None and mine.sid == other.sid:
        return True
    return me.name is None and me.person and same_run(other, me)


def is_elsewhere(me: Me, other: Session) -> bool:
    """Whether `other` is the run of `me` in another work tree of the clone."""
    return other.clone == me.clone and other.name in me.also


def is_person(session: Session, me: Me) -> bool:
    """Whether a person acts: not an agent by the environment, nor a session that was started with --agent."""
    return me.person and not session.agent


def may_force(session: Session, me: Me, scene: Scene, what: str) -> None:
    """PeerError("not_allowed") unless this is a person, whose right it is."""
    if not is_person(session, me) and not scene.agents_may_force:
        raise PeerError("not_allowed", f"an agent may not {what}", "ask a person, or whoever has it")


def name_for(state: State, me: Me) -> str:
    """The name that `me` goes by: the given one, else <user>-<host>-<work tree>, made unique where it must be.

    A name that an environment lends to every work tree is given a suffix in all but the first.
    """
    if me.name is not None:
        other = naming.apart(me.name, me.clone, me.gitdir) if me.lent and not me.takeover else me.name
        mine, first = get(state, other), get(state, me.name)
        free = first is None or same_run(first, me)
        return other if (mine is not None and same_run(mine, me)) or not free else me.name
    name = naming.mapped(f"{me.user}-{me.host}-{me.worktree}".lower())
    there = get(state, name)
    if there is None or same_run(there, me):
        return name
    return naming.mapped(f"{name[:46]}-{me.clone[:8]}{'-' + me.gitdir if me.gitdir else ''}")


def find(state: State, me: Me) -> Session | None:
    """The session that `me` goes on with; None where it has not started (or another run has the name)."""
    session = get(state, name_for(state, me))
    return session if session is not None and same_run(session, me) else None


def _was_heard(session: Session, scene: Scene) -> bool:
    """Whether a session cannot have been silent for a whole TTL, whatever the wall clock says, which may be set."""
    return session.sid not in scene.left and scene.at_most.get(session.sid, session.ttl) < session.ttl


def ensure(state: State, me: Me, scene: Scene) -> tuple[Session, SessionStart | None]:
    """The session of `me`, and the event that starts it where it is not there yet (not yet applied).

    Raises PeerError("exists") where another live run bears the name, unless `me.takeover`.
    """
    name = name_for(state, me)
    there = get(state, name)
    if there is not None and same_run(there, me) and not me.takeover:
        return there, None
    if there is not None and not me.takeover and (is_live(there, scene) or _was_heard(there, scene)):
        where = text.word(f"{there.host}:{there.worktree}")
        raise PeerError(
            "exists",
            f"another run of the name {name} is live in {where}",
            "choose another name with --as, or end it there; `git peer session start --takeover` replaces it",
        )
    start = SessionStart(
        id=scene.ident(),
        at=scene.now,
        by=name,
        sid=scene.ident(),
        **alike(me, SessionStart) | {"takeover": there.sid if there is not None else ""},
        default=me.name is None and me.person,
        ttl=min(scene.ttl_person if me.person else scene.ttl_agent, scene.ttl_max),
    )
    return _from_start(start, 0), start


def _from_start(event: SessionStart, height: int) -> Session:
    return Session(**alike(event, Session), name=event.by, started=event.at, height=height)


def acting(state: State, event: Event) -> Session:
    """The session that an event speaks for; Malformed where it is not there."""
    session = get(state, event.by)
    if session is None or session.sid != event.sid:
        raise Malformed(f"{event.by} ({event.sid}) is not a session")
    return session


def touch(state: State, event: Event, height: int, **changes: object) -> Session:
    """Note an event as its session's last sign of life."""
    old = acting(state, event)
    session = msgspec.structs.replace(
        old, at=event.at, height=height, skewed=old.skewed or event.at < old.at, **changes
    )
    state.put(layout.session(old.name), session)
    return session


def holds(state: State, name: str) -> bool:
    """Whether the session of that name holds a lock, or works on a task."""
    claims = f"{layout.T_CLAIMS}/{name}"
    return any(state.entries(f"{layout.T_HELD}/{name}") or ()) or any(
        state.read(f"{claims}/{task}") == b"in_progress" for task in state.entries(claims) or ()
    )


def silent(state: State, scene: Scene, most: int) -> list[Session]:
    """At most `most` sessions that nothing was heard of for a week, by a clock that may prove it."""
    if not scene.clock_trusted:
        return []
    found = (
        s
        for s in all_of(state)
        if not s.skewed
        and scene.at_most.get(s.sid, SILENT) + scene.skew >= SILENT
        and scene.now > s.at + max(SILENT, s.ttl) + scene.skew
    )
    return list(islice(found, most))
