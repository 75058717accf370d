"""The one place where parts are put together: from the environment to a Peer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from git_peer.core.errors import PeerError
from git_peer.core.log.command import Me, Scene
from git_peer.core.session import naming
from git_peer.ops import gate
from git_peer.ops.peer import Peer
from git_peer.publish.engine import Options
from git_peer.publish.snapshot import World
from git_peer.store.clone import runs, times
from git_peer.store.clone.clone import Clone
from git_peer.store.git.chain import Chain
from git_peer.store.git.repo import Repo
from git_peer.store.settings import Settings

if TYPE_CHECKING:
    from typing import Any

    from git_peer.core.target.target import Spans
    from git_peer.ops.init import Setup
    from git_peer.store.git.lines import Lines
    from git_peer.store.git.remote import Remote


class Parts:
    """What a command is made of. Nothing is read before it is asked for. `start` stands for the current directory."""

    def __init__(self, name: str | None = None, writing: bool = False, start: str | None = None) -> None:
        self.repo = Repo(start)
        self._lines: Lines | None = None
        self.clone = Clone(self.repo.common)
        if writing and self.clone.copied:
            self.clone.adopt_copy()
        self.settings = Settings(self.repo.handle, self.repo.top)
        self.me = who(self.repo, self.clone, name)
        self._by_its_id = bool(self.me.agent) and name is None and not os.environ.get("GIT_PEER_SESSION")

    @property
    def remote(self) -> Remote | None:
        """The remote that arbitrates; None in local mode."""
        facts = self.clone.facts
        name = str(self.settings.get("remote") or facts.get("remote") or "")
        if not facts.get("remote"):
            return None
        from git_peer.store.git.remote import Remote

        return Remote(self.repo.gitdir, self.repo.top, name, str(facts.get("branch")))

    @property
    def chain(self) -> Chain:
        """The log's commits in this repository."""
        return Chain(self.repo.git)

    def scene(self) -> Scene:
        """The settings that decisions are made by; the clock is read at each."""
        ttl = self.settings.get("ttl")
        return Scene(
            now=0,
            when=times.when,
            ident=lambda: os.urandom(8).hex(),
            skew=self.settings.get("clockSkew"),
            ttl_agent=ttl or 1800,
            ttl_person=ttl or 28800,
            ttl_max=self.settings.get("maxTtl"),
            pending_ttl=self.settings.get("pendingTtl"),
            agents_may_force=self.settings.get("agentsMayForce"),
            carry=self._carry,
            meets=self._meets,
        )

    def _carry(self, old: str, new: str, spans: Spans) -> Spans | None:
        """What has come of lines of one blob in another."""
        if self._lines is None:
            from git_peer.store.git.lines import Lines  # only where somebody has locked lines

            self._lines = Lines(self.repo.handle)
        return self._lines.carry(old, new, spans)

    def _meets(self, blob: str, old: str, new: str, spans: Spans) -> bool:
        """Whether a change of a file is in these lines of a version of it."""
        from git_peer.store.git.landing import Mainline  # only where somebody who locked lines is done

        return Mainline(self.repo).meets(blob, ("100644", old), ("100644", new), spans)

    @property
    def world(self) -> World:
        """The same for all of this run's decisions, and whose they are."""
        return World(self.scene(), self.me.clone)

    def options(self, **given: Any) -> Options:
        """How its engine goes about it: by the settings, but for what is given."""
        patience, staleness = self.settings.get("retryTimeout"), self.settings.get("maxStaleness")
        return Options(**{"patience": patience, "staleness": staleness, **given})

    def peer(self, writing: bool = False, **options: Any) -> Peer:
        """The Peer of this run, with these options of its engine.

        PeerError("not_set_up") where `git peer init` was not here.
        """
        if not self.clone.is_set_up:
            raise PeerError("not_set_up", "git-peer is not set up in this repository", "`git peer init` sets it up")
        self.clone.check()
        if writing:
            self.settings.check_promises()
        if writing and self.clone.facts.get("moving"):
            self.setup().init(str(self.clone.facts["moving"]), False, None)  # a publication that was cut off
        if writing and self._by_its_id:
            from git_peer.store.clone import who as who_is

            who_is.answers_to(self.clone.folder, *naming.agent_of(os.environ), self.me.gitdir, str(self.me.name))
        peer = Peer(self.repo, self.clone, self.settings, self.me, self.remote, self.world, self.options(**options))
        peer.warned += gate.notices(self.repo, mend=writing)
        return peer

    def setup(self) -> Setup:
        """What `git peer init` works with."""
        from git_peer.ops.init import Setup  # with it come the hooks' files, which nothing else wants

        return Setup(self.repo, self.clone, self.settings, self.me, self.world, self.options(moves=True))


def who(repo: Repo, clone: Clone, given: str | None) -> Me:
    """Who runs this, by --as, else by the environment."""
    gitdir = repo.gitdir_name
    name, agent = naming.name_from(os.environ, gitdir)
    lent = given is None and bool(os.environ.get("GIT_PEER_SESSION"))
    name = name if given is None else given
    if name is not None and not naming.is_name(name):
        raise PeerError(
            "usage",
            f"not a session's name: {name!r}",
            "lower-case letters, digits, '.', '_' and '-', at most 64, beginning with a letter or digit",
        )
    return Me(
        name=name,
        lent=lent,
        agent=agent,
        clone=clone.ident,
        gitdir=gitdir,
        host=os.uname().nodename,
        user=_user(),
        worktree=(repo.top or repo.gitdir).name,
        branch=repo.branch,
        head=repo.head,
        also=runs.also(str(clone.folder), name) if agent else (),
    )


def _user() -> str:
    """As getpass tells it, which brings a terminal's settings along."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if os.environ.get(name):
            return os.environ[name]
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
