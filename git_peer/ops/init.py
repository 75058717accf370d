"""Setting up: joining a log, starting one, publishing a local one, repairing, and taking everything out."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import time
from dataclasses import replace
from hashlib import sha256
from typing import Any

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.lock import record as locks
from git_peer.core.lock.decide import Take, Wish
from git_peer.core.lock.record import Lock
from git_peer.core.log import record as log
from git_peer.core.log.command import Command, Me, Outcome, Scene
from git_peer.core.log.state import State
from git_peer.core.rules import carry as carrying
from git_peer.core.session import record as sessions
from git_peer.core.text import quoted
from git_peer.hooks import install as hooks
from git_peer.hooks import rewriting
from git_peer.publish import snapshot
from git_peer.publish.engine import Decide, Engine, Options, receive
from git_peer.publish.snapshot import World
from git_peer.store.clone.clone import Clone
from git_peer.store.git import refs
from git_peer.store.git.chain import Chain, Problem
from git_peer.store.git.remote import Remote
from git_peer.store.git.repo import Repo
from git_peer.store.settings import Settings

README = """\
# The coordination log of git-peer

This branch holds no code. It is the log by which the agents and people of this repository coordinate: plans,
locks, deltas and debates. Each commit is one transaction, its message holds the events, its tree is the
present state. `git peer` writes it; do not edit it by hand. `git peer help` says more.
"""


# Not `uninstall --purge`, which deletes the remote's log for everybody.
FORGET = f"`git peer uninstall`, then `git update-ref -d {layout.TIP}`, forget it in this clone only"


class Setup:
    """`git peer init` in one repository."""

    def __init__(self, repo: Repo, clone: Clone, settings: Settings, me: Me, world: World, options: Options) -> None:
        self.repo, self.clone, self.settings, self.me, self.world, self.options = (
            repo, clone, settings, me, world, options
        )  # fmt: skip
        self.chain = Chain(repo.handle)
        self.patience: int = settings.get("retryTimeout")

    def remote_name(self, asked: str | None) -> str:
        """The remote to look for a log on: asked for, configured, origin, or the only one; "" for none."""
        names = list(self.repo.git.remotes.names())
        if asked is not None:
            if asked not in names:
                raise PeerError("not_found", f"no remote called {asked}", "`git remote -v` lists them")
            return asked
        configured = str(self.clone.facts.get("remote") or self.settings.get("remote") or "")
        if configured:
            return configured
        usable = [name for name in names if name is not None]
        return "origin" if "origin" in usable else usable[0] if len(usable) == 1 else ""

    def init(self, remote: str | None, local: bool, branch: str | None) -> dict[str, Any]:
        """Join the remote's log, else start a local one; with `remote` publish it. Again: repair.

        Answers {mode, remote, branch, log_id, created, share}.
        """
        self.settings.check()
        if not local:
            remote = remote or self.clone.facts.get("moving") or None  # a publication that was cut off
        self.branch = branch or str(self.clone.facts.get("branch") or self.settings.get("branch"))
        try:
            return self._init(remote, local)
        except BaseException:
            if not self.clone.is_set_up:
                shutil.rmtree(self.clone.folder, ignore_errors=True)  # a refusal leaves nothing behind
            raise

    def _init(self, remote: str | None, local: bool) -> dict[str, Any]:
        with self.clone.writing(self.patience):
            self.clone.adopt_copy()
            name = "" if local else self.remote_name(remote)
            at = Remote(self.repo.gitdir, self.repo.top, name, self.branch) if name else None
            mine = self.chain.state(self.chain.tip).log.mode if self.chain.tip else ""
            if mine == "local" and not self.clone.is_set_up:  # uninstalled, and its log was left
                self._set_up(self.chain.state(self.chain.tip).log.id, "", True, True)
            if self.clone.is_set_up and mine == "local":
                created = self._publish(at) if at is not None and remote is not None else False
            elif mine == "remote" and local:
                where = self.clone.facts.get("remote") or "a remote"
                raise PeerError("not_allowed", f"this clone follows the log on {where}", FORGET)
            elif mine == "moving":
                created = self._publish(at) if at is not None else False
            else:
                created = self._join_or_create(at, remote is not None)
            return self._answer(created)

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
        }

    # -- joining ----------------------------------------------------------------------------------
    def _join_or_create(self, at: Remote | None, publish: bool) -> bool:
        tip = None
        if at is not None:
            try:
                tip, arrived, problems = receive(self.chain, at, self.chain.tip, self.patience)
            except PeerError as why:
                if why.code == "unreachable":
                    hint = f"{why.hint.split(';')[0]}; `git peer init --local` starts without a remote"
                    raise PeerError(why.code, why.message, hint) from None
                raise
        if tip is not None and at is not None:
            self._adopt(at, tip, arrived, problems)
            return False
        self._create()
        if at is not None and publish:
            self._publish(at)
        return True

    def _adopt(self, at: Remote, tip: str, arrived: list[str] | None, problems: list[Problem]) -> None:
        """Pin the remote's log, verified from its root or from what was pinned before."""
        old = self.chain.tip
        if arrived is None:
            raise PeerError(
                "untrusted",
                f"the log on {at.name} does not descend from {str(old)[:12]}, which this clone verified",
                FORGET,
            )
        if problems:
            raise PeerError(
                "untrusted",
                f"commit {problems[0].commit[:12]} of the log on {at.name} is malformed: {problems[0].what}",
                "another clone's `git peer doctor --fix` voids it with a repair",
            )
        state = self.chain.state(tip)
        expected = self.settings.log_id or self.clone.facts.get("log")
        if expected and expected != state.log.id:
            raise PeerError(
                "untrusted",
                f"the log on {at.name} is {state.log.id}; this project's is {expected}",
                "is it a fork's? `git peer init --remote NAME` names another remote",
            )
        writable, atomic = self._may_push(at, tip)
        self._set_up(state.log.id, at.name, writable, atomic)
        if old != tip:
            self.clone.move_tip(self.repo.git, tip, old)
        self.clone.fresh_until(time.time() + self.settings.get("maxStaleness"))
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
    def _create(self) -> None:
        """A local log: one root commit."""
        now = int(time.time())
        event = log.LogCreate(
            id=secrets.token_hex(8),
            at=now,
            by="git-peer",
            log=self.settings.log_id or secrets.token_hex(8),
            format=layout.FORMAT,
            mode="local",
            integration=self._integration(),
            folds=self._folds,
            readme=README,
        )
        root = self.chain.append(None, [event], now)
        self._set_up(event.log, "", True, True)
        try:
            self.clone.move_tip(self.repo.git, root, None)
        except refs.Lost:
            raise PeerError("busy", "another command set this clone up just now", "run it again") from None
        self._saw(root, self.chain.state(root))

    def _integration(self, at: Remote | None = None) -> str:
        """The branch on which work lands: configured, the remote's HEAD, or the main work tree's at this time."""
        given = str(self.settings.get("integration"))
        if given:
            return given
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
        self.clone.saw(state, at.sessions, at.seen)

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
            now = int(time.time())
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
        self.clone.fresh_until(time.time() + self.settings.get("maxStaleness"))
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
        hint = "may you push that branch there? `git peer init --branch NAME` takes another"
        raise PeerError(code, f"{at.name} did not take the log: {text}", hint)

    def _merge_into(self, at: Remote, there: str) -> None:
        """The remote has a log: archive the local chain; what is held here becomes tentative, for `sync` to arbitrate.

        Every step may be the last one of a killed process, and be done again by the next init.
        """
        old = self.chain.tip
        problems = self.chain.verify(None, self.chain.path(None, there) or [])
        if problems:
            raise PeerError("untrusted", f"the log on {at.name} is malformed: {problems[0].what}", "")
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
        scene = replace(self.world.scene, now=int(time.time()), height=state.log.height + 1)
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


