"""`git peer push`: code and the log commit that records it, in one atomic push: check and landing are one step."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.lock.landing import RefUpdate
from git_peer.core.lock.record import Work
from git_peer.core.rules import decide as commands
from git_peer.core.text import count
from git_peer.hooks import watch
from git_peer.ops import notes as noting
from git_peer.ops import outgoing
from git_peer.ops import sync as tentative
from git_peer.ops.destination import Gates, Place, bring, environment, place_of, same_place, top_of
from git_peer.ops.outgoing import Update
from git_peer.ops.peer import Peer
from git_peer.ops.push_options import Options
from git_peer.publish import attempts
from git_peer.store.git import work
from git_peer.store.git.remote import Hearing, Pushed, Ran, run, said_by_server, traced

STAGE_OVER = 1 << 20  # bytes of code from which it goes to a stage ref first
_KEPT, _WORDS = 1 << 14, 3  # bytes of what a user's hook said, and lines of it that an error repeats
_PLAIN = Options()
_FOR_EVER = 1_000_000  # seconds: for how long code may go out to a remote that has answered
# By these git's complaint is one about the way to the remote; any other is about what it was asked for.
_NETWORK = (
    "could not read from remote",
    "unable to access",
    "could not resolve",
    "could not connect",
    "connection",
    "hung up",
    "early eof",
    "timed out",
    "authentication failed",
    "permission denied",
    "unable to look up",
)


class Row(NamedTuple):
    """What git says of one ref of a push, as `git push --porcelain` does."""

    flag: str
    local: str
    there: str
    summary: str


class Push:
    """One push of code. `refspecs` and `options` are the user's own, as `git push` takes them.

    `show` gets what the user's hook says, `hear` what the server says, and how far the push is, both as they come;
    without them nobody sees that.
    """

    def __init__(
        self,
        peer: Peer,
        remote: str | None,
        refspecs: Sequence[str],
        options: Options = _PLAIN,
        show: Callable[[bytes], None] | None = None,
        hear: Callable[[bytes], None] | None = None,
    ) -> None:
        self.peer = peer
        self.patience: int = peer.settings.get("retryTimeout")
        self.options = options
        self.remote = remote or self._default_remote()
        self.refspecs = list(refspecs)
        self.rows: Sequence[Row] = ()  # what git says of the code's refs
        self._show = show
        self._hear = hear
        self._forced: set[str] = set()
        self.remarks: Sequence[str] = ()  # what git says of upstreams
        self._upstream = False  # by the option, or by push.autoSetupRemote
        self._to: Place | None = None
        self.warnings: list[str] = []  # what others have locked, and this push brings to a branch that is not gated
        self._advertised = b""  # the remote's refs, as git heard of them
        self._said: tuple[str, ...] = ()  # what the server had to say

    def _git(self, *args: str, env: Mapping[str, str] | None = None, stdin: bytes | None = None) -> Ran:
        return run(args, top_of(self.peer), self.patience, {**environment(self.peer), **(env or {})}, stdin)

    def _send(self, *args: str) -> Ran:
        """Run a git that sends code: as long as it takes, with what the server says passed on."""
        args = (*self._unmirrored, *args)
        return run(args, top_of(self.peer), _FOR_EVER, environment(self.peer), hear=self._hear)

    def _default_remote(self) -> str:
        branch = self.peer.repo.branch
        for key in (f"branch.{branch}.pushRemote", "remote.pushDefault", f"branch.{branch}.remote"):
            value = self._git("config", key).out.strip()
            if value and value != ".":
                return str(value)
        names = [name for name in self.peer.repo.git.remotes.names() if name]
        if "origin" in names or len(names) == 1:
            return "origin" if "origin" in names else names[0]
        if self.peer.remote is not None:
            return self.peer.remote.name
        raise PeerError("not_found", "no remote to push to", "`git peer push REMOTE`, or `git remote add origin URL`")

    def run(self, dry_run: bool, keep: bool) -> dict[str, Any]:
        """{pushed, released}; PeerError locked, fenced, rejected (with `pull`)."""
        if self.to.several:
            raise PeerError(
                "unsupported",
                f"{self.remote} has several push URLs, and what lands on one may be refused by another",
                "push to one URL at a time: `git remote get-url --push --all NAME` lists them",
            )
        updates = self._resolve()
        peer = self.peer
        if peer.remote is not None and peer.clone.tentative() and not dry_run:
            tentative.settle(peer)  # whose the paths are is settled before they land
        together = peer.remote is not None and same_place(peer, self.to.url, peer.remote.url)
        mode = self._submodules()
        if peer.remote is not None and not together:
            with peer.clone.writing(self.patience):
                peer.engine.advance(self.patience)
        if not updates or mode == "only":
            if not dry_run:
                self._push_submodules(mode)
                self._set_upstreams()
                noting.carry(peer, again=False)
            self.rows = self.rows if mode != "only" else ()
            return {"pushed": [], "released": []}
        try:
            self._check(updates)
        except PeerError:
            if not together:
                raise
            with peer.clone.writing(self.patience):  # a refusal counts only on a tip that was fetched
                peer.engine.advance(self.patience)
            self._check(updates)
        view = {"pushed": [{"ref": u.remote_ref, "old": u.remote or None, "new": u.local or None} for u in updates]}
        if (
            self.options.hook and self._users_hook() and peer.remote is not None and not together
        ):  # it may have taken its time
            with peer.clone.writing(self.patience):
                peer.engine.advance(self.patience)
        if together and not dry_run:
            self._find_integration(updates)
        command = self._command(updates, keep, together)
        if dry_run:
            self._warn()
            return {**view, "released": [], "dry_run": True}
        self._push_submodules(mode)
        if together:
            done = self._together(updates, command)
        else:
            self._alone(updates)
            done = peer.run(command)
            noting.carry(peer)
        self._set_upstreams()
        self._warn()
        return {**view, "released": done["released"], "atomic": together, "messages": list(self._said)}

    def _warn(self) -> None:
        """Tell what the last check had to say beside its yes."""
        self.peer.warned += [{"code": "locked", "message": said} for said in self.warnings]

    def _resolve(self) -> list[Update]:
        """The refs that git would push, as its own dry run says."""
        for spec in self.refspecs:
            if "\t" in spec or "\n" in spec:
                raise PeerError("usage", "a refspec with a tab or a line break", "name the commit by its id")
        # Without push options, the configured ones too: in a dry run git writes them to a server that may have left,
        # and dies of SIGPIPE.
        args = [
            "push",
            "--dry-run",
            "--porcelain",
            "--atomic",
            "--no-verify",
            *self._asked,
            self.remote,
            *self.refspecs,
        ]
        if self.options.submodules:  # `only` pushes no ref of ours, and these are what is asked for
            mode = self.options.submodules
            args.insert(1, f"--recurse-submodules={'on-demand' if mode == 'only' else mode}")
        with tempfile.TemporaryDirectory(prefix="git-peer-") as scratch:
            heard = Path(scratch) / "heard"
            ran = self._git("-c", "push.pushOption=", *args, env={"GIT_TRACE_PACKET": str(heard)})
            with contextlib.suppress(OSError):
                self._advertised = traced(heard)
        rows = [row for line in ran.out.splitlines() if (row := _row(line)) is not None]
        if ran.status and not rows:
            raise self._not_pushed(ran)
        if "--prune" in self.options.chooses:  # the log is no branch that is gone here
            rows = [row for row in rows if row.flag != "-" or not self._is_ours(row.there)]
        self.rows = rows
        self.remarks = [line for line in ran.out.splitlines() if line.startswith("Would set upstream of ")]
        self._upstream = bool(self.remarks)
        refused = [row for row in rows if row.flag == "!"]
        if refused:
            raise self._behind(refused)
        moving = [row for row in rows if row.flag != "="]
        news = self._ids([row.local for row in moving if row.local])
        olds = self._olds([row.there for row in moving if row.flag != "*"])
        # What goes forward needs no force; the rest is leased on what it was when it was checked.
        self._forced = {row.there for row in moving if row.flag in ("+", "-")}
        return [Update(row.local, news.get(row.local, ""), row.there, olds.get(row.there, "")) for row in moving]

    @property
    def _asked(self) -> list[str]:
        """The options that say which refs are pushed, and where."""
        return [*self.options.chooses, *self.options.reaches]

    def _ids(self, names: Sequence[str]) -> dict[str, str]:
        """What each of these names stands for here."""
        asked = "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")
        told = self._git("cat-file", "--batch-check=%(objectname)", stdin=asked).out.splitlines() if names else []
        return dict(zip(names, told, strict=True))

    def _olds(self, refs: Sequence[str]) -> dict[str, str]:
        """Ref → the id that the remote has, as git has just heard it."""
        said = re.findall(rb"< ([0-9a-f]{40,64}) (refs/[^\s\0\\]+)", self._advertised)
        there = {name.decode("utf-8", "surrogateescape"): ident.decode() for ident, name in said}
        unheard = [ref for ref in refs if ref not in there]
        told = self._git("ls-remote", self.remote, *unheard).out if unheard else ""
        there |= {name: ident for ident, _, name in (line.partition("\t") for line in told.splitlines())}
        return {ref: there[ref] for ref in refs if ref in there}

    def _not_pushed(self, ran: Ran) -> PeerError:
        """Why git would not push at all: the network, or else what it was asked for."""
        first = next((line for line in ran.err.splitlines() if line.strip()), "git push failed")
        first = first.removeprefix("fatal: ").removeprefix("error: ")
        low = ran.err.lower()
        if "error: 403" in low or ("permission to" in low and "denied to" in low):
            text = f"{self.remote} refused the push: {first}"
            return PeerError("rejected", text, "may you push there? nothing was pushed or released")
        if "submodule paths contain changes" in low:
            paths = ", ".join(line.strip() for line in ran.err.splitlines() if line.startswith("  "))
            text = f"submodules have commits that no remote of theirs has: {paths}"
            return PeerError("rejected", text, "push them first, or with it: --recurse-submodules=on-demand")
        unknown = self._no_remote()
        if unknown is not None or "does not appear to be a git repository" in low:
            return unknown or PeerError("not_found", first, "`git remote -v` lists the remotes")
        if ran.timed_out or any(word in low for word in _NETWORK):
            return PeerError("unreachable", first, "check the network and try again")
        if "remote ref does not exist" in low:
            return PeerError("not_found", first, f"`git ls-remote {self.remote}` lists what is there")
        branch = self.peer.repo.branch
        if "no upstream" in low:
            hint = f"git peer push -u {self.remote} {branch}"
        elif not branch:
            hint = f"HEAD is detached: git peer push {self.remote} HEAD:refs/heads/BRANCH"
        else:
            hint = f"say what to push, as `git push` takes it: git peer push {self.remote} {branch}"
        return PeerError("usage", first.rstrip("."), hint)

    def _no_remote(self) -> PeerError | None:
        """What is wrong with a remote's name; None where it is one, or is no name but an address."""
        names = [name for name in self.peer.repo.git.remotes.names() if name]
        if self.remote in names or not self.remote.isidentifier() or (self.peer.repo.gitdir / self.remote).exists():
            return None
        from git_peer.core import near

        hint = near.hint(self.remote, names, "`git remote -v` lists the remotes")
        return PeerError("not_found", f"no remote called {self.remote}", hint)

    def _users_hook(self) -> bool:
        """Run the user's pre-push hook as git does, once, with exactly the code's refs; whether there is one.

        A push is rehearsed for it, for only git knows all the ways to such a hook.

        It may take as long as it likes: no lock is held, and the network's time does not run. Our own hook, which is
        beside it, knows the push by its announcement, and leaves the check to us.
        """
        repo = self.peer.repo
        if not watch.users(repo.common, repo.top, repo.gitdir, "pre-push"):
            return False
        args = ["git", "push", "--dry-run", "--quiet", "--no-recurse-submodules"]
        args += [*self._asked, self.remote, *self.refspecs]
        where = None if "GIT_DIR" in os.environ else repo.top or repo.gitdir
        with attempts.announced(self.peer.engine.attempts) as name:
            status, said = heard(args, where, {**os.environ, layout.PUSHING: name}, self._show)
        if status == 1:
            self._resolve()  # raises with what to pull, if that is why
            words = [line for line in said.splitlines() if line.strip() and "failed to push some refs" not in line]
            text = "\n".join(words[-_WORDS:]) or "what it said stands above"
            raise PeerError("rejected", f"the pre-push hook refused the push: {text}", "nothing was pushed or released")
        if status:
            raise self._not_pushed(Ran(status, "", said))
        return True

    def _find_integration(self, updates: Sequence[Update]) -> None:
        """Follow the branch on which work lands where the remote has renamed it, or its locks would never end.

        Nor would those of a log that was begun where the remote did not tell of any such branch.
        """
        peer, name = self.peer, self.peer.state.log.integration
        landing = [u.remote_ref for u in updates if u.local and u.remote_ref.startswith("refs/heads/")]
        there = rb"< [0-9a-f]{40,64} refs/heads/" + re.escape(name.encode()) + rb"(?![^\\\s])"
        if peer.remote is None or not landing or (name and re.search(there, self._advertised)):
            return
        found = peer.remote.moved_to(name, self.patience)
        if found and not peer.settings.get("integration"):
            peer.integrate_on(found)

    def _behind(self, rows: Sequence[Row]) -> PeerError:
        """What git itself refuses to push, and what has to be pulled first."""
        rows = [row for row in rows if "atomic" not in row.summary] or rows  # the others only fell with these
        first = rows[0]
        name = _short(first.there)
        pull: list[str] = []
        if first.there.startswith("refs/heads/") and first.local:
            bring(self.peer, self.remote, [first.there], self.patience)  # no tracking ref moves: leases count on them
            fetched = self._git("ls-remote", self.remote, first.there).out.split()
            pull = self._git("rev-list", fetched[0], "--not", first.local).out.split() if fetched else []
        hint = f"git pull --rebase {self.remote} {name}"
        if "stale info" in first.summary or "remote ref updated" in first.summary:
            hint = f"somebody has pushed there since you looked: git fetch {self.remote}, look, and push again"
        elif not first.there.startswith("refs/heads/"):
            hint = f"{self.remote} has another {name} already, which others may have: give yours another name"
        text = "; ".join(f"{_short(row.there)}: {row.summary}" for row in rows)
        more = f", {count(len(pull), 'commit')} to pull" if pull else ""
        return PeerError("rejected", f"{self.remote} refused {text}{more}", hint, pull=pull)

    @property
    def to(self) -> Place:
        """Where this push leads."""
        if self._to is None:
            self._to = place_of(self.peer, self.remote)
        return self._to

    def _check(self, updates: Sequence[Update]) -> None:
        outgoing.refuse_ours(self.peer, updates, self.to)
        self.warnings = outgoing.refuse(self.peer, updates, self.to, forced=True)

    def _command(self, updates: Sequence[Update], keep: bool, together: bool) -> commands.Land:
        gates = Gates(self.peer, self.to)
        landing = [u for u in updates if u.local and gates.lands(u.remote_ref)]
        changed: list[str] = []
        for update in landing:
            span = f"{update.remote}..{update.local}" if update.remote else update.local
            listed = self._git("rev-list", update.local, *(["--not", update.remote] if update.remote else [])).out
            changed.extend(outgoing.touched(self.peer, listed.split()) if span else [])
        dirty = self.peer.repo.changed() if changed else []
        return commands.Land(
            me=self.peer.me,
            refs=tuple(RefUpdate(ref=u.remote_ref, old=u.remote, new=u.local) for u in updates),
            changed=tuple(layout.percent(path) for path in dict.fromkeys(changed)),
            dirty=tuple(layout.percent(path) for path in dirty),
            landed=landing[0].local if landing else "",
            apart=self._apart(landing) if changed else (),
            atomic=together,
            keep=keep,
            work=self._unlanded(updates, gates),
        )

    def _apart(self, landing: Sequence[Update]) -> tuple[str, ...]:
        """The locks on lines of one's own of which nothing changes by what lands."""
        from git_peer.ops import unlanded

        peer = self.peer
        held = [lock for lock in unlanded.mine(peer) if lock.target.region and lock.target.blob]
        scene, found = peer.scene(peer.state) if held else None, []
        for lock in held:
            blobs = [
                tuple(work.blob_at(peer.repo.handle, commit, lock.target.real) for commit in (one.remote, one.local))
                for one in landing
            ]
            if scene and all(
                old and new and (old == new or not scene.meets(lock.target.blob, old, new, lock.target.region))
                for old, new in blobs
            ):
                found.append(lock.id)
        return tuple(found)

    def _unlanded(self, updates: Sequence[Update], gates: Gates) -> Work | None:
        """What goes out on the branch that one is on, and does not land with it, as far as one's locks cover it."""
        here = ("HEAD", f"refs/heads/{self.peer.me.branch}")
        at = next(
            (u for u in updates if u.local and u.local_ref in here and u.remote_ref.startswith("refs/heads/")), None
        )
        if at is None or gates.lands(at.remote_ref):
            return None
        from git_peer.ops import unlanded

        held = unlanded.mine(self.peer)
        return unlanded.of(self.peer, held, at.local, at.remote_ref.removeprefix("refs/heads/"), True) if held else None

    def _together(self, updates: Sequence[Update], command: commands.Land) -> dict[str, Any]:
        peer = self.peer
        assert peer.remote is not None
        remote = peer.remote
        if peer.clone.facts.get("atomic") is False:
            raise PeerError(
                "unsupported", f"{self.remote} does not take atomic pushes", "`git push`, then `git peer unlock`"
            )
        spec = [f"{self._source(u)}:{u.remote_ref}" for u in updates]
        options = self._sending(updates)
        staged = self._stage(updates)

        def publish(candidate: str, base: str | None, timeout: float) -> Pushed:
            # The state may have moved since the check: what is decided again is checked again.
            self._check(updates)

            def send(ride: noting.Ride | None) -> Pushed:
                code, more = [*spec, *staged, *([ride.spec] if ride else [])], [ride.lease] if ride else []
                heard = Hearing(self.remote, self._hear, self._unmirrored)
                return remote.push(candidate, base, timeout, code, [*options, *more], heard)

            answers.append(noting.riding(peer, send, timeout, command.landed))
            self._said = answers[-1].said
            return answers[-1]

        answers: list[Pushed] = []
        remote.along = noting.ALONG
        try:
            return peer.run(command, publish)
        except PeerError as why:
            if staged:
                self._git("push", "--quiet", "--no-verify", self.remote, *staged)
            if why.code == "rejected":
                self._resolve()  # raises with what to pull, if that is why
                raise self._refused(answers[-1:]) or why from None
            raise

    def _source(self, update: Update) -> str:
        """What is pushed: what was checked, by its id; with -u by the branch, while it still is that."""
        if self._upstream and update.local:
            now = self._git("rev-parse", "--verify", "-q", update.local_ref).out.strip()
            return update.local_ref if now == update.local else update.local
        return update.local

    def _refused(self, answers: Sequence[Pushed]) -> PeerError | None:
        """The server's refusal of code, with its own words; None where it is the log that it refused."""
        told = [Row(*row) for one in answers for row in one.refs]
        rows = [row for row in told if row.flag == "!"]
        if answers and not told:  # whoever asks may not push at all
            text = f"{self.remote} refused the push: {answers[-1].text}"
            return PeerError("rejected", text, "may you push there? nothing was pushed or released")
        own = [row for row in rows if "atomic" not in row.summary] or rows  # the others only fell with these
        code = [row for row in own if row.there.startswith("refs/") and not self._is_ours(row.there)]
        if not code:
            return None
        fell = {row.there: row.summary for row in rows}
        self.rows = [row._replace(flag="!", summary=fell.get(row.there, row.summary)) for row in self.rows]
        names = ", ".join(_short(row.there) if row.local else f"to delete {_short(row.there)}" for row in code)
        said = "".join(f"\n{line}" for one in answers for line in one.said)
        text = f"{self.remote} refused {names}: {code[0].summary}{said}"
        return PeerError("rejected", text, "the server decides that; nothing was pushed or released")

    def _is_ours(self, ref: str) -> bool:
        return ref.startswith(layout.OURS) or (self.peer.remote is not None and ref == self.peer.remote.ref)

    def _stage(self, updates: Sequence[Update]) -> list[str]:
        """Send much code ahead to stage refs, so that a lost race does not send it again; what deletes these."""
        news = [u.local for u in updates if u.local]
        listed = self._git("rev-list", "--disk-usage", "--objects", *news, "--not", "--remotes").out.strip()
        if not news or not listed.isdigit() or int(listed) < STAGE_OVER:
            return []
        name = f"{layout.STAGE}{os.urandom(6).hex()}"
        refs = {one: f"{name}-{number}" if number else name for number, one in enumerate(dict.fromkeys(news))}
        args = ["push", "--no-verify", "--no-recurse-submodules", "--no-follow-tags", *self._progress]
        pushed = self._send(*args, *self.options.reaches, self.remote, *(f"{one}:{ref}" for one, ref in refs.items()))
        return [] if pushed.status else [f":{ref}" for ref in refs.values()]

    @property
    def _progress(self) -> list[str]:
        return ["--progress" if self.options.progress else "--no-progress"]

    @property
    def _unmirrored(self) -> list[str]:
        """What keeps git from mirroring a remote that is configured so: the refs are named one by one."""
        return ["-c", f"remote.{self.remote}.mirror=false"] if self.remote in self.peer.repo.git.remotes.names() else []

    def _sending(self, updates: Sequence[Update]) -> list[str]:
        """The options of the push itself: how it goes, and what the refs that it forces were when they were checked."""
        options = [*self._progress, *self.options.reaches, *self.options.sends, *(["-u"] * self._upstream)]
        return [*options, *(f"--force-with-lease={u.remote_ref}:{u.remote}" for u in updates if self._forces(u))]

    def _forces(self, update: Update) -> bool:
        return update.remote_ref in self._forced

    def _submodules(self) -> str:
        """What a push does with submodules: check, on-demand, only or no; as it was said, else as it is configured."""
        said = self.options.submodules or self._git("config", "push.recurseSubmodules").out.strip()
        if said:
            return "no" if said in ("false", "off", "0") else said
        recurses = self._git("config", "--type=bool", "submodule.recurse").out.strip() == "true"
        return "on-demand" if recurses else "no"

    def _push_submodules(self, mode: str) -> None:
        """Push what submodules have to push, where that is wanted: before the commits that need it."""
        if mode not in ("on-demand", "only"):
            return
        args = ["push", "--recurse-submodules=only", "--no-verify", *self._progress, *self._asked, *self.options.sends]
        ran = run([*args, self.remote, *self.refspecs], top_of(self.peer), _FOR_EVER, environment(self.peer))
        if ran.status:
            said = [line for line in ran.err.splitlines() if line.startswith(("fatal:", "error:", "Unable"))]
            text = "\n".join(said) or "git says nothing of why"
            raise PeerError("rejected", f"a submodule was not pushed: {text}", "push it from its own folder first")

    def _set_upstreams(self) -> None:
        """With -u, also for what is up to date: git sets these upstreams, too."""
        same = [f"{row.local}:{row.there}" for row in self.rows if row.flag == "=" and row.local]
        if self._upstream and same:
            args = ["push", "--quiet", "--no-verify", "--no-follow-tags", "--no-recurse-submodules", "-u"]
            self._git(*self._unmirrored, *args, *self.options.reaches, self.remote, *same)
        if self._upstream:
            names = ["refs/heads/" + self.peer.repo.branch if row.local == "HEAD" else row.local for row in self.rows]
            form = "--format=branch '%(refname:short)' set up to track '%(upstream:short)'."
            pushed = [name for name in names if name.startswith("refs/heads/")]
            told = self._git("for-each-ref", form, *pushed).out.splitlines() if pushed else []
            self.remarks = [line for line in told if not line.endswith("''.")]

    def _alone(self, updates: Sequence[Update]) -> None:
        """The code's remote is not the log's: two pushes, and no landing in one step."""
        self._check(updates)
        spec = [f"{self._source(u)}:{u.remote_ref}" for u in updates]
        args = ["push", "--porcelain", "--no-verify", "--no-recurse-submodules", "--no-follow-tags"]
        args += ["--atomic"] if len(spec) > 1 else []  # one ref is atomic without, and not each server can
        ran = self._send(*args, *self._sending(updates), self.remote, *spec)
        self._said = said_by_server(ran)
        if not ran.status:
            return
        rows = [row for line in ran.out.splitlines() if (row := _row(line)) is not None and row.flag == "!"]
        if any("remote rejected" in row.summary for row in rows):
            refused = self._refused([Pushed("rejected", refs=tuple(map(tuple, rows)), said=self._said)])  # type: ignore[arg-type]
            if refused is not None:
                raise refused
        raise self._behind(rows) if rows else self._not_pushed(ran)


def _row(line: str) -> Row | None:
    """A line of `git push --porcelain` that is about a ref."""
    parts = line.split("\t")
    if len(parts) != 3 or len(parts[0]) != 1:
        return None
    local, _, there = parts[1].rpartition(":")
    return Row(parts[0], local, there, parts[2])


def _short(ref: str) -> str:
    """A ref as git shows it."""
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def heard(
    args: Sequence[str], where: Path | None, env: Mapping[str, str], show: Callable[[bytes], None] | None
) -> tuple[int, str]:
    """Run a program to its end, however long: (exit status, the end of what it said, which is shown as it comes).

    Where it is shown on a terminal the program gets that as its own, and nothing of what it says is known.
    """
    through = show is not None and sys.stderr.isatty()
    sink = sys.stderr.fileno() if through else subprocess.PIPE
    child = subprocess.Popen(
        args, cwd=where, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink if through else subprocess.STDOUT
    )
    said = b""
    try:
        for line in child.stdout or ():
            if show is not None:
                show(line)
            said = (said + line)[-_KEPT:]
        return child.wait(), said.decode("utf-8", "replace")
    except BaseException:
        child.terminate()
        child.wait()
        raise
