"""Setting up: joining a log, starting one, publishing a local one, and repairing what is set up."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import time
from hashlib import sha256
from typing import Any

import msgspec

from git_peer import layout
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.lock import record as locks
from git_peer.core.lock.decide import Take, Wish
from git_peer.core.lock.record import Lock
from git_peer.core.log import record as log
from git_peer.core.log.command import Command, Me, Outcome, Scene
from git_peer.core.log.state import State
from git_peer.core.rules import carry as carrying
from git_peer.core.session import record as sessions
from git_peer.core.target.glob import is_glob
from git_peer.core.text import quoted
from git_peer.hooks import install as hooks
from git_peer.hooks import mirrors, rewriting, strictness
from git_peer.hooks.site import HookState
from git_peer.ops import gate, uninstall
from git_peer.ops.log_repair import restored
from git_peer.publish import loss, snapshot
from git_peer.publish.engine import Decide, Engine, Options, receive
from git_peer.publish.snapshot import World
from git_peer.store.clone import held as holdings
from git_peer.store.clone import times
from git_peer.store.clone.clone import Clone
from git_peer.store.git import refs
from git_peer.store.git.chain import Chain, Problem
from git_peer.store.git.remote import Remote
from git_peer.store.git.repo import Repo
from git_peer.store.settings import Settings, branch_name

README = """\
# The coordination log of git-peer

