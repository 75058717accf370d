"""The hooks of a repository that clones push to: put in, taken out, looked at."""

from __future__ import annotations

from collections.abc import Sequence

from git_peer.core.errors import PeerError
from git_peer.hooks import server_install
from git_peer.hooks.server_install import Served
from git_peer.store.settings import branch_name


def install(directory: str, strict: bool, branch: str) -> Served:
    """Put the hooks into the repository at `directory`, or bring them up to date; `branch` is the log's."""
    try:
        branch_name(branch)
    except ValueError as why:
        raise PeerError("usage", str(why), "as git names branches: peer/coordination") from None
    return server_install.install(server_install.find(directory), strict, branch)


def remove(directory: str) -> tuple[Served, Sequence[str]]:
    """Take them out: how it stands now, and a line for each thing that had to stay."""
    folder = server_install.find(directory)
    stayed = server_install.remove(folder)
    return server_install.look(folder), stayed


def status(directory: str) -> Served:
    """How it stands."""
    return server_install.look(server_install.find(directory))
