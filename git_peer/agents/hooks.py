"""What the hooks of agents do where this clone's memory is not enough: sessions, locks, briefings, what is owed."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from git_peer import layout
from git_peer.agents import detached, edits, memory
from git_peer.agents import phrases as wording
from git_peer.agents import site as sites
from git_peer.agents.event import LOCKING, Answer, Event, pairs
from git_peer.agents.shell import OPENS, Call
from git_peer.agents.site import Site
from git_peer.core.errors import PeerError
from git_peer.core.lock import record as locks
from git_peer.core.lock import rule as verdict
from git_peer.core.lock.decide import Wish
from git_peer.core.rules import decide as commands
from git_peer.core.session import record as sessions
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target
from git_peer.ops.peer import Peer, shown_path
from git_peer.ops.wiring import Parts
from git_peer.store.clone import runs

PATIENCE = 1.5  # seconds that a hook waits for other writers of this clone
MOST = 200  # files of a folder that are looked at one by one
LOOK = 1.0  # seconds that a refusal, and who reads news, waits for the remote
_LOOKING = ("session-start", "prompt", "stop")  # events at which an agent reads what others have told
_NOT_HERE = ("submodule", "inside-submodule", "inside-repository")  # what another repository has
_WHOLE = ("file", "dir", "glob")  # locks that may cover a whole file
PUBLISHING = ("prompt", "post-edit", "stop")  # after which what the work tree has may be new
PUBLISH_EVERY = 20  # seconds
# Notices that an agent has to act on.
TOLD = ("lost", "session", "task", "answer", "delta", "debate", "question", "gate")


def handle(event: Event, groups: Sequence[tuple[Site, list[str], list[Call]]], heard: bool) -> Answer:
    """Answer an event. `groups`: work trees, with the paths that it changes there, and git commands that run there.

    `heard`: whether context reaches the agent's model with this event; else news waits for one with which it does.
    """
    answers = [_Hook(event, site, heard).answer(paths, calls) for site, paths, calls in groups]
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
        self.fresh = True  # False: the remote was asked, and did not answer in time

    def answer(self, paths: list[str], calls: list[Call]) -> Answer:
        """The answer of this work tree."""
        if self.event.name != "session-end":
            self._note_run()
        if self.site.remote:
            if self.event.name in _LOOKING and not (self.event.over or self.event.subagent or self.event.stopping):
                self.peer.look(LOOK)
            detached.refresh_if_stale(self.site, os.environ)
            if self.peer.clone.tentative():
                detached.ensure_sender(self.site, os.environ)
        name = self.event.name
        if name in PUBLISHING:
            self._publish()
        if name in LOCKING:
            return self._locking(paths, calls)
        found: Answer = {
            "session-start": self._start,
            "prompt": self._prompt,
            "post-edit": self._after,
            "pre-compact": self._after,
            "stop": self._stop,
            "session-end": self._end,
        }[name]()
        return found

    def _note_run(self) -> None:
        """Note which process the session is of, and that it reaches into this work tree from another of the clone."""
        process = runs.noted(self.notes.get("process"), runs.process(self.event.caller) if self.event.caller else {})
        if process and process != self.notes.get("process"):
            self._keep(process=process)
        here = sites.of(self.event.cwd, os.environ)
        if here is None or here.common != self.site.common or here.gitdir == self.site.gitdir or self.event.subagent:
            return
        other = here.session(os.environ)
        if other and other not in self.notes.get("also", ()):
            self._keep(also=[*self.notes.get("also", ()), other])
            theirs = memory.of(here, other)
            memory.keep(here, other, {**theirs, "also": [*theirs.get("also", ()), self.name]})

    def _publish(self) -> None:
        """Where peer.publishWork is on, have a process publish what this work tree has now."""
        now = int(time.time())
        if self.peer.remote is None or now - self.notes.get("published", 0) < PUBLISH_EVERY:
            return
        if self.peer.settings.get("publishWork") and self.peer.session() is not None:
            self._keep(published=now)
            detached.start(os.environ, self.site.top, "hook", "publish")

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
        from git_peer.ops import unlanded

        self.peer.run(commands.End(me=self.peer.me, **unlanded.for_end(self.peer)))
        self.peer.engine.told()
        return Answer()

    def _after(self) -> Answer:
        """A sign of life, where it is due, and never by crossing the network in the agent's way."""
        session = self.peer.session()
        if session is not None and sessions.holds(self.peer.state, self.name):
            leases = [lock.ttl for lock in locks.held_by(self.peer.state, self.name)]
            half = min([session.ttl, *leases]) / 2
            due = min(self.peer.settings.get("heartbeat") or half, half)
            if self.peer.remote is not None and int(time.time()) - session.at >= due:
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
    def _locking(self, paths: list[str], calls: list[Call]) -> Answer:
        """The paths become this session's, or the change is refused."""
        for call in calls:
            against = self._settled(lambda call=call: self._against(call))  # type: ignore[misc]
            if against:
                return self._refuse(against, call.command)
        wanted = self._wanted(paths)
        if not wanted:
            return Answer(context=self._news() if self.heard else "")
        real = [target.real for target in wanted]
        found = self._settled(lambda: self.peer.check(real))
        if any((one.get("lock") or {}).get("blob") for one in found):
            found = self._settled(lambda: self._check_lines(real))
        if not found and self.event.subagent:
            apart = memory.others(self.site, self.name, self.event.subagent, real)
            if apart:
                return Answer(deny=wording.apart(apart))
        if not found and self.peer.settings.get("autoLock") != "off" and self._may_lock:
            free = self.peer.marked(real, verdict.FREE) if self.peer.has_marks else set()
            mine = [target for target in wanted if target.real not in free and not self._has(target)]
            fresh = [part for target in mine for part in self._parts(target)]
            found = self._settled(lambda: self._take(fresh))
            if fresh and not found:
                self._look_behind(fresh)
            if not found:
                self._note_parts(wanted)
        if found:
            return self._refuse(found)
        return Answer(context=self._news() if self.heard else "")

    def _check_lines(self, paths: list[str]) -> list[dict[str, Any]]:
        """What stands against a change of some paths, where others have lines of them: by what this edit does."""
        from git_peer.ops import lines

        found: list[dict[str, Any]] = []
        for path in paths:
            edit = self._edit(path)
            found += self.peer.check([path]) if edit is None else lines.check_edit(self.peer, path, *edit)
        return found

    def _parts(self, target: Target) -> list[Target]:
        """What of a file has to be locked for this edit: the sections that it changes and that are not this session's.

        Where it has none, the lines that it changes if others have lines of it; else the file, as in a log whose format
        has no locks on lines: a hook does not raise it, for that shuts older releases out.
        """
        has_lines = self.peer.state.log.format >= locks.OF_LINES
        edit = self._edit(target.real) if has_lines and target.kind == "file" else None
        if edit is None:
            return [target]
        from git_peer.ops import lines

        if self.peer.settings.get("autoLock") == "section":
            from git_peer.ops import sections

            changed = edits.stretches(edit[0], self._pairs(target.real))
            if changed is not None:
                if lines.has(self.peer, target.real, changed):
                    return []
                found = sections.of_edit(self.peer, target.real, edit[0], changed)
                if found is not None:
                    return found
        return [lines.of_edit(self.peer, target.real, *edit)] if self.peer.check([target.real]) else [target]

    def _edit(self, path: str) -> tuple[bytes, bytes] | None:
        """A file, and what the edit makes of it, where the agent tells that."""
        from git_peer.ops import lines

        pairs = self._pairs(path)
        if not pairs:
            return None
        before = lines.text_of(self.peer, path)
        after = before
        for old, new in pairs:
            if not old or old not in after:
                return None
            after = after.replace(old, new)
        return before, after

    def _pairs(self, path: str) -> list[tuple[bytes, bytes]]:
        """What the agent said that it replaces in a file, and by what."""
        return pairs(self.event, os.path.realpath(os.path.join(self.site.top, path)))

    def _note_parts(self, wanted: list[Target]) -> None:
        """Remember which lines of the files are this session's: the next edit of them is let through by that."""
        from git_peer.ops import lines

        for target in wanted if self.event.edits else ():
            views = lines.mine(self.peer, target.real) if target.kind == "file" else []
            if views and not self._has(target):
                lines.shown_here(self.peer, views)
                ids, spans = [one["id"] for one in views], [span for one in views for span in one.get("here", ())]
                text, changes = lines.text_of(self.peer, target.real), self._pairs(target.real)
                memory.note_part(self.site, self.name, target.real, ids, text, changes, spans)
                self.notes = memory.of(self.site, self.name)

    def _settled(self, ask: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
        """What stands against a change, by `ask`; asked again on a log that was fetched before it counts."""
        found = ask()
        if not found or self.peer.remote is None or not self.fresh:
            return found
        if all((one.get("lock") or {}).get("guarantee") == "tentative" for one in found):
            return found  # what nobody has arbitrated is this clone's own
        self.fresh = self.peer.refreshed(LOOK)
        if not self.fresh:
            detached.start(os.environ, self.site.top, "hook", "refresh")  # for the next who looks
        return ask() if self.fresh else found

    def _wanted(self, paths: Iterable[str]) -> list[Target]:
        """What of the paths is this repository's: not what git ignores, and nothing inside a submodule.

        Of a folder it is the files in it, unless they are too many.
        """
        repo, found = self.peer.repo, []
        for path in paths:
            kind = repo.what_is(path)
            inner = self._inside(path) if kind == "dir" else [path]
            for one in inner:
                if (kind if one == path else repo.what_is(one)) in _NOT_HERE:
                    continue
                target = targets.of_path("dir" if kind == "dir" and one == path else "file", one)
                if target.encoding or not repo.is_ignored(one) or repo.mode_of(one):
                    found.append(target)
        return found

    def _inside(self, folder: str) -> list[str]:
        """The files in a folder; the folder itself where they are many."""
        found: list[str] = []
        top = os.fsencode(self.site.top)
        for where, folders, names in os.walk(os.path.join(top, layout.to_bytes(folder))):
            folders[:] = [name for name in folders if name.lower() != b".git"]
            found += [layout.from_bytes(os.path.relpath(os.path.join(where, name), top)) for name in names]
            if len(found) > MOST:
                return [folder]
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
            # What has lapsed, and may be taken a little later, stands in nobody's way meanwhile.
            against = [one for one in against if one.get("lock") is None or one["lock"]["live"]]
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
        if any(target.blob for target in taken):
            from git_peer.ops import lines

            late += lines.beside(self.peer, taken)
        if late:
            self._keep(late=[*self.notes.get("late", ()), *late][-wording.SHOWN :])

    def _refuse(self, found: list[dict[str, Any]], command: str = "") -> Answer:
        now = int(time.time())
        held = [one["path"] for one in found if one["why"] == "locked"]
        against = [(str(one["path"]), wording.holder(one)) for one in found]
        what = "command" if command else "edit"
        self.peer.refused(what, str(found[0]["why"]) if found else "locked", against)
        if held:
            self._keep(wants={**self.notes.get("wants", {}), **dict.fromkeys(held, now)})
        news = self._news()  # a reason reaches every agent's model
        return Answer(deny="\n".join(filter(None, (wording.refused(self.peer, found, self.fresh, command), news))))

    def _against(self, call: Call) -> list[dict[str, Any]]:
        """The files that a git command would change, and that another holds."""
        if not self._others_hold:
            return []
        if call.verb == OPENS:
            return self._opened(call)
        if call.verb == "push" and not self._lands(call):
            return []
        from git_peer.agents import touched

        change = touched.by(call, str(self.peer.repo.top or self.site.top))
        found = self.peer.check(sorted({*change.edits, *change.moves}))
        found = [one for one in found if one["why"] == "locked" or (call.verb == "commit" and one["why"] == "fenced")]
        if call.verb == "commit":  # of lines the gate knows whether this touches them
            found = [one for one in found if not (one.get("lock") or {}).get("blob")]
        edits, here = set(map(shown_path, change.edits)), self._here
        return [
            one
            for one in found
            if (one["path"], one.get("path_encoding", "")) in edits or (one.get("lock") or {}).get("sid") in here
        ]

    def _opened(self, call: Call) -> list[dict[str, Any]]:
        """What others hold, and nothing would refuse any more once the gate is gone."""
        common = Path(self.site.common)
        at_path = call.words[:2] == ("git", "config") and call.words[2].lower() == "core.hookspath"
        if at_path and (common / layout.FOLDER / layout.D_CHAIN).is_dir():
            return []  # the gate stands before whatever folder is named
        return [self.peer.violation(raw) for raw in self.peer.held_by_others()]

    def _lands(self, call: Call) -> bool:
        """Whether a push goes to a branch that takes no change of what others hold."""
        from git_peer.ops.destination import HEADS, Gates, Place

        named = [word for word in call.words if not word.startswith("-")]
        gates = Gates(self.peer, Place(named[0] if named else "", ""))
        specs = [spec.lstrip("+").rpartition(":")[2] for spec in named[1:]]
        here = self.peer.repo.branch or ""
        refs = [here if spec in ("HEAD", "") else spec for spec in specs] or [here]
        everything = {"--all", "--branches", "--mirror"} & set(call.words)
        return bool(everything) or any(gates.gated(HEADS + ref.removeprefix(HEADS)) for ref in refs)

    @property
    def _others_hold(self) -> bool:
        """Whether there is a lock, or what a session has lost, that could stand against anything."""
        clone = self.peer.clone
        return any(self.peer.state.entries(layout.T_LOCKS) or ()) or bool(clone.tentative() or list(clone.losses()))

    @property
    def _here(self) -> set[str]:
        """The sids of the sessions in this very work tree."""
        known = [{"sid": s.sid, "clone": s.clone, "gitdir": s.gitdir} for s in sessions.all_of(self.peer.state)]
        known += [marker.get("session", {}) for marker in self.peer.clone.tentative().values()]
        me = self.peer.me
        return {
            str(one.get("sid")) for one in known if (one.get("clone"), one.get("gitdir", "")) == (me.clone, me.gitdir)
        }

    # -- news ---------------------------------------------------------------------------------------
    def _news(self) -> str:
        """What the agent has not been told yet and must act on; it counts as told now."""
        from git_peer.ops import notices

        tip = memory.tip(self.site)
        told = [one for one in notices.of(self.peer) if one["code"] in TOLD or one.get("remote")]
        keys = sorted({wording.key(one) for one in told})
        known = set(self.notes.get("told", ()))
        fresh = [*self.notes.get("late", ()), *(one for one in told if wording.key(one) not in known)]
        self._keep(told=keys, late=[], looked=[int(time.time()), tip])
        if told:
            with contextlib.suppress(PeerError):  # told all the same, and noted above
                notices.are_told(self.peer, told)
        return wording.news(fresh)

    def _keep(self, **notes: Any) -> None:
        self.notes |= notes
        memory.keep(self.site, self.name, self.notes)

    def _unwait(self) -> None:
        """The agent is at work again: nobody need wake it."""
        memory.unwait(self.site, self.name)


def _real(view: dict[str, Any]) -> str:
    """The path of a lock's view as it is."""
    return layout.unpercent(view["path"]) if view.get("path_encoding") else str(view["path"])
