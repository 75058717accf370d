"""Sandboxes by their names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from git_peer.core.errors import PeerError
from git_peer.ports import Job, Ran, Sandbox
from git_peer.store.settings import Settings

if TYPE_CHECKING:
    from git_peer.adapters.docker import Limits

KINDS = ("docker", "none")


def open_sandbox(kind: str, settings: Settings, warn: Callable[[str], None]) -> Sandbox:
    """The sandbox of a kind of KINDS, with the limits that are set. `warn` is told what somebody should know of it.

    PeerError: unavailable where Docker, its library or the image is missing, usage for another kind.
    """
    if kind == "docker":
        from git_peer.adapters.docker import Docker

        return Docker(image(settings), limits(settings), warn)
    if kind == "none":
        from git_peer.adapters.unboxed import Unboxed

        warn("no sandbox: what is run here can read, write and send whatever you can")
        return Unboxed(settings.get("sandboxMemory"))
    raise PeerError("usage", f"no sandbox {kind!r}", f"one of {', '.join(KINDS)}")


def build(settings: Settings, tag: str, base: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Make the image that this project's jobs want: {image, from, requirements, file}.

    `tag`: what to call it, else as image() looks for it. `base`: the image that it is made on, "" for none.
    """
    from git_peer.adapters import docker, docker_image

    wanted = docker_image.declared(settings.top)
    name = tag or wanted.tag
    if ":" not in name.rpartition("/")[2]:
        name = f"{name}:latest"
    with contextlib.closing(docker.connect()) as api:
        docker_image.build(api, name, wanted, base, say)
    return {"image": name, "from": base, "requirements": list(wanted.requirements), "file": str(wanted.file or "")}


def image(settings: Settings) -> str:
    """The image that jobs are run in: the one that is set, else what `sandbox build` makes for this project."""
    from git_peer.adapters.docker_image import declared

    return settings.get("sandboxImage") or declared(settings.top).tag


def limits(settings: Settings) -> Limits:
    """What a job may use."""
    from git_peer.adapters.docker import Limits

    get = settings.get
    return Limits(memory=get("sandboxMemory"), cpus=get("sandboxCpus"), pids=get("sandboxPids"))


class Later:
    """A sandbox that is opened when the first command is run: whoever runs none needs none. See open_sandbox()."""

    def __init__(self, kind: str, settings: Settings, warn: Callable[[str], None]) -> None:
        self.kind = kind
        self._opened: Callable[[], Sandbox] = partial(open_sandbox, kind, settings, warn)
        self._sandbox: Sandbox | None = None

    def run(self, job: Job) -> Ran:
        """See ports.Sandbox."""
        if self._sandbox is None:
            self._sandbox = self._opened()
        return self._sandbox.run(job)

    def close(self) -> None:
        """See ports.Sandbox."""
        if self._sandbox is not None:
            self._sandbox.close()
