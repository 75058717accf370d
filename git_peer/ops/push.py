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
from typing import Any

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.lock.landing import RefUpdate
from git_peer.core.lock.record import Work
from git_peer.core.rules import decide as commands
from git_peer.hooks import watch
from git_peer.ops import notes as noting
from git_peer.ops import outgoing
from git_peer.ops import sync as tentative
from git_peer.ops.destination import Gates, Place, place_of, same_place
from git_peer.ops.outgoing import Update
from git_peer.ops.peer import Peer
from git_peer.publish import attempts
from git_peer.store.git.remote import Pushed, Ran, run, said_by_server, traced

STAGE_OVER = 1 << 20  # bytes of code from which it goes to a stage ref first
_KEPT, _WORDS = 1 << 14, 3  # bytes of what a user's hook said, and lines of it that an error repeats
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


class Push:
    """One push of code. `refspecs` and `options` are the user's own, as `git push` takes them.

    `show` gets what the user's hook says, line by line; without it nobody sees that.
    """

    def __init__(
        self,
        peer: Peer,
        remote: str | None,
        refspecs: Sequence[str],
        options: Sequence[str],
        show: Callable[[bytes], None] | None = None,
    ) -> None:
        self.peer = peer
        self.patience: int = peer.settings.get("retryTimeout")
        self.options = list(options)
        self.remote = remote or self._default_remote()
        self.refspecs = list(refspecs)
        self._show = show
        self._forced: set[str] = set()
        self._to: Place | None = None
        self.warnings: list[str] = []  # what others have locked, and this push brings to a branch that is not gated
        self._advertised = b""  # the remote's refs, as git heard of them
        self._said: Sequence[str] = ()  # what the server had to say

    def _git(self, *args: str, env: Mapping[str, str] | None = None) -> Ran:
        where = {"GIT_DIR": str(self.peer.repo.gitdir)}
        if self.peer.repo.top is not None:
            where["GIT_WORK_TREE"] = str(self.peer.repo.top)
        return run(args, self.peer.repo.top or self.peer.repo.gitdir, self.patience, {**where, **(env or {})})

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
        updates = self._resolve()
        peer = self.peer
        if peer.remote is not None and peer.clone.tentative() and not dry_run:
            tentative.settle(peer)  # whose the paths are is settled before they land
        together = peer.remote is not None and same_place(peer, self.to.url, peer.remote.url)
        if peer.remote is not None and not together:
            with peer.clone.writing(self.patience):
                peer.engine.advance(self.patience)
        if not updates:
            if not dry_run:
                noting.carry(peer, again=False)
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
        if self._users_hook() and peer.remote is not None and not together:  # it may have taken its time
            with peer.clone.writing(self.patience):
                peer.engine.advance(self.patience)
        if together and not dry_run:
            self._find_integration(updates)
        command = self._command(updates, keep, together)
        if dry_run:
            self._warn()
            return {**view, "released": [], "dry_run": True}
        if together:
            done = self._together(updates, command)
        else:
            self._alone(updates)
            done = peer.run(command)
            noting.carry(peer)
        self._warn()
        return {**view, "released": done["released"], "atomic": together, "messages": list(self._said)}

    def _warn(self) -> None:
        """Tell what the last check had to say beside its yes."""
        self.peer.warned += [{"code": "locked", "message": said} for said in self.warnings]

    def _resolve(self) -> list[Update]:
        """The refs that git would push, as its own dry run says."""
        # Without push options, the configured ones too: in a dry run git writes them to a server that may have left,
        # and dies of SIGPIPE.
        options = [option for option in self.options if not option.startswith("--push-option=")]
        args = ["push", "--dry-run", "--porcelain", "--no-verify", *options, self.remote, *self.refspecs]
        with tempfile.TemporaryDirectory(prefix="git-peer-") as scratch:
            heard = Path(scratch) / "heard"
            ran = self._git("-c", "push.pushOption=", *args, env={"GIT_TRACE_PACKET": str(heard)})
            with contextlib.suppress(OSError):
                self._advertised = traced(heard)
        rows = [line.split("\t") for line in ran.out.splitlines() if line.count("\t") == 2]
        if ran.status and not rows:
            raise self._not_pushed(ran)
        refused = [row for row in rows if row[0] == "!"]
        if refused:
            raise self._behind(refused)
        found = []
        for flag, pair, summary in rows:
            local, _, there = pair.rpartition(":")
            if flag == "=":
                continue
            ident = self._git("rev-parse", "--verify", "-q", local).out.strip() if local else ""
            found.append(Update(local, ident, there, self._old(there, flag, summary)))
        # What goes forward needs no force; the rest is leased on what it was when it was checked.
        self._forced = {row[1].rpartition(":")[2] for row in rows if row[0] in ("+", "-")}
        return found

    def _not_pushed(self, ran: Ran) -> PeerError:
        """Why git would not push at all: the network, or else what it was asked for."""
        first = next((line for line in ran.err.splitlines() if line.strip()), "git push failed")
        first = first.removeprefix("fatal: ").removeprefix("error: ")
        low = ran.err.lower()
        if "does not appear to be a git repository" in low:
            return PeerError("not_found", first, "`git remote -v` lists the remotes")
        if ran.timed_out or any(word in low for word in _NETWORK):
            return PeerError("unreachable", first, "check the network and try again")
        branch = self.peer.repo.branch
        if "no upstream" in low:
            hint = f"git peer push -u {self.remote} {branch}"
        elif not branch:
            hint = f"HEAD is detached: git peer push {self.remote} HEAD:refs/heads/BRANCH"
        else:
            hint = f"say what to push, as `git push` takes it: git peer push {self.remote} {branch}"
        return PeerError("usage", first.rstrip("."), hint)

    def _users_hook(self) -> bool:
        """Run the user's pre-push hook as git does, once, with exactly the code's refs; whether there is one.

        A push is rehearsed for it, for only git knows all the ways to such a hook.

        It may take as long as it likes: no lock is held, and the network's time does not run. Our own hook, which is
        beside it, knows the push by its announcement, and leaves the check to us.
        """
        repo = self.peer.repo
        if not watch.users(repo.common, repo.top, repo.gitdir, "pre-push"):
            return False
        args = ["git", "push", "--dry-run", "--quiet", *self.options, self.remote, *self.refspecs]
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

    def _old(self, ref: str, flag: str, summary: str) -> str:
        """The id that the remote's ref has; "" where there is none."""
        if flag == "*":
            return ""
        if flag == " ":  # a fast-forward says from where, and git has that commit
            return str(self._git("rev-parse", "--verify", "-q", summary.partition("..")[0]).out.strip())
        return str(next(iter(self._git("ls-remote", self.remote, ref).out.split()), ""))

    def _behind(self, rows: list[list[str]]) -> PeerError:
        """Not fast-forward: what has to be pulled first."""
        pair, summary = rows[0][1], rows[0][2]
        local, _, there = pair.rpartition(":")
        self._git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", self.remote, there)
        fetched = self._git("ls-remote", self.remote, there).out.split()
        pull = self._git("rev-list", fetched[0], "--not", local).out.split() if fetched and local else []
        name = there.removeprefix("refs/heads/")
        return PeerError(
            "rejected",
            f"{self.remote} refused {name}: {summary}" + (f", {len(pull)} commits to pull" if pull else ""),
            f"git pull --rebase {self.remote} {name}",
            pull=pull,
        )

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
        dirty = self._dirty() if changed else []
        return commands.Land(
            me=self.peer.me,
            refs=tuple(RefUpdate(ref=u.remote_ref, old=u.remote, new=u.local) for u in updates),
            changed=tuple(layout.percent(path) for path in dict.fromkeys(changed)),
            dirty=tuple(layout.percent(path) for path in dirty),
            landed=landing[0].local if landing else "",
            atomic=together,
            keep=keep,
            work=self._unlanded(updates, gates),
        )

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

    def _dirty(self) -> list[str]:
        if self.peer.repo.top is None:
            return []
        out = self._git("status", "--porcelain=v2", "-z", "--no-renames", "--untracked-files=all").out
        rows = [row for row in out.split("\0") if row]
        return [
            row.split(" ", 8)[8] if row[0] == "1" else row.split(" ", 10)[-1] if row[0] == "u" else row[2:]
            for row in rows
        ]

    def _together(self, updates: Sequence[Update], command: commands.Land) -> dict[str, Any]:
        peer = self.peer
        assert peer.remote is not None
        remote = peer.remote
        if peer.clone.facts.get("atomic") is False:
            raise PeerError(
                "unsupported", f"{self.remote} does not take atomic pushes", "`git push`, then `git peer unlock`"
            )
        spec = [f"{self._source(u)}:{u.remote_ref}" for u in updates]
        options = [*self.options]
        options += [f"--force-with-lease={u.remote_ref}:{u.remote}" for u in updates if u.remote_ref in self._forced]
        staged = self._stage(updates)

        def publish(candidate: str, base: str | None, timeout: float) -> Pushed:
            # The state may have moved since the check: what is decided again is checked again.
            self._check(updates)

            def send(ride: noting.Ride | None) -> Pushed:
                code, more = [*spec, *staged, *([ride.spec] if ride else [])], [ride.lease] if ride else []
                return remote.push(candidate, base, timeout, code=code, options=[*options, *more])

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
        if "-u" in self.options and update.local:
            now = self._git("rev-parse", "--verify", "-q", update.local_ref).out.strip()
            return update.local_ref if now == update.local else update.local
        return update.local

    def _refused(self, answers: Sequence[Pushed]) -> PeerError | None:
        """The server's refusal of code, with its own words; None where it is the log that it refused."""
        rows = [row for one in answers for row in one.refs if row[0] == "!"]
        own = [row for row in rows if "atomic" not in row[3]] or rows  # the others only fell with these
        code = [row for row in own if row[2].startswith("refs/") and not self._is_ours(row[2])]
        if not code:
            return None
        names = ", ".join(row[2].removeprefix("refs/heads/") for row in code)
        said = "".join(f"\n{line}" for one in answers for line in one.said)
        text = f"{self.remote} refused {names}: {code[0][3]}{said}"
        return PeerError("rejected", text, "the server decides that; nothing was pushed or released")

    def _is_ours(self, ref: str) -> bool:
        return ref.startswith(layout.OURS) or (self.peer.remote is not None and ref == self.peer.remote.ref)

    def _stage(self, updates: Sequence[Update]) -> list[str]:
        """Send much code ahead to a stage ref, so that a lost race does not send it again; the refspec that ends it."""
        news = [u.local for u in updates if u.local]
        listed = self._git("rev-list", "--disk-usage", "--objects", *news, "--not", "--remotes").out.strip()
        if not news or not listed.isdigit() or int(listed) < STAGE_OVER:
            return []
        ref = f"{layout.STAGE}{os.urandom(6).hex()}"
        pushed = self._git("push", "--quiet", "--no-verify", self.remote, f"{news[0]}:{ref}")
        return [] if pushed.status else [f":{ref}"]

    def _alone(self, updates: Sequence[Update]) -> None:
        """The code's remote is not the log's: two pushes, and no landing in one step."""
        self._check(updates)
        spec = [f"{self._source(u)}:{u.remote_ref}" for u in updates]
        leases = [f"--force-with-lease={u.remote_ref}:{u.remote}" for u in updates if u.remote_ref in self._forced]
        ran = self._git("push", "--porcelain", "--atomic", "--no-verify", *self.options, *leases, self.remote, *spec)
        self._said = said_by_server(ran)
        if not ran.status:
            return
        rows = [row for line in ran.out.splitlines() if (row := line.split("\t"))[0] == "!" and len(row) == 3]
        if any("remote rejected" in row[2] for row in rows):
            told = tuple((flag, *pair.rsplit(":", 1), summary) for flag, pair, summary in rows)
            refused = self._refused([Pushed("rejected", refs=told, said=tuple(self._said))])  # type: ignore[arg-type]
            if refused is not None:
                raise refused
        raise self._behind(rows) if rows else self._not_pushed(ran)


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
