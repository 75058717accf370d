"""Peer: the public API. What a session can ask of the log of one repository, and what it is answered.

Errors are `git_peer.core.errors.PeerError`; times are epoch seconds inside, RFC 3339 in answers.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from git_peer import layout
from git_peer.core import text
from git_peer.core.delta import record as deltas
from git_peer.core.errors import PeerError
from git_peer.core.lock import decide as taking
from git_peer.core.lock import fence as fences
from git_peer.core.lock import record as locks
from git_peer.core.lock import rule as verdict
from git_peer.core.lock.decide import Wish
from git_peer.core.lock.record import Lock
from git_peer.core.log import record as log
from git_peer.core.log.command import Command, Me, Outcome, Scene
from git_peer.core.log.state import State
from git_peer.core.plan.task import record as tasks
from git_peer.core.rules import decide as commands
from git_peer.core.session import clock as clocks
from git_peer.core.session import naming
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Session
from git_peer.core.target import target as targets
from git_peer.core.target.glob import covers
from git_peer.core.target.target import Target
from git_peer.publish import snapshot
from git_peer.publish.engine import Engine, Options, Publish
from git_peer.publish.snapshot import World
from git_peer.store import files
from git_peer.store.clone import runs, times
from git_peer.store.clone.clone import Clone
from git_peer.store.git import work
from git_peer.store.git.chain import Chain
from git_peer.store.git.libgit2 import GitError
from git_peer.store.git.repo import Repo
from git_peer.store.settings import Settings

if TYPE_CHECKING:
    from git_peer.store.clone.refusals import Watch
    from git_peer.store.git.remote import Remote

T = TypeVar("T")
C = TypeVar("C", bound=Command)

FRESH = 5.0  # seconds for which a copy of the log is new enough for who reads news
LOOK = 2.0  # seconds that such a reader waits for the remote


class Peer:
    """One run of somebody in one work tree of a repository that is set up."""

    def __init__(
        self,
        repo: Repo,
        clone: Clone,
        settings: Settings,
        me: Me,
        remote: Remote | None,
        world: World,
        options: Options,
    ) -> None:
        self.repo = repo
        self.clone = clone
        self.settings = settings
        self.me = me
        self.remote = remote
        self.chain = Chain(repo.handle)
        self.engine = Engine(self.chain, clone, remote, world, options)
        self.warned: list[dict[str, Any]] = []  # what this command has to say beside its answer, as notices

    # -- reading ----------------------------------------------------------------------------------
    @property
    def state(self) -> State:
        """The state at the verified tip; it is not to be changed."""
        return self.engine.state

    def scene(self, state: State) -> Scene:
        """The world as a decision on `state` sees it now."""
        at = self.engine.look()
        if state is at.state:
            return at.scene
        return snapshot.look(self.clone, self.engine.world, at.tip, state).scene

    def _has_left(self, session: Mapping[str, Any]) -> bool:
        """Whether a session is of this clone, and its work tree or process is gone."""
        mine = bool(self.me.clone) and session["clone"] == self.me.clone
        return mine and runs.has_left(str(self.clone.common), session)

    @property
    def clock(self) -> clocks.Clock:
        """This clone's clock, beside what it knows of the others'."""
        at = self.engine.look()
        return snapshot.clock_of(self.engine.world, at.sessions, at.seen)

    @property
    def clock_is_off(self) -> bool:
        """Whether this clock shows to be more than five minutes off the others'."""
        return self.clock.is_off

    @property
    def guarantee(self) -> str:
        """What a grant made here carries: remote, or local."""
        return "local" if self.remote is None else "remote"

    @property
    def traffic(self) -> dict[str, int]:
        """Pushes and fetches of this process."""
        remote = self.remote
        return {"pushes": remote.pushes if remote else 0, "fetches": remote.fetches if remote else 0}

    @property
    def name(self) -> str:
        """The session's name."""
        return sessions.name_for(self.state, self.me)

    def session(self) -> Session | None:
        """The session that this run goes on with, if it has started."""
        return sessions.find(self.state, self.me)

    def locks(self, among: Iterable[Target] = (), mine: bool = False) -> list[dict[str, Any]]:
        """Locks as the contract's L: all, those that overlap a target of `among`, or one's own; tentative ones too."""
        state, scene = self.state, self.scene(self.state)
        wanted = list(among)
        session = self.session()
        if mine:
            known = self.engine.look().sessions
            owners = {s.sid for s in known if sessions.owns(session, self.me, s)}
            names = [s.name for s in known if s.sid in owners]
            found = [lock for name in names for lock in locks.held_by(state, name) if lock.sid in owners]
            if wanted:
                found = [k for k in found if any(self._meet(k.target, t) for t in wanted)]
        elif wanted:
            found = [k for target in wanted for k in locks.near(state, target) if self._meet(k.target, target)]
        else:
            found = list(locks.all_of(state))
        views = [locks.describe(state, lock, scene, "") for lock in found]
        views += self._pending_views(state, wanted, mine, scene)
        views.extend(self._tentative_views(wanted, mine, state, scene))
        unique = {view["id"]: view for view in views}
        return sorted(unique.values(), key=lambda view: (view["kind"] == "name", view["path"], view["id"]))

    def _meet(self, held: Target, asked: Target) -> bool:
        """Whether two targets meet, lines followed from one version of their file to the other."""
        on = targets.carried(held, asked, self.engine.world.scene.carry)
        return targets.meet(held, asked, on, self.state.log.folds)

    def _pending_views(self, state: State, wanted: list[Target], mine: bool, scene: Scene) -> Iterator[dict[str, Any]]:
        """The locks that wait for their work to land, with what of it has: all, those on a target, or one's own."""
        if not any(state.entries(layout.T_PENDING) or ()):
            return
        known = files.read_json(self.clone.folder / layout.F_LANDING)
        every = (lock for target in wanted for lock in locks.pending_over(state, target)) if wanted else None
        for lock in every if every is not None else locks.pending(state):
            if not mine or locks.is_ones(state, self.session(), self.me, lock):
                landing = known.get(lock.id, {}).get("verdict")
                yield locks.describe(state, lock, scene, "") | ({"landing": landing} if landing else {})

    def _tentative_views(
        self, wanted: list[Target], mine: bool, state: State, scene: Scene
    ) -> Iterator[dict[str, Any]]:
        for marker in self.clone.tentative().values():
            session = msgspec.convert(marker.get("session"), Session)
            own = session.name == self.name and sessions.same_run(session, self.me)  # before the log has its session
            if mine and not own and not sessions.owns(self.session(), self.me, session):
                continue
            for raw in marker.get("locks", ()):
                lock = msgspec.convert(raw, Lock)
                if wanted and not any(self._meet(lock.target, t) for t in wanted):
                    continue
                yield locks.describe(_with_session(State(state), session), lock, scene, "")

    def check(self, paths: Iterable[str], head: str = "HEAD") -> list[dict[str, Any]]:
        """Violations if this run changed `paths` (from the top): {path, lock: L?, why}."""
        return self.violations({self.me_for_gate(): list(paths)}, head)

    def is_mine(self, view: Mapping[str, Any]) -> bool:
        """Whether a lock (L) is this run's own, or that of an agent which it owns."""
        holder = sessions.get(self.state, view["session"])
        if holder is None or holder.sid != view["sid"]:  # tentative, of a session that is in no log yet
            return (view["session"], view["host"], view["worktree"]) == (self.name, *self._here)
        return sessions.owns(self.session(), self.me, holder)

    def taken(self, names: Iterable[Target]) -> list[dict[str, Any]]:
        """What stands against this run's having names: {path, lock: L, why}, as check() tells of paths."""
        wanted = list(names)
        return [
            {"path": view["target"], "why": "locked", "lock": view}
            for view in (self.locks(wanted) if wanted else ())
            if view["live"] and view["state"] == "held" and not self.is_mine(view)
        ]

    def lapsed(self, among: Iterable[Target]) -> list[dict[str, Any]]:
        """The locks of others that overlap a target of `among`, and refuse nothing because their lease ran out (L)."""
        wanted = list(among)
        found = self.locks(wanted) if wanted else []
        return [view for view in found if not view["live"] and not self.is_mine(view)]

    def me_for_gate(self) -> tuple[str, str, str | None]:
        """(clone, gitdir, name) as the gate knows this run."""
        return self.me.clone, self.me.gitdir, self.me.name if self.me.name is not None or self.me.person else ""

    def violations(
        self, changes: Mapping[tuple[str, str, str | None], list[str]], head: str = "HEAD"
    ) -> list[dict[str, Any]]:
        """Violations of several authors' changes: author as me_for_gate() gives it → paths."""
        return [self.violation(raw) for author, paths in changes.items() for raw in self.against(author, paths, head)]

    def against(
        self,
        author: tuple[str, str, str | None],
        paths: Iterable[str],
        head: str = "HEAD",
        untouched: verdict.Untouched = verdict.all_touched,
    ) -> list[dict[str, Any]]:
        """What stands against an author's change of `paths`, as the one rule says it (lock/rule.judge)."""
        found = verdict.judge(
            self.state,
            paths,
            self._author(author),
            self.clock,
            list(self.clone.tentative().values()),
            [marker for _, marker in self.clone.losses()],
            lambda commit: self._contains(head, commit),
            self._doubted,
            self._has_left,
            untouched,
        )
        free = self.marked([raw["path"] for raw in found], verdict.FREE)
        return [raw for raw in found if raw["path"] not in free]

    def required(self, paths: Sequence[str]) -> list[dict[str, Any]]:
        """What stands against a change of paths that want a lock of whoever changes them, as against() has it."""
        from git_peer.hooks import gate

        if not gate.are_marked(str(self.repo.common), str(self.repo.top or "")):
            return []
        needed = self.marked(paths, verdict.NEEDED) - self.marked(paths, verdict.FREE)
        me = self._author(self.me_for_gate())
        wanted = [path for path in paths if path in needed]
        return verdict.unheld(self.state, wanted, me, self.clock, list(self.clone.tentative().values()))

    @property
    def has_marks(self) -> bool:
        """Whether any path may have an attribute of ours."""
        from git_peer.hooks import gate

        return gate.are_marked(str(self.repo.common), str(self.repo.top or "."))

    def marked(self, paths: Iterable[str], attribute: str) -> set[str]:
        """Those of the paths, from the top, that have an attribute of ours in the index."""
        given = list(dict.fromkeys(paths))
        found: set[str] = set()
        if not given:
            return found
        from git_peer.store.git.remote import run  # only a refusal asks git

        where = {"GIT_DIR": str(self.repo.gitdir), **({"GIT_WORK_TREE": str(self.repo.top)} if self.repo.top else {})}
        for words in verdict.asked(given):
            ran = run(words, self.repo.top or self.repo.gitdir, 10, where)
            found |= {path for path, names in verdict.told(ran.out).items() if attribute in names}
        return found

    def _author(self, author: tuple[str, str, str | None]) -> dict[str, Any]:
        """An author as the rule knows one; this run has other work trees' sessions besides its own."""
        clone, gitdir, name = author
        return {"clone": clone, "gitdir": gitdir, "name": name, "also": self.me.also if name == self.me.name else ()}

    def held_by_others(self) -> list[dict[str, Any]]:
        """The live locks on paths that this run does not own, as against() has them."""
        state, clock, me = self.state, self.clock, self._author(self.me_for_gate())
        found = []
        for lock in locks.all_of(state):
            holder = locks.holder_of(state, lock)
            if holder is None or lock.target.kind == "name" or lock.state != "held":
                continue
            session = msgspec.to_builtins(holder)
            live = clock.standing(session, lock.ttl) == clocks.LIVE and not self._has_left(session)
            if live and not verdict.owns(me, session):
                against = {"path": targets.show(lock.target), "why": "locked", "session": session}
                found.append({**against, "lock": msgspec.to_builtins(lock)})
        return found

    def _doubted(self, raw: Mapping[str, Any]) -> None:
        """Say that a lock was let lapse by a clock that nothing bears out."""
        path, then = shown_path(raw["path"])[0], times.when(raw["expires"])
        text = f"the lock of {raw['session']['name']} on {path} lapsed {then}, by a clock that nothing bears out yet"
        notice = {"code": "clock", "message": text, "hint": "`git peer sync` fetches what is new of its holder"}
        if notice not in self.warned:
            self.warned.append(notice)

    def _contains(self, head: str, commit: str) -> bool:
        try:
            return self.chain.descends(str(self.repo.handle.revparse_single(head).id), commit)
        except (KeyError, ValueError):
            return False

    def violation(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """What against() found, as the contract tells it: {path, lock: L?, why}."""
        state, scene = self.state, self.scene(self.state)
        shown, encoding = shown_path(raw["path"])
        view: dict[str, Any] = {"path": shown, "why": raw["why"], "lock": None}
        if encoding:
            view["path_encoding"] = encoding
        if raw.get("lock"):
            lock = msgspec.convert(raw["lock"], Lock)
            where = _with_session(State(state), msgspec.convert(raw["session"], Session)) if not lock.token else state
            view["lock"] = locks.describe(where, lock, scene, "")
        if raw.get("dispute"):
            view |= {"debate": raw["dispute"]["id"], "topic": raw["dispute"].get("topic", "")}
        if raw.get("fence"):
            view["holder"] = raw["fence"]["holder"]["session"]
            if raw.get("end"):
                view["lost"] = fences.describe_end(raw["end"])
        return view

    def peers(self) -> list[dict[str, Any]]:
        """Every session, as the contract tells it."""
        at = self.engine.look()
        state, scene = at.state, at.scene
        return [
            {
                "name": s.name,
                "sid": s.sid,
                "agent": s.agent or None,
                "host": s.host,
                "worktree": s.worktree,
                "branch": s.branch,
                "head": s.head,
                **sessions.says(s),
                "task": next((t.id for t in tasks.claimed_by(state, s.name) if t.status == "in_progress"), None),
                "last_seen": locks.rfc3339(s.at),
                "live": sessions.is_live(s, scene),
            }
            for s in at.sessions
        ]

    def reader(self) -> deltas.Reader:
        """This run, as deltas ask for whom they concern."""
        mine = self.session()
        return deltas.reader_of(self.state, self.name, mine.sid if mine else "", self.unlanded)

    def unlanded(self) -> list[str]:
        """The paths that this run's branch has changed and that have not landed, as far as it can be told."""
        return self.unlanded_of(self.repo.head) or []

    def left_open(self, released: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Notices of work under locks (L) of this work tree that have ended: what is not committed, or not landed."""
        mine = [v for v in released if (v["host"], v["worktree"], v["kind"] != "name") == (*self._here, True)]
        if not mine or self.repo.top is None:
            return []
        places = [(v["kind"], layout.unpercent(v["path"]) if v.get("path_encoding") else v["path"]) for v in mine]
        folds, branch = self.state.log.folds, self.state.log.integration or "the integration branch"

        def under(paths: Iterable[str]) -> list[str]:
            return [path for path in paths if any(covers(kind, at, path, folds) for kind, at in places)]

        loose = under(work.uncommitted(self.repo.handle))
        made = [path for path in under(self.unlanded()) if path not in loose]
        told = ((loose, "not committed"), (made, f"committed, and not landed on {text.word(branch)}"))
        return [
            {
                "code": "unlanded",
                "message": f"your work on {_few(paths)} is {what}, and others may change the same now",
                "paths": [shown_path(path)[0] for path in paths],
                "hint": "land it soon, or lock it again",
            }
            for paths, what in told
            if paths
        ]

    @property
    def _here(self) -> tuple[str, str]:
        return self.me.host, self.me.worktree

    def unlanded_of(self, head: str) -> list[str] | None:
        """The same of any commit; None where this clone cannot tell."""
        onto = work.integration(self.repo.handle, self.state.log.integration, self.remote.name if self.remote else "")
        return work.unlanded(self.repo.handle, head, onto)

    # -- writing ----------------------------------------------------------------------------------
    def run(self, command: Command, publish: Publish | None = None) -> dict[str, Any]:
        """Decide and publish a command; its answer, true for ever, or PeerError."""
        self.writable()
        from git_peer.publish import combine, recovery  # late, as admission: who only reads does without

        command = self.admitted(command)
        if publish is None:
            try:
                return combine.submit(self.engine, command)
            except PeerError as why:
                if not why.extra.get("moved") or not self._moved():
                    self.refuse_half()
                    raise
                # What was held in the local log is tentative now, and stands against a grant here as before.
                against = self.tentative_conflict(command.wish) if isinstance(command, taking.Take) else None
                if against is not None:
                    raise against from None
                return combine.submit(self.engine, command)
        with self.clone.writing(self.settings.get("retryTimeout")):
            recovery.recover(self.engine)
            return self.engine.transact(command, publish)

    def admitted(self, command: C) -> C:
        """`command` as it may be written down; PeerError where it carries a secret."""
        from git_peer.ops import admission

        return admission.admitted(command, self.settings, os.environ)

    def redacted(self, text: str) -> str:
        """What a program or a model said, without the secrets in it."""
        from git_peer.ops import admission

        return admission.redacted(text, self.settings, os.environ)

    def look_up(self, find: Callable[[State], T]) -> T:
        """What `find` finds in the state, for a writer; its refusal counts only on a state that was fetched for it."""
        try:
            return find(self.state)
        except PeerError as why:
            if self.remote is None:
                raise
            patience = self.settings.get("retryTimeout")
            with self.clone.writing(patience):
                self.engine.refresh(why, time.monotonic() + patience)
        return find(self.state)

    def refreshed(self, patience: float) -> bool:
        """Fetch the log in at most so many seconds; whether that was done. Of several that ask at once one fetches."""
        return self._not_fetched(patience) is None

    def _not_fetched(self, patience: float) -> PeerError | None:
        """Fetch the log; why that could not be done."""
        if self.remote is None:
            return None
        began, end = time.time(), time.monotonic() + patience
        try:
            with self.clone.writing(patience):
                if times.fetched_at(self.clone.folder) < began:
                    self.engine.advance(end - time.monotonic())
        except PeerError as why:
            return why
        except (OSError, GitError) as why:  # a folder that may only be read
            return PeerError("failed", f"the log cannot be fetched into this clone: {why}", "")
        return None

    def look(self, patience: float = LOOK) -> None:
        """For who reads news: have the log fetched where this copy is older than FRESH, in at most so many seconds.

        Where the remote does not answer by then a notice says how old the copy is, a fetch goes on for the next who
        looks, and for a while nobody else waits for it.
        """
        if self.remote is None or self.clone.fetched_ago <= FRESH:
            return
        silent = f"{self.remote.name} did not answer"
        if not self.clone.is_silent(self.settings.get("maxStaleness")):
            end = time.monotonic() + patience
            why = self._not_fetched(patience)
            if why is None:
                return
            if why.code not in ("unreachable", "busy"):
                silent = why.message
            self.clone.note_silent()
            if why.code == "unreachable" and time.monotonic() >= end:
                from git_peer.hooks import background

                with contextlib.suppress(OSError):
                    background.start(os.environ, str(self.repo.top or self.repo.gitdir), "hook", "refresh")
        age = times.age(self.clone.folder)
        old = "of unknown age" if age is None else f"{age} s old"
        message = f"the copy of the log is {old}: {silent}"
        hint = "`git peer sync` looks again"
        self.warned.append({"code": "stale", "message": message, "age": age, "remote": self.remote.name, "hint": hint})

    def _moved(self) -> bool:
        """Follow a log that was moved to a remote while this run waited; False where the move broke off."""
        with self.clone.writing(self.settings.get("retryTimeout")):
            self.clone.look_again()
        facts = self.clone.facts
        if facts.get("remote"):
            name = str(self.settings.get("remote") or facts["remote"])
            from git_peer.store.git.remote import Remote

            self.remote = Remote(self.repo.gitdir, self.repo.top, name, str(facts["branch"]))
            self.engine.follow(self.remote)
        return self.remote is not None

    def keep_alive(self) -> bool:
        """Renew this session's leases where that is due; whether it was published. For hooks and timers, often."""
        session = self.session()
        if session is None or not sessions.holds(self.state, session.name):
            return False
        from git_peer.publish import combine

        leases = [lock.ttl for lock in locks.held_by(self.state, session.name)]
        age, ttl = times.now() - session.at, min([session.ttl, *leases, *self._heartbeat])
        return combine.keep_alive(self.engine, commands.Renew(me=self.me), session.sid, age, ttl)

    @property
    def _heartbeat(self) -> list[int]:
        """The TTL of which the wanted interval is half, for renewals are due then; none where the leases' own do."""
        every = self.settings.get("heartbeat")
        return [2 * every] if every else []

    def integrate_on(self, branch: str) -> None:
        """Record that work lands on another branch now."""
        self.writable()

        def decide(state: State, scene: Scene, fresh: bool) -> Outcome:
            event = log.LogIntegration(id=scene.ident(), at=scene.now, by="git-peer", branch=branch)
            return Outcome([event] if state.log.integration != branch else [], lambda after, scene: {})

        with self.clone.writing(self.settings.get("retryTimeout")):
            self.engine.attempt(decide)

    def refused(self, what: str, code: str, against: Iterable[tuple[str, str]]) -> None:
        """Tell whoever watches this clone that a `what` was refused: `against` has paths with who holds them."""
        from git_peer.store.clone import refusals

        refusals.note(self.clone.folder, self.name, what, code, against)

    def refusals(self) -> Watch:
        """What is refused in this clone from here on."""
        from git_peer.store.clone.refusals import Watch

        return Watch(self.clone.folder)

    def upgrade(self) -> int:
        """Move the log to this release's format, whose events older releases cannot write; the format it has then."""
        self.writable()

        def decide(state: State, scene: Scene, fresh: bool) -> Outcome:
            steps = range(state.log.format + 1, layout.FORMAT + 1)
            events = [log.LogFormat(id=scene.ident(), at=scene.now, by="git-peer", format=step) for step in steps]
            return Outcome(list(events), lambda after, scene: {})

        with self.clone.writing(self.settings.get("retryTimeout")):
            self.engine.attempt(decide)
        return self.state.log.format

    def writable(self) -> None:
        """PeerError unless this clone may write to the log."""
        if self.remote is not None and self.clone.facts.get("writable") is False:
            raise PeerError(
                "not_allowed",
                f"this clone follows the log on {self.remote.name} as a reader: it may not push there",
                "`git peer init` tries again once you may push",
            )
        if self.state.log.format > layout.FORMAT:
            raise PeerError("newer_format", f"the log has format {self.state.log.format}", "update git-peer")

    def refuse_half(self) -> None:
        """PeerError where the log lives on a remote, and this clone's set-up names none."""
        if self.remote is None and self.state.log.mode == "remote":
            message = "this clone's set-up is not finished: its log is on a remote, and it does not know which"
            raise PeerError("not_set_up", message, "`git peer init` finishes it")

    def take(self, wish: Wish) -> dict[str, Any]:
        """Take locks, all or none; {acquired, locks}. Raises PeerError("locked") with `conflicts`."""
        end = time.monotonic() + (wish.wait or 0)
        wish = self.with_blobs(wish)
        try:
            answer = self._ask(wish)
        except PeerError as why:
            if why.code == "unreachable":
                why.hint += "; `git peer lock --offline` takes a tentative lock meanwhile"
            raise
        return answer if answer["acquired"] else self._wait(wish, answer, end)

    def _ask(self, wish: Wish) -> dict[str, Any]:
        """Ask once. Who waits does so for another session's tentative lock of this clone too, which is in no log."""
        tentative = self.tentative_conflict(wish)
        if tentative is None:
            return self.run(taking.Take(me=self.me, wish=wish))
        if wish.wait is None:
            raise tentative
        return {"acquired": False, "conflicts": tentative.extra["conflicts"], "why": tentative.message}

    def _wait(self, wish: Wish, answer: dict[str, Any], end: float) -> dict[str, Any]:
        """Look again and again until it is one's turn, or the time is up; the place in the queue is given up then.

        `end` is that time on the monotonic clock.
        """
        try:
            while not answer["acquired"]:
                self.engine.options.waits(f"for {answer['conflicts'][0]['target']}: {answer['why']}")
                left = end - time.monotonic()
                if left <= 0:
                    raise PeerError(
                        "locked",
                        f"waited {wish.wait} s in vain: {answer['why']}",
                        "work on something else, or ask its holder",
                        acquired=False,
                        conflicts=answer["conflicts"],
                    )
                self.sleep_until_news(min(left, 5.0))
                self.engine.look_again()  # what runs out is no news, but opens the way
                answer = self._ask(wish)
        except BaseException:
            self.run(taking.Unwait(me=self.me, targets=wish.targets, mode=wish.mode))
            raise
        return answer

    def sleep_until_news(self, longest: float) -> None:
        """Wait for the tip, or what is tentative, to change: looked at every 50 ms, fetched every second or two."""
        old, end = (self.engine.tip(), self.clone.tentative()), time.monotonic() + longest
        while (self.engine.tip(), self.clone.tentative()) == old and time.monotonic() < end:
            time.sleep(0.05)
            # Of all that wait in this clone one fetches.
            if self.remote is not None and self.clone.fetched_ago > 2:
                with self.clone.try_writing() as mine:
                    if mine:
                        self.engine.advance(self.settings.get("retryTimeout"))

    def dry_run(self, wish: Wish) -> dict[str, Any]:
        """Whether take() would be granted by the local copy; nothing is written."""
        at = self.engine.look()
        commands.decide(State(at.state), taking.Take(me=self.me, wish=wish), at.scene)
        return {"acquired": False, "would_acquire": True, "locks": []}

    def with_blobs(self, wish: Wish) -> Wish:
        """`wish` with the blobs that its files have at HEAD, for the lock's record, and what they are to land on."""
        blobs = {t.path: self.repo.blob_at_head(t.real) for t in wish.targets if t.kind == "file"}
        onto = work.integration(self.repo.handle, self.state.log.integration, self.remote.name if self.remote else "")
        return msgspec.structs.replace(wish, blobs={path: blob for path, blob in blobs.items() if blob}, onto=onto)

    def tentative_conflict(self, wish: Wish) -> PeerError | None:
        """Tentative locks of this clone's other sessions stand against a grant as others' locks do."""
        state, scene = self.state, self.scene(self.state)
        mine = self.session()
        against: list[tuple[Target, Lock]] = []
        for marker in self.clone.tentative().values():
            holder = msgspec.convert(marker.get("session"), Session)
            if sessions.owns(mine, self.me, holder) or (
                holder.name == self.me.name and sessions.same_run(holder, self.me)
            ):
                continue
            if sessions.is_elsewhere(self.me, holder) or self._has_left(snapshot.heard(holder)):
                continue
            for raw in marker.get("locks", ()):
                lock = msgspec.convert(raw, Lock)
                live = scene.now <= sessions.expires(holder, lock.ttl, scene)
                for target in wish.targets:
                    if live and "exclusive" in (lock.mode, wish.mode) and self._meet(lock.target, target):
                        against.append((target, lock))
                        state = _with_session(State(self.state), holder)
        return taking.locked(state, against, scene) if against else None


def _few(paths: list[str]) -> str:
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(text.word(shown_path(path)[0], 200) for path in paths[:3]) + more


def shown_path(path: str) -> tuple[str, str]:
    """(path for JSON, "" or "percent")."""
    return (path, "") if layout.is_utf8(path) else (layout.percent(path), "percent")


def _with_session(state: State, session: Session) -> State:
    """A state in which `session` is known too: what a tentative lock's marker says of its holder."""
    if naming.is_name(session.name) and sessions.get(state, session.name) is None:
        state.put(layout.session(session.name), session)
    return state
