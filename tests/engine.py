"""A real Docker engine, and a sandbox's image in it that the program itself has made."""

from __future__ import annotations

import functools
import gc
import hashlib
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filelock

from git_peer.adapters import docker, docker_image
from git_peer.adapters.docker import Docker, Limits
from git_peer.core.errors import PeerError
from git_peer.ports import Job
from tests.world import require, sealed

DECLARED = ("tomli-w", "click")  # in the project that the image is made for, in its two places

_HOST = os.environ.get("DOCKER_HOST")  # read before a test's environment is sealed


@functools.cache
def _answers() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the SDK leaves a socket that it cannot connect
        try:
            docker.connect().close()
        except PeerError:
            gc.collect()
            return False
    return True


def engine() -> None:
    """Skip the test where no Docker engine answers; with GIT_PEER_REQUIRE=all fail. tools/docker-engine starts one."""
    if _HOST:
        os.environ["DOCKER_HOST"] = _HOST
    require("docker engine", _answers)


@functools.cache
def image() -> str:
    """The name of an image that `git peer sandbox build` has made by this recipe; made at most once in an engine.

    It holds what DECLARED names.
    """
    engine()
    recipe = Path(docker_image.__file__).read_bytes() + "".join(DECLARED).encode() + sys.version.encode()
    tag = f"{docker_image.NAME}:tests-{hashlib.sha256(recipe).hexdigest()[:12]}"
    with filelock.FileLock(Path(tempfile.gettempdir(), f"{tag.replace(':', '-')}-{os.getuid()}.lock")):
        api = docker.connect()
        try:
            docker.has_image(api, tag)
        except PeerError:
            _build(tag)
        finally:
            api.close()
    return tag


def _build(tag: str) -> None:
    with tempfile.TemporaryDirectory(prefix="git-peer-image-") as folder:
        top = Path(folder, "project")
        top.mkdir()
        (top / "pyproject.toml").write_text(f'[project]\nname = "p"\nversion = "1"\ndependencies = ["{DECLARED[0]}"]\n')
        (top / "requirements.txt").write_text(f"{DECLARED[1]}\n")
        env = sealed(Path(folder, "home")) | ({"DOCKER_HOST": _HOST} if _HOST else {})
        subprocess.run(["git", "init", "-q", str(top)], env=env, check=True)
        args = [sys.executable, "-P", "-m", "git_peer", "sandbox", "build", "--tag", tag]
        made = subprocess.run(args, cwd=top, env=env, capture_output=True, text=True, timeout=240)
        assert made.returncode == 0, made.stderr
        assert made.stdout.startswith(f"Made {tag}."), made.stdout


class Loose(Docker):
    """A sandbox of which one limit is lifted: the control that shows that an attack works without it."""

    def __init__(self, lift: Callable[[dict[str, Any]], None], limits: Limits) -> None:
        super().__init__(image(), limits, lambda _: None)
        self._lift = lift

    def _form(self, code: Path, job: Job) -> dict[str, Any]:
        form = super()._form(code, job)
        self._lift(form)
        return form
