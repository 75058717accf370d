"""Where a push goes, and which branches there are gated: they take no change of what somebody else has locked."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from git_peer.core.target import glob as globs
from git_peer.ops.peer import Peer
from git_peer.store.git import place
from git_peer.store.git.remote import run

HEADS = "refs/heads/"
PATIENCE = 2  # seconds in which a place may tell what would free a push; what a ref had may take longer


class Place(NamedTuple):
    """Where a push goes: the remote as the user names it, and the URL that git makes of that."""

    name: str
    url: str
    several: bool = False  # whether the remote has more push URLs than this one


def place_of(peer: Peer, remote: str) -> Place:
    """Where a push to a remote, or to a URL, leads: by pushurl, insteadOf and pushInsteadOf."""
    args = ["remote", "get-url", "--push", "--all", remote]
    if remote not in peer.repo.git.remotes.names():
        args = ["-c", f"remote.git-peer-here.url={remote}", *args[:-1], "git-peer-here"]
    ran = run(args, top_of(peer), 10, environment(peer))
    urls = ran.out.splitlines() if not ran.status else []
    return Place(remote, urls[0] if urls else remote, len(urls) > 1)


def anonymous(url: str) -> str:
    """A URL as git shows it: without the user and the password in it."""
    scheme, mark, rest = url.rpartition("://")
    host, slash, path = rest.partition("/")
    user, _, bare = host.rpartition("@")
    return f"{scheme}{mark}{bare}{slash}{path}" if user and (mark or ":" in bare) else url


def environment(peer: Peer) -> dict[str, str]:
    """What git has to be told to work in this repository, wherever it runs."""
    top = {"GIT_WORK_TREE": str(peer.repo.top)} if peer.repo.top else {}
    return {"GIT_DIR": str(peer.repo.gitdir), **top}


def top_of(peer: Peer) -> Path:
    """Where git resolves what a path in its settings is relative to."""
    return peer.repo.top or peer.repo.gitdir


def same_place(peer: Peer, one: str, other: str) -> bool:
    """Whether two URLs lead to one repository."""
    return one == other or place.key(one, top_of(peer)) == place.key(other, top_of(peer))


def has_the_log(peer: Peer, url: str) -> bool:
    """Whether a place has our log, by whatever name or alias it is reached: as new as this clone has verified it."""
    if peer.remote is None:
        return False
    there = (listed(peer, url, [peer.remote.ref], PATIENCE) or {}).get(peer.remote.ref)
    return there is not None and peer.chain.descends(there, str(peer.chain.tip))


class Gates:
    """Which branches of a push's place take no change of what others have locked."""

    def __init__(self, peer: Peer, to: Place) -> None:
        self._peer = peer
        self.to = to
        self.landing = self._named("integration") or ()
        log = peer.state.log.integration
        if log and log not in self.landing:
            self.landing = (log, *self.landing)
        self.landing = self.landing or self._default()
        self.patterns = (*self.landing, *self._named("gateBranches"))

    def _named(self, setting: str) -> tuple[str, ...]:
        return tuple(self._peer.settings.get(setting))

    def _default(self) -> tuple[str, ...]:
        """Where the log knows no integration branch: what the code's remote was seen to have as its HEAD."""
        head = self._peer.repo.git.references.get(f"refs/remotes/{self.code}/HEAD")
        prefix = f"refs/remotes/{self.code}/"
        target = str(head.target) if head is not None else ""
        return (target.removeprefix(prefix),) if target.startswith(prefix) else ("main", "master")

    @property
    def code(self) -> str:
        """The remote that has the code: the log's, unless its integration branch follows another one."""
        peer = self._peer
        names = [name for name in peer.repo.git.remotes.names() if name]
        log = peer.remote.name if peer.remote is not None else ""
        refs = peer.repo.git.references
        if log and (len(names) < 2 or any(f"refs/remotes/{log}/{name}" in refs for name in self.landing)):
            return log
        config = peer.repo.git.config
        for name in self.landing:
            key = f"branch.{name}.remote"
            if key in config and config[key] in names:
                return str(config[key])
        return "origin" if "origin" in names else log or next(iter(names), "")

    @cached_property
    def code_url(self) -> str:
        """The URL that pushes of the code lead to; "" for none."""
        return place_of(self._peer, self.code).url if self.code else ""

    @cached_property
    def _is_known(self) -> bool:
        """Whether the push's URL is the code's, or the log's."""
        peer = self._peer
        known = [self.code_url, *([peer.remote.url] if peer.remote is not None else [])]
        return any(same_place(peer, self.to.url, url) for url in known if url)

    @cached_property
    def here(self) -> bool:
        """Whether the push goes to where the code lands: by its URL, or because the log is there too."""
        return self._is_known or has_the_log(self._peer, self.to.url)

    @cached_property
    def elsewhere(self) -> bool:
        """Whether it is certain, however old this copy of the log is, that the push does not go there.

        The place says that it has no log at all, be it newer, older or another one.
        """
        remote = self._peer.remote
        return (
            remote is not None and not self._is_known and listed(self._peer, self.to.url, [remote.ref], PATIENCE) == {}
        )

    def gated(self, ref: str) -> bool:
        """Whether a ref is a gated branch: an integration branch, or one that a setting adds."""
        name = ref.removeprefix(HEADS)
        return ref.startswith(HEADS) and any(globs.match(one, name) for one in self.patterns)

    def lands(self, ref: str) -> bool:
        """Whether work counts as done on that ref."""
        return ref.startswith(HEADS) and any(globs.match(one, ref.removeprefix(HEADS)) for one in self.landing)


def listed(peer: Peer, url: str, patterns: Iterable[str], patience: float) -> dict[str, str] | None:
    """Ref → id, of those that a place has now; None where it does not answer in time."""
    ran = run(["ls-remote", "--refs", url, *dict.fromkeys(patterns)], top_of(peer), patience, environment(peer))
    rows = [line.partition("\t") for line in ran.out.splitlines()]
    return None if ran.status else {name: ident for ident, _, name in rows}


def bring(peer: Peer, url: str, refs: Iterable[str], patience: float) -> str:
    """Fetch what refs of a place stand on, into no ref of ours or the user's; what went wrong, or ""."""
    args = ["-c", "core.hooksPath=/dev/null", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]
    args += ["--no-recurse-submodules", "--no-auto-gc", "--refmap=", url, *refs]
    ran = run(args, top_of(peer), patience, environment(peer))
    return "" if ran.status == 0 else "it did not answer in time" if ran.timed_out else ran.err.strip()