def uninstall(repo: Repo, clone: Clone, purge: bool, remote: Remote | None, patience: int) -> dict[str, Any]:
    """Take the hooks and this clone's folder out; with `purge` the refs too, here and on the remote."""
    import shutil

    stayed = hooks.remove(repo.common, repo.top)
    rewriting.remove(clone)
    deleted: list[str] = []
    if purge:
        if remote is not None:
            delete_remote(remote, patience)
            deleted.append(f"{remote.name}:{remote.ref}")
        ours = [name for name in repo.git.references if name.startswith(layout.OURS[0]) or name == layout.NOTES]
        for name in ours:
            refs.delete(repo.git, name)
        deleted.extend(ours)
        parent = repo.common / "refs" / "peer"
        beside = [repo.common / top / "refs" / "notes" for top in (".", "logs")]
        for folder in (parent / "tentative", parent / "archive", parent, *beside):
            if folder.is_dir() and not os.listdir(folder):
                folder.rmdir()
    shutil.rmtree(clone.folder, ignore_errors=True)
    return {"stayed": stayed, "deleted": deleted}


def delete_remote(remote: Remote, patience: int) -> None:
    """Delete the notes and the log's branch on the remote."""
    for ref in (layout.NOTES, remote.ref):
        pushed = remote.delete(ref, patience)
        if pushed.end != "ok":
            code = "rejected" if pushed.end == "rejected" else "unreachable"
            raise PeerError(code, f"{remote.name}: {pushed.text}", "")
