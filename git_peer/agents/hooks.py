"""What the hooks of agents do where this clone's memory is not enough: sessions, locks, briefings, what is owed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from typing import Any

from git_peer import layout
from git_peer.agents import detached, memory
from git_peer.agents import phrases as wording
from git_peer.agents.event import LOCKING, Answer, Event
from git_peer.agents.site import Site
from git_peer.core.errors import PeerError
from git_peer.core.lock import record as locks
from git_peer.core.lock.decide import Wish
from git_peer.core.rules import decide as commands
from git_peer.core.session import record as sessions
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target
from git_peer.ops.peer import Peer
from git_peer.ops.wiring import Parts

PATIENCE = 1.5  # seconds that a hook waits for other writers of this clone
_WHOLE = ("file", "dir", "glob")  # locks that may cover a whole file
TOLD = ("lost", "delta", "debate", "question")  # notices that an agent has to act on


def handle(event: Event, groups: Sequence[tuple[Site, list[str], tuple[str, ...]]], heard: bool) -> Answer:
    """Answer an event. `groups`: work trees, with the paths that it changes there, and commands that sweep all of it.

    `heard`: whether context reaches the agent's model with this event; else news waits for one with which it does.
    """
    answers = [_Hook(event, site, heard).answer(paths, sweeping) for site, paths, sweeping in groups]
    return Answer(
        deny="\n\n".join(filter(None, (one.deny for one in answers))),
        context="\n\n".join(filter(None, (one.context for one in answers))),
        go_on="\n\n".join(filter(None, (one.go_on for one in answers))),
        message="\n".join(filter(None, (one.message for one in answers))),
    )


class _Hook:
    """One event in one work tree."""

    def __init__(self, event: Event, site: Site, heard: bool) -> None:
        self.event = event
        self.site = site
        self.heard = heard
        parts = Parts(writing=True, start=site.top)
        if parts.clone.facts.get("moving"):
            raise PeerError("busy", "the log is being published, and is waited for elsewhere")
        self.peer: Peer = parts.peer(writing=True, patience=PATIENCE, defers=True, steady=True)
        self.name = self.peer.name
        self.notes = memory.of(site, self.name)

    def answer(self, paths: list[str], sweeping: tuple[str, ...]) -> Answer:
        """The answer of this work tree."""
        if self.site.remote:
            detached.refresh_if_stale(self.site, os.environ)
            if self.peer.clone.tentative():
                detached.ensure_sender(self.site, os.environ)
        name = self.event.name
        if name in LOCKING:
            return self._locking(paths, sweeping)
        found: Answer = {
            "session-start": self._start,
            "prompt": self._prompt,
            "post-edit": self._after,
            "pre-compact": self._after,
            "stop": self._stop,
            "session-end": self._end,
        }[name]()
        return found

    # -- the session --------------------------------------------------------------------------------
    def _start(self) -> Answer:
        """The session begins, and knows where it stands. The remote learns of it by a process of its own."""
        message = ""
        if self.peer.remote is not None:
            if self.peer.session() is None:
                detached.start(os.environ, self.site.top, "session", "start")
        elif self.peer.session() is None:
            try:
                self.peer.run(commands.Start(me=self.peer.me))
                self.peer.engine.told()
            except PeerError as why:
                message = f"git-peer: {why.message}"
        from git_peer.ops import brief as briefing

        text = briefing.brief(self.peer)
        self._news()
        return Answer(context=text, message=message)

    @property
    def _is_a_runners(self) -> bool:
        """Whether the agent works for `git peer run`, whose session this is: it commits, hands in, and goes on."""
        session = self.peer.session()
        return session is not None and session.agent == sessions.RUNNER

    def _end(self) -> Answer:
        """The session is over; what it holds ends with it."""
        memory.forget(self.site, self.name)
        if self._is_a_runners or (self.peer.session() is None and not self.peer.locks(mine=True)):
            return Answer()
        if self.peer.remote is not None:
            detached.start(os.environ, self.site.top, "session", "end")
            return Answer()
        self.peer.run(commands.End(me=self.peer.me))
        self.peer.engine.told()
        return Answer()

    def _after(self) -> Answer:
        """A sign of life, where it is due, and never by crossing the network in the agent's way."""
        session = self.peer.session()
        if session is not None and sessions.holds(self.peer.state, self.name):
            leases = [lock.ttl for lock in locks.held_by(self.peer.state, self.name)]
            if self.peer.remote is not None and (int(time.time()) - session.at) * 2 >= min([session.ttl, *leases]):
                detached.start(os.environ, self.site.top, "session", "renew", "--if-due")
            else:
                self.peer.keep_alive()
                self.peer.engine.told()
        return Answer(context=self._news() if self.heard else "")

    def _prompt(self) -> Answer:
        """What now needs action, each thing once."""
        self._unwait()
        return Answer(context=self._news())

    def _stop(self) -> Answer:
        """What is still owed, once: the same list never keeps an agent from stopping twice."""
        if self.event.over:
            memory.subagent_over(self.site, self.name, self.event.subagent)
        if self.event.over or self.event.subagent or self.event.stopping:
            return Answer()
        from git_peer.agents import owed

        debts = [one for one in owed.of(self.peer) if not (one.is_work and self._is_a_runners)]
        known = self.notes.get("owed")
        keys = sorted(debt.key for debt in debts)
        if known != keys:
            self._keep(owed=keys)
        if not debts or (known is not None and set(keys) <= set(known)):
            return Answer()
        return Answer(go_on=wording.owed([debt.text for debt in debts]))

    # -- locks --------------------------------------------------------------------------------------
    def _locking(self, paths: list[str], sweeping: tuple[str, ...]) -> Answer:
        """The paths become this session's, or the change is refused."""
        near = self._neighbours() if sweeping else []
        if near:
            return Answer(deny=wording.sweeping(sweeping, near))
        wanted = self._wanted(paths)
        if not wanted:
            return Answer(context=self._news() if self.heard else "")
        real = [target.real for target in wanted]
        found = self.peer.check(real)
        if not found and self.event.subagent:
            apart = memory.others(self.site, self.name, self.event.subagent, real)
            if apart:
                return Answer(deny=wording.apart(apart))
        if not found and self.peer.settings.get("autoLock") and self._may_lock:
            fresh = [target for target in wanted if not self._has(target)]
            found = self._take(fresh)
            if fresh and not found:
                self._look_behind(fresh)
        if found:
            return self._refuse(found)
        return Answer(context=self._news() if self.heard else "")

    def _wanted(self, paths: Iterable[str]) -> list[Target]:
        """What of the paths is this repository's: not what git ignores, and nothing inside a submodule."""
        repo, found = self.peer.repo, []
        for path in paths:
            kind = repo.what_is(path)
            if "submodule" in kind:
                continue
            target = targets.of_path("dir" if kind == "dir" else "file", path)
            if target.encoding or not repo.handle.path_is_ignored(path) or repo.is_indexed(path):
                found.append(target)
        return found

    @property
    def _may_lock(self) -> bool:
        """Whether what is taken here can ever be arbitrated: a clone that only follows the log takes nothing."""
        return self.peer.remote is None or self.peer.clone.facts.get("writable") is not False

    def _has(self, target: Target) -> bool:
        """Whether a live lock of this session covers all of it."""
        mine = (view for view in self.peer.locks([target]) if view["session"] == self.name)
        held = (view for view in mine if view["live"] and view["state"] == "held" and view["kind"] in _WHOLE)
        return any(targets.contains(targets.of_path(view["kind"], _real(view)), target) for view in held)

    def _take(self, wanted: list[Target]) -> list[dict[str, Any]]:
        """Take locks; what stands against it. In local mode really, with a remote by this clone's word for now."""
        if not wanted:
            return []
        wish = Wish(targets=tuple(dict.fromkeys(wanted)))
        try:
            if self.peer.remote is None:
                self.peer.take(wish)
                self.peer.engine.told()
            else:
                from git_peer.ops import sync as tentative

                tentative.take(self.peer, wish, PATIENCE)
                detached.ensure_sender(self.site, os.environ)
        except PeerError as why:
            against: list[dict[str, Any]] = why.extra.get("conflicts", [])
            if why.code != "locked" or not against:
                raise
            return [{"path": one["target"], "why": "locked", **one} for one in against]
        wants = self.notes.get("wants", {})
        got = {target.path for target in wanted}
        if got & wants.keys():
            self._keep(wants={path: since for path, since in wants.items() if path not in got})
        return []

    def _look_behind(self, taken: list[Target]) -> None:
        """What has landed on these paths since this branch left is told with the next word that the model hears."""
        from git_peer.ops import behind

        late = behind.of(self.peer, taken)
        if late:
            self._keep(late=[*self.notes.get("late", ()), *late][-wording.SHOWN :])

    def _refuse(self, found: list[dict[str, Any]]) -> Answer:
        now = int(time.time())
        held = [one["path"] for one in found if one["why"] == "locked"]
        if held:
            self._keep(wants={**self.notes.get("wants", {}), **dict.fromkeys(held, now)})
        news = self._news()  # a reason reaches every agent's model
        return Answer(deny="\n".join(filter(None, (wording.refused(self.peer, found), news))))

    def _neighbours(self) -> list[str]:
        """Other live sessions in this very work tree; its person counts only while holding something."""
        at, mine = self.peer.engine.look(), self.peer.session()
        found = [
            other.name
            for other in at.sessions
            if sessions.same_run(other, self.peer.me)
            and sessions.is_live(other, at.scene)
            and other.name != self.name
            and (mine is None or other.sid != mine.sid)
            and (not other.default or sessions.holds(at.state, other.name))
        ]
        names = (marker.get("session", {}) for marker in self.peer.clone.tentative().values())
        here = [
            str(one.get("name"))
            for one in names
            if one.get("clone") == self.peer.me.clone and one.get("gitdir", "") == self.peer.me.gitdir
        ]
        return sorted({*found, *(name for name in here if name != self.name)})

    # -- news ---------------------------------------------------------------------------------------
    def _news(self) -> str:
        """What the agent has not been told yet and must act on; it counts as told now."""
        from git_peer.ops import notices

        tip = memory.tip(self.site)
        told = [one for one in notices.of(self.peer) if one["code"] in TOLD]
        keys = sorted({wording.key(one) for one in told})
        known = set(self.notes.get("told", ()))
        fresh = [*self.notes.get("late", ()), *(one for one in told if wording.key(one) not in known)]
        self._keep(told=keys, late=[], looked=[int(time.time()), tip])
        if told:
            notices.are_told(self.peer)
        return wording.news(fresh)

    def _keep(self, **notes: Any) -> None:
        self.notes |= notes
        memory.keep(self.site, self.name, self.notes)

    def _unwait(self) -> None:
        """The agent is at work again: nobody need wake it."""
        try:
            os.unlink(memory.waiter(self.site, self.name))
        except OSError:
            return


def _real(view: dict[str, Any]) -> str:
    """The path of a lock's view as it is."""
    return layout.unpercent(view["path"]) if view.get("path_encoding") else str(view["path"])
