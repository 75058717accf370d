"""The one place where parts are put together: from the environment to a Peer."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
from typing import TYPE_CHECKING

from git_peer.core.errors import PeerError
from git_peer.core.session import naming
from git_peer.core.session.record import Me, Scene
from git_peer.ops.peer import Peer
from git_peer.store.clone import who as who_is
from git_peer.store.clone.clone import Clone
from git_peer.store.git.chain import Chain
from git_peer.store.git.remote import Remote
from git_peer.store.git.repo import Repo
from git_peer.store.settings import Settings

if TYPE_CHECKING:
    from git_peer.ops.init import Setup


class Parts:
    """What a command is made of. Nothing is read before it is asked for."""

    def __init__(self, name: str | None = None, writing: bool = False) -> None:
        self.repo = Repo()
        self.clone = Clone(self.repo.common)
        if writing and self.clone.copied:
            self.clone.adopt_copy()
        self.settings = Settings(self.repo.git, self.repo.top)
        self.me = who(self.repo, self.clone, name)
        self._by_its_id = bool(self.me.agent) and name is None and not os.environ.get("GIT_PEER_SESSION")

    @property
    def remote(self) -> Remote | None:
        """The remote that arbitrates; None in local mode."""
        facts = self.clone.facts
        name = str(self.settings.get("remote") or facts.get("remote") or "")
        if not facts.get("remote"):
            return None
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
            ident=lambda: secrets.token_hex(8),
            skew=self.settings.get("clockSkew"),
            ttl_agent=ttl or 1800,
            ttl_person=ttl or 28800,
            ttl_max=self.settings.get("maxTtl"),
            agents_may_force=self.settings.get("agentsMayForce"),
        )

    def peer(self, writing: bool = False) -> Peer:
        """The Peer of this run; PeerError("not_set_up") where `git peer init` was not here."""
        if not self.clone.is_set_up:
            raise PeerError("not_set_up", "git-peer is not set up in this repository", "`git peer init` sets it up")
        if writing and self.clone.facts.get("moving"):
            self.setup().init(str(self.clone.facts["moving"]), False, None)  # a publication that was cut off
        if writing and self._by_its_id:
            who_is.answers_to(self.clone.folder, *naming.agent_of(os.environ), self.me.gitdir, str(self.me.name))
        return Peer(self.repo, self.clone, self.settings, self.me, self.remote, self.scene())

    def setup(self) -> Setup:
        """What `git peer init` works with."""
        from dataclasses import replace
        from time import time

        from git_peer.ops.init import Setup  # with it come the hooks' files, which nothing else wants

        world = self.scene()
        return Setup(
            self.repo,
            self.clone,
            self.settings,
            self.me,
            lambda state: replace(world, now=int(time()), height=state.log.height + 1),
        )


def who(repo: Repo, clone: Clone, given: str | None) -> Me:
    """Who runs this, by --as, else by the environment."""
    gitdir = repo.gitdir_name
    name, agent = naming.name_from(os.environ, gitdir)
    name = name if given is None else given
    if name is not None and not naming.is_name(name):
        raise PeerError(
            "usage",
            f"not a session's name: {name!r}",
            "lower-case letters, digits, '.', '_' and '-', at most 64, beginning with a letter or digit",
        )
    return Me(
        name=name,
        agent=agent,
        clone=clone.ident,
        gitdir=gitdir,
        host=socket.gethostname(),
        user=_user(),
        worktree=(repo.top or repo.gitdir).name,
        branch=repo.branch,
        head=repo.head,
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