This branch holds no code. It is the log by which the agents and people of this repository coordinate: plans,
locks, deltas and debates. Each commit is one transaction, its message holds the events, its tree is the
present state. `git peer` writes it; do not edit it by hand. `git peer help` says more.
"""


_MAY_YOU = "may you push that branch there? `git peer init --branch NAME` takes another"
FORGET = "`git peer uninstall`, then `git peer init --local`, starts one of its own"


class Setup:
    """`git peer init` in one repository."""

    def __init__(self, repo: Repo, clone: Clone, settings: Settings, me: Me, world: World, options: Options) -> None:
        self.repo, self.clone, self.settings, self.me, self.world, self.options = (
            repo, clone, settings, me, world, options
        )  # fmt: skip
        self.chain = Chain(repo.handle)
        self.patience: int = settings.get("retryTimeout")
        self._strict = self._made_strict = False

    def remote_name(self, asked: str | None) -> str:
        """The remote to look for a log on: asked for, configured, origin, or the only one; "" for none."""
        names = list(self.repo.git.remotes.names())
        if asked is not None:
            if asked not in names:
                from git_peer.core import near

                hint = near.hint(asked, (name for name in names if name), "`git remote -v` lists them")
                raise PeerError("not_found", f"no remote called {asked}", hint)
            return asked
        configured = str(self.clone.facts.get("remote") or self.settings.get("remote") or "")
        if configured:
            return configured
        usable = [name for name in names if name is not None]
        return "origin" if "origin" in usable else usable[0] if len(usable) == 1 else ""

    def find_remote(self) -> Remote | None:
        """The remote that would be looked on for a log in a clone that is not set up."""
        name = self.remote_name(None)
        return Remote(self.repo.gitdir, self.repo.top, name, self._known_branch()) if name else None

    def set_up(
        self, remote: str | None, local: bool, branch: str | None, guarded: bool, strict: bool = False
    ) -> dict[str, Any]:
        """init(), and what else a clone is set up with: the settings of git that keep our refs and notes.

        `strict` has the gate look at every move of a branch, as peer.strict does.
        """
        if branch is not None:
            try:
                branch_name(branch)
            except ValueError as why:
                raise PeerError("usage", str(why), "as git names branches: peer/coordination") from None
        self._strict = strict or (guarded and bool(self.settings.get("strict")))
        done = self.init(remote, local, branch, guarded)
        if self._made_strict:
            self.clone.set_up(strict=True)
        rewriting.add(self.clone)
        mirrors.guard(self.clone)
        if guarded:  # after all that writes git's settings: from here on a glance tells whether the gate still stands
            gate.notices(self.repo, mend=True)
        return done

    def init(self, remote: str | None, local: bool, branch: str | None, guarded: bool = False) -> dict[str, Any]:
        """Join the remote's log, else start a local one; with `remote` publish it. Again: repair.

        `guarded` has the hooks installed. Answers {mode, remote, branch, log_id, created, writable, hooks}. What is
        refused leaves everything as it was.
        """
        self.settings.check()
        self.clone.look_again()
        if self.clone.facts.get("purging"):  # it was cut off, and is finished first
            uninstall.take_out(self.repo, self.clone, True, uninstall.Left())
            self.clone.look_again()
        if not local:
            remote = remote or self.clone.facts.get("moving") or None  # a publication that was cut off
        self.branch = branch or self._known_branch()
        self._wanted, self._guarded, self.hooks = guarded, False, list[HookState]()
        try:
            with self.clone.writing(self.patience):
                there = self._refs()
                try:
                    return self._init(remote, local, branch is not None)
                except BaseException:
                    self._undo(there)
                    raise
        except PeerError:
            with contextlib.suppress(OSError):
                self.clone.folder.rmdir()  # empty, where there was no room for the kernel lock
            raise

    def _undo(self, there: set[str]) -> None:
        """A refusal leaves nothing behind where git-peer was not set up. `there`: our refs from before."""
        self.clone.look_again()
        if self.clone.is_set_up:
            return
        if self._guarded:
            hooks.remove(self.repo.common, self.repo.top)
            if self._made_strict:
                strictness.take_out(self.repo.common)
        shutil.rmtree(self.clone.folder, ignore_errors=True)
        for name in self._refs() - there:
            try:
                refs.delete(self.repo.git, name)
            except PeerError:  # there is no room for git's lock file
                (self.repo.common / name).unlink(missing_ok=True)
        uninstall.sweep(self.repo)

    def _refs(self) -> set[str]:
        """Our refs that are here."""
        return {name for name in self.repo.git.references if name.startswith(layout.OURS)}

    def _known_branch(self) -> str:
        """The branch that the log was on, or is to be on. One beside a remote that is not known was a failed try."""
        facts = self.clone.facts
        astray = not facts.get("remote") and self._mode == "remote"
        return str((not astray and facts.get("branch")) or self.settings.get("branch"))

    @property
    def _mode(self) -> str:
        """Where the log that is here lives; "" where there is none, or none that can be read."""
        try:
            return self.chain.state(self.chain.tip).log.mode if self.chain.tip else ""
        except (Malformed, PeerError):
            return ""

    def _init(self, remote: str | None, local: bool, chosen: bool) -> dict[str, Any]:
        self.clone.look_again()
        self.clone.recover()
        self.clone.adopt_copy()
        if self.chain.tip is None and self.clone.is_set_up and not self.clone.facts.get("remote"):
            restored(self.clone, self.chain)
        name = "" if local else self.remote_name(remote)
        at = Remote(self.repo.gitdir, self.repo.top, name, self.branch) if name else None
        mode = self._mode
        if mode == "remote":
            created = self._follow(at, local)
        elif mode == "local":
            created = self._go_on(at, remote is not None, local)
        elif mode == "moving":
            created = self._publish(at) if at is not None else False
        else:
            created = self._join_or_create(at, remote is not None, chosen, local)
        self._ready()
        return self._answer(created)

    def _ready(self) -> None:
        """The hooks, before anything that they are to guard is there."""
        if not self._guarded:
            self._guarded = True
            self._made_strict = self._strict and strictness.add(self.repo.common)
            self.hooks = hooks.install(self.repo.common, self.repo.top) if self._wanted else []

    def _answer(self, created: bool) -> dict[str, Any]:
        state = self.chain.state(self.chain.tip).log
        remote = self.clone.facts.get("remote") or None
        return {
            "mode": state.mode,
            "remote": remote if state.mode == "remote" else None,
            "branch": self.branch,
            "log_id": state.id,
            "created": created,
            "writable": self.clone.facts.get("writable", True),
            "hooks": [{"name": s.name, "path": str(s.path), "state": s.state, "detail": s.detail} for s in self.hooks],
        }

    # -- joining ----------------------------------------------------------------------------------
    def _follow(self, at: Remote | None, local: bool) -> bool:
        """Go on with the remote's log that this clone has; nothing is written before it is seen to be there."""
        facts = self.clone.facts
        where = f"{facts.get('remote') or 'a remote'} ({facts.get('branch') or self.branch})"
        if local:
            raise PeerError("not_allowed", f"this clone follows the log on {where}", FORGET)
        if at is None:
            raise PeerError("not_found", "this clone follows a log on a remote, and has no remote", "`git remote add`")
        tip, arrived, problems = self._receive(at)
        elsewhere = bool(facts.get("remote")) and (at.name, self.branch) != (facts["remote"], facts.get("branch"))
        if elsewhere and (tip is None or arrived is None):
            what = "no log" if tip is None else "another log"
            raise PeerError(
                "not_found" if tip is None else "untrusted",
                f"{at.name} has {what} on {self.branch}; this clone follows the one on {where}",
                "`git peer init` goes on with that one",
            )
        self._adopt(at, tip, arrived, problems)
        return False

    def _go_on(self, at: Remote | None, publish: bool, local: bool) -> bool:
        """A local log is here. Plain `init` joins the remote's where there is one now, unless --local was said."""
        if not self.clone.facts.get("log"):  # uninstalled, and its log was left; or recovered
            self._ready()
            self._set_up(self.chain.state(self.chain.tip).log.id, "", True, True)
        if local:
            self.clone.set_up(alone=True)
        if at is None or (not publish and self.clone.facts.get("alone")):
            return False
        if not publish:
            try:
                if at.fetch(self.patience) is None:
                    return False
            except PeerError as why:
                if why.code != "unreachable":
                    raise
                return False  # it is local, and goes on
        return self._publish(at)

    def _receive(self, at: Remote) -> tuple[str | None, list[str] | None, list[Problem]]:
        return receive(self.chain, at, self.chain.tip, self.patience)

    def _join_or_create(self, at: Remote | None, publish: bool, chosen: bool, local: bool) -> bool:
        """No log is here."""
        tip = None
        if at is not None:
            try:
                tip, arrived, problems = self._receive(at)
            except PeerError as why:
                if why.code == "unreachable" and not self.clone.is_set_up:
                    hint = f"{why.hint.split(';')[0]}; `git peer init --local` starts without a remote"
                    raise PeerError(why.code, why.message, hint) from None
                raise
        if tip is not None and at is not None:
            self._adopt(at, tip, arrived, problems)
            return False
        if at is not None and self.clone.facts.get("remote"):  # set up, and the log is gone here and there
            restored(self.clone, self.chain)
            raise loss.gone(at)
        if at is not None and chosen:
            self._refuse_typo(at)
        if at is not None and publish:
            return self._found(at)
        self._create(alone=local)
        return True

    def _refuse_typo(self, at: Remote) -> None:
        """PeerError where a branch was asked for that has no log, and the usual one has."""
        usual = str(self.settings.get("branch"))
        there = Remote(self.repo.gitdir, self.repo.top, at.name, usual)
        tip = there.fetch(self.patience) if usual != self.branch else None
        if tip is not None and loss.rooted(self.chain, tip):
            raise PeerError(
                "not_found",
                f"{at.name} has no log on {self.branch}; it has one on {usual}",
                "`git peer init` joins that one; `git config peer.branch NAME` is for a log of its own",
            )

    def _adopt(self, at: Remote, tip: str | None, arrived: list[str] | None, problems: list[Problem]) -> None:
        """Pin the remote's log, verified from its root or from what was pinned before."""
        old = self.chain.tip
        wrong = loss.astray(self.chain, at, old, tip) if old is not None else None
        if wrong is not None:
            raise wrong
        if tip is None or arrived is None:
            raise PeerError("untrusted", f"what is on {at.ref} of {at.name} is no log", "`git peer init --branch NAME`")
        if problems and self.clone.is_set_up:
            raise loss.poisoned(problems[0], f"the log on {at.name}")
        if problems:
            raise loss.met(self.chain, at, problems[0])
        state = self.chain.state(tip)
        expected = self.settings.log_id or self.clone.facts.get("log")
        if expected and expected != state.log.id:
            raise PeerError(
                "untrusted",
                f"the log on {at.name} is {state.log.id}; this project's is {expected}",
                "is it a fork's? `git peer init --remote NAME` names another remote",
            )
        self._ready()
        writable, atomic = self._may_push(at, tip)
        if old != tip:
            self.clone.move_tip(self.repo.git, tip, old)
        self._set_up(state.log.id, at.name, writable, atomic)
        self.clone.fetched(time.time(), self.settings.get("maxStaleness"))
        self._saw(tip, state)
        if writable and self._folds and not state.log.folds:
            self._engine(at).attempt(self._outcome(log.LogFolds))

    def _may_push(self, at: Remote, commit: str) -> tuple[bool, bool]:
        """(may this clone push there, does it take atomic pushes): tried for real."""
        pushed = at.try_atomic(commit, self._place(), self.patience)
        atomic = "does not support --atomic" not in pushed.text
        # A server that refuses just these refs says nothing of the log's branch: the first command will tell.
        return pushed.end in ("ok", "rejected") or not atomic, atomic

    def _place(self) -> str:
        """A name for this clone's throw-away refs: always the same, so that a try which was killed leaves none."""
        where = f"{socket.gethostname()} {self.repo.common} {self.repo.common.stat().st_ino}"
        return sha256(where.encode("utf-8", "surrogateescape")).hexdigest()[:12]

    @property
    def _folds(self) -> bool:
        return bool("core.ignorecase" in self.repo.git.config and self.repo.git.config.get_bool("core.ignorecase"))

    # -- creating ---------------------------------------------------------------------------------
    def _first(self, mode: str, at: Remote | None = None) -> tuple[str, str]:
        """(the root commit of a new log, the log's id); nothing points to it yet."""
        now = times.now()
        event = log.LogCreate(
            id=secrets.token_hex(8),
            at=now,
            by="git-peer",
            log=self.settings.log_id or secrets.token_hex(8),
            format=layout.FORMAT,
            mode=mode,
            integration=self._integration(at),
            folds=self._folds,
            readme=README,
        )
        return self.chain.append(None, [event], now), event.log

    def _create(self, alone: bool) -> None:
        """A local log. It is there before the clone counts as set up, so that nobody misses it."""
        self._ready()
        root, ident = self._first("local")
        try:
            self.clone.move_tip(self.repo.git, root, None)
        except refs.Lost:
            raise PeerError("busy", "another command set this clone up just now", "run it again") from None
        self._set_up(ident, "", True, True)
        if alone:
            self.clone.set_up(alone=True)
        self._saw(root, self.chain.state(root))

    def _found(self, at: Remote) -> bool:
        """A new log on the remote, which may refuse it: only then is anything of it here."""
        self._ready()
        root, _ = self._first("remote", at)
        pushed = at.push(root, None, self.patience)
        tip, arrived, problems = self._receive(at)  # another may have been first; an answer may have been lost
        if tip is None:
            code = "unreachable" if pushed.end in ("unreachable", "unknown") else "rejected"
            raise PeerError(code, f"{at.name} did not take the log: {pushed.text}", _MAY_YOU)
        self._adopt(at, tip, arrived, problems)
        return tip == root

    def _integration(self, at: Remote | None = None) -> str:
        """The branch on which work lands: configured, the remote's HEAD, or the main work tree's at this time."""
        given = next((one for one in self.settings.get("integration") if not is_glob(one)), "")
        if given:
            return str(given)
        if at is not None:
            return at.head_branch(self.patience)
        head = (self.repo.common / "HEAD").read_text("utf-8", "replace").strip()
        return head.removeprefix("ref: refs/heads/") if head.startswith("ref: refs/heads/") else ""

    def _set_up(self, log_id: str, remote: str, writable: bool, atomic: bool, moving: str = "") -> None:
        self.clone.set_up(
            log=log_id, remote=remote, branch=self.branch, writable=writable, atomic=atomic, moving=moving
        )

    # -- publishing -------------------------------------------------------------------------------
    def _engine(self, at: Remote | None) -> Engine:
        return Engine(self.chain, self.clone, at, self.world, self.options)

    def _saw(self, tip: str, state: State) -> None:
        """Note what there is to be seen at a tip that was not reached by a transaction."""
        at = snapshot.look(self.clone, self.world, tip, state)
        if self.clone.is_new_boot(at.seen):
            holdings.restore(self.chain, self.clone, tip)
        self.clone.saw(tip, state, at.sessions, at.seen, dict)

    def _outcome(self, kind: type[Any], **fields: Any) -> Decide:
        def decide(state: State, scene: Scene, fresh: bool) -> Outcome:
            event = kind(id=scene.ident(), at=scene.now, by="git-peer", **fields)
            return Outcome([event], lambda after, scene: {})

        return decide

    def _publish(self, at: Remote) -> bool:
        """Move the local log to the remote. Where the remote has one, the local commands are decided again there."""
        there = at.fetch(self.patience)
        tip = self.chain.tip
        if there is not None and (tip is None or not self.chain.descends(there, tip)):
            self._merge_into(at, there)
            return False
        here = self._engine(None)
        self.clone.set_up(moving=at.name)
        if self.chain.state(tip).log.mode == "local":
            here.attempt(self._outcome(log.LogMode, mode="moving"))
        if there is None:
            now = times.now()
            events: list[Any] = [log.LogMode(id=secrets.token_hex(8), at=now, by="git-peer", mode="remote")]
            branch = self._integration(at)
            if branch and branch != self.chain.state(self.chain.tip).log.integration:
                events.append(log.LogIntegration(id=secrets.token_hex(8), at=now, by="git-peer", branch=branch))
            candidate = self.chain.append(self.chain.tip, events, now)
            pushed = at.push(candidate, None, self.patience)
            if pushed.end != "ok":
                there = self._after_failed_publish(at, pushed.end, pushed.text)
                if there != candidate:
                    self._merge_into(at, str(there))
                    return False
            there = candidate
        self._set_up(self.chain.state(there).log.id, at.name, True, True)
        self.clone.move_tip(self.repo.git, there, self.chain.tip)
        writable, atomic = self._may_push(at, there)
        self._set_up(self.chain.state(there).log.id, at.name, writable, atomic)
        self.clone.fetched(time.time(), self.settings.get("maxStaleness"))
        return True

    def _after_failed_publish(self, at: Remote, end: str, text: str) -> str:
        """Where the remote's log stands after a push that was not plainly ok; undoes the move where it has none."""
        try:
            there = at.fetch(self.patience)
        except PeerError:
            if end == "unknown":
                raise  # still `moving`: the next init finishes or undoes it
            there = None
        if there is not None:
            return there
        self._engine(None).attempt(self._outcome(log.LogMode, mode="local"))
        self.clone.set_up(moving="")
        code = "unreachable" if end in ("unreachable", "unknown") else "rejected"
        raise PeerError(code, f"{at.name} did not take the log: {text}", _MAY_YOU)

    def _merge_into(self, at: Remote, there: str) -> None:
        """The remote has a log: archive the local chain; what is held here becomes tentative, for `sync` to arbitrate.

        Every step may be the last one of a killed process, and be done again by the next init.
        """
        old = self.chain.tip
        problems = self.chain.verify(None, self.chain.path(None, there) or [])
        if problems:
            raise loss.met(self.chain, at, problems[0])
        self.clone.set_up(moving=at.name)
        if old is not None:
            state = self.chain.state(old)
            self._carry(state)
            archive = f"refs/peer/archive/{state.log.id}"
            if refs.read(self.repo.git, archive) is None:
                refs.swap(self.repo.git, archive, old, None)
        writable, atomic = self._may_push(at, there)
        self._set_up(self.chain.state(there).log.id, at.name, writable, atomic, moving=at.name)
        self.clone.move_tip(self.repo.git, there, old)
        self.clone.set_up(moving="")
        self._saw(there, self.chain.state(there))

    def _carry(self, state: State) -> None:
        """What is held, planned and told in the local log becomes tentative; what cannot be carried over is a loss."""
        scene = msgspec.structs.replace(self.world.scene, now=times.now(), height=state.log.height + 1)
        mine, _ = sessions.ensure(state, self.me, scene)
        for session in [mine, *(one for one in sessions.all_of(state) if one.sid != mine.sid)]:
            held = [lock for lock in locks.held_by(state, session.name) if lock.sid == session.sid]
            again: list[Command] = list(carrying.commands(state, self.me)) if session is mine else []
            again += [self._again(session, lock) for lock in held]
            topics = carrying.left_behind(state) if session is mine else []
            why = "a debate is not carried over into another log; its turns are in the archive"
            lost = [
                {"command": f"debate {quoted(topic, 60)}", "session": session.name, "why": why, "holder": None}
                | {"at": locks.rfc3339(scene.now)}
                for topic in topics
            ]
            if again or lost:
                self.clone.hold_tentatively(session, held, again, lost)

    def _again(self, session: sessions.Session, lock: Lock) -> Take:
        """The command that asks for a lock of the local log anew."""
        me = Me(
            name=None if session.default else session.name,
            agent=session.agent,
            clone=session.clone,
            gitdir=session.gitdir,
            host=session.host,
            user=self.me.user,
            worktree=session.worktree,
            branch=session.branch,
        )
        wish = Wish(
            targets=(lock.target,),
            mode=lock.mode,
            ttl=lock.ttl,
            reason=lock.reason or None,
            priority=lock.priority,  # not its task, whose id may be another's there
        )
        return Take(me=me, wish=wish)
