"""Docker through its SDK: the engine, and a sandbox in which each job is a container of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from git_peer.adapters import processes
from git_peer.adapters.capture import REPORT, Heard, copy, environment
from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.ports import Job, Ran

if TYPE_CHECKING:
    import docker

PATIENCE = 30  # seconds for the engine to answer a request
HELLO = 5  # the same, for the first one
_OLDEST = "1.40"  # version of the API that has all that is asked for here
SWEPT = 60.0  # seconds after which a runner looks again for what dead ones have left
LABEL = "git-peer"  # what our containers are labelled with, and the prefix of its parts
NOBODY = "65534:65534"  # a user and a group that own no file, in the image or on this machine
CODE = "/code"  # where a job finds its files
# Where pytest leaves its report. No image may have that folder: its mode there would be the mode that it gets.
OUT = "/run/git-peer/out"
_REPORT_FILE = f"{OUT}/report.xml"
_MIB = 1024 * 1024

# What runs in a container, as its first process: the job as its child, then the end of all that the job has left, then
# on the error stream, which the job does not have, how often memory ran out, and the report where it is a file.
_FIRST = f"""
exec 3>&2 2>&1
sh -c "$1" 3>&-
status=$?
kill -9 -1 2>/dev/null
killed=0
for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
    [ -r "$file" ] && while read -r key count; do [ "$key" = oom_kill ] && killed=$count; done <"$file"
done
echo "$killed" >&3
[ -f {_REPORT_FILE} ] && [ ! -L {_REPORT_FILE} ] && head -c {REPORT + 1} {_REPORT_FILE} >&3
exit "$status"
"""
Warn = Callable[[str], None]


@dataclass(frozen=True)
class Limits:
    """What a job may use: MiB of memory (its files in memory too), processors, processes and threads."""

    memory: int = 512
    cpus: int = 1
    pids: int = 128


def connect(hello: int = HELLO) -> docker.APIClient:
    """The engine that DOCKER_HOST, a context or the default socket leads to. PeerError("unavailable") without one.

    `hello` is how many seconds it may take to answer.
    """
    try:
        import docker
    except ImportError:
        hint = "`pip install 'git-peer[runner]'` installs it"
        raise PeerError("unavailable", "the sandbox needs the docker library, which is not installed", hint) from None
    from requests.exceptions import RequestException  # the SDK's transport; it lets these out

    try:
        # Asked by a client of its own: one that fails while it is being made cannot be closed.
        with contextlib.closing(docker.from_env(version=_OLDEST, timeout=hello)) as first:
            spoken = str(first.api.version(api_version=False)["ApiVersion"])
        return docker.from_env(version=spoken, timeout=PATIENCE).api
    except (docker.errors.DockerException, RequestException, OSError, ValueError, KeyError, TypeError) as why:
        told = re.search(r"\(\d+, '([^']+)'\)", str(why))  # the system's word, inside of those of three libraries
        said = text.line(told[1] if told else str(why), 300)
    # Not in there: an error that comes of another keeps the sockets alive that the SDK has left open.
    hint = "start Docker, or set DOCKER_HOST; `--sandbox none` does without, and without any protection"
    raise PeerError("unavailable", f"no Docker engine answers: {said}", hint)


@contextlib.contextmanager
def asking(what: str) -> Iterator[None]:
    """A block in which the engine is asked for something; what goes wrong is a PeerError("unavailable")."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except (DockerException, RequestException, OSError) as why:
        said = getattr(why, "explanation", None) or str(why)
        hint = "`git peer sandbox check` tells what the engine can do"
        raise PeerError("unavailable", f"Docker cannot {what}: {text.line(str(said), 300)}", hint) from None


class Docker:
    """A ports.Sandbox. What dead runners of this machine have left is removed now and then, and at its ends."""

    kind = "docker"

    def __init__(self, image: str, limits: Limits, warn: Warn, api: docker.APIClient | None = None) -> None:
        """PeerError("unavailable") where there is no engine, or the engine does not have the image."""
        self.image = image
        self.limits = limits
        self._api = api or connect()
        self._warn = warn
        self._left: set[str] = set()  # names of containers that may still be there
        try:
            has_image(self._api, image)
            self._sweep()
        except BaseException:
            self._api.close()
            raise

    def _sweep(self) -> None:
        self._swept = time.monotonic()
        for name in sweep(self._api):
            self._warn(f"removed {name}, which a runner that is dead had left")

    # -- one job ----------------------------------------------------------------------------------
    def run(self, job: Job) -> Ran:
        """See ports.Sandbox."""
        self._clear()
        if time.monotonic() - self._swept > SWEPT:
            self._sweep()
        name = f"{LABEL}-{secrets.token_hex(6)}"
        with _readable(job.code) as code:
            self._left.add(name)
            try:
                with asking("run the command"):
                    return self._ran(name, code, job)
            finally:
                self._remove(name)

    def _ran(self, name: str, code: Path, job: Job) -> Ran:
        from docker.errors import ImageNotFound

        api = self._api
        try:
            api.create_container_from_config(self._form(code, job), name)  # type: ignore[no-untyped-call]
        except ImageNotFound:
            raise _no_image(self.image) from None
        stream: Any = api.attach_socket(name, {"stdout": 1, "stderr": 1, "stream": 1})
        heard = Heard(_pieces(stream), lambda: _cut(stream))
        api.start(name)
        began = time.monotonic()
        ended: Literal["", "time", "memory", "output"] = ""
        try:
            if not heard.enough.wait(job.seconds):
                ended = "time"
            elif heard.flooded:
                ended = "output"
            if ended:
                self._kill(name)
                if not heard.over.wait(PATIENCE):
                    raise PeerError("unavailable", "Docker does not end a container", "look at its engine's log")
        finally:
            heard.close()
        seconds = time.monotonic() - began
        status = int(api.wait(name, timeout=PATIENCE)["StatusCode"])
        count, _, report = heard.aside.head.partition(b"\n")
        killed = count.strip().isdigit() and int(count) > 0  # for want of memory
        if not ended and status != 0 and (killed or api.inspect_container(name)["State"].get("OOMKilled")):
            ended = "memory"
        return Ran(
            status=None if ended else status,
            output=heard.output.text(),
            report=b"" if ended or len(report) > REPORT else report,
            seconds=seconds,
            ended=ended,
        )

    def _form(self, code: Path, job: Job) -> dict[str, Any]:
        """What the engine is asked to create."""
        from docker.types import LogConfig, Mount, Ulimit

        limits = self.limits
        mount = Mount(CODE, str(code), type="bind", read_only=True, propagation="rprivate")
        mount["BindOptions"]["NonRecursive"] = True  # what is mounted below it would not be read-only
        memory = limits.memory * _MIB
        flags = "rw,noexec,nosuid,nodev,mode=1777"
        host = self._api.create_host_config(
            network_mode="none",
            read_only=True,
            mounts=[mount],
            tmpfs={
                "/tmp": f"{flags},size={memory // 2},nr_inodes=20000",  # noqa: S108 - inside the container
                OUT: f"{flags},size={2 * REPORT},nr_inodes=64",
            },
            shm_size=16 * _MIB,
            ipc_mode="private",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            mem_limit=memory,
            memswap_limit=memory,  # of both together: no swap
            nano_cpus=limits.cpus * 1_000_000_000,
            pids_limit=limits.pids,
            # Where this program is killed, nobody ends an endless loop before the next one sweeps.
            ulimits=[
                Ulimit(name="cpu", soft=job.seconds * limits.cpus + 5, hard=job.seconds * limits.cpus + 5),
                Ulimit(name="core", soft=0, hard=0),
            ],
            log_config=LogConfig(type="none"),  # else the engine would write a flood to its disk
        )
        form: dict[str, Any] = self._api.create_container_config(
            self.image,
            entrypoint=["sh", "-c", _FIRST, LABEL],
            command=[job.command],
            user=NOBODY,
            working_dir=CODE,
            environment=environment("/tmp", _REPORT_FILE),  # noqa: S108 - inside the container
            labels={**processes.me(LABEL), f"{LABEL}.for": job.label[:200]},
            host_config=host,
        )
        return form

    def _kill(self, name: str) -> None:
        from docker.errors import APIError

        with contextlib.suppress(APIError):  # it has ended just now
            self._api.kill(name, "SIGKILL")

    # -- what is left -----------------------------------------------------------------------------
    def _remove(self, name: str) -> None:
        """Remove a container; one that cannot be now is tried again by the next job, and by close()."""
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        with contextlib.suppress(DockerException, RequestException, OSError):
            remove(self._api, name)
            self._left.discard(name)

    def _clear(self) -> None:
        for name in list(self._left):
            self._remove(name)

    def close(self) -> None:
        """See ports.Sandbox."""
        self._clear()
        with contextlib.suppress(PeerError):
            self._sweep()
        self._api.close()


def _pieces(stream: Any) -> Iterator[tuple[bytes | None, bytes | None]]:
    """(of the job's output, of what the first process says beside it), up to the end of both."""
    from docker.utils.socket import frames_iter

    try:
        for number, piece in frames_iter(stream, tty=False):  # type: ignore[no-untyped-call]
            yield (piece, None) if number == 1 else (None, piece)
    finally:
        # The SDK hangs the response there, so that it lives as long; only its end closes the connection, too.
        getattr(stream, "_response", stream).close()


def _cut(stream: Any) -> None:
    """End the reading of a stream, which another thread may be waiting for."""
    if not stream.closed:
        with socket.socket(fileno=os.dup(stream.fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)


# -- the engine's containers and images ---------------------------------------------------------------
def has_image(api: docker.APIClient, image: str) -> None:
    """PeerError("unavailable") where the engine does not have it; it is never fetched from anywhere."""
    from docker.errors import ImageNotFound

    with asking(f"look for the image {image}"):
        try:
            api.inspect_image(image)  # type: ignore[no-untyped-call]
        except ImageNotFound:
            raise _no_image(image) from None


def _no_image(image: str) -> PeerError:
    return PeerError("unavailable", f"Docker has no image {image}", "`git peer sandbox build` makes one")


def remove(api: docker.APIClient, name: str) -> None:
    """Remove a container, running or not; nothing where there is none."""
    from docker.errors import APIError

    try:
        api.remove_container(name, force=True, v=True)
    except APIError as why:
        if why.status_code not in (404, 409):  # gone, or another is at it
            raise


def sweep(api: docker.APIClient) -> list[str]:
    """Remove the containers of dead runners of this machine; their names."""
    swept = []
    with asking("list its containers"):
        for one in api.containers(all=True, filters={"label": f"{LABEL}.pid"}):
            if processes.is_dead(LABEL, one["Labels"]):
                remove(api, one["Id"])
                swept.append(one["Names"][0].lstrip("/"))
    return swept


@contextlib.contextmanager
def _readable(code: Path) -> Iterator[Path]:
    """A folder of the same files that anybody may read: itself, or a copy where something of it is its owner's only."""
    where = code.resolve()
    if _open_to_all(where):
        yield where
        return
    folder = Path(tempfile.mkdtemp(prefix=f"{LABEL}-"))
    try:
        copy(where, folder)
        for above, _, files in os.walk(folder):
            os.chmod(above, 0o755)  # noqa: S103 - of the copy
            for path in (Path(above, name) for name in files):
                mode = path.lstat().st_mode
                if stat.S_ISREG(mode):
                    path.chmod(0o755 if mode & stat.S_IXUSR else 0o644)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _open_to_all(folder: Path) -> bool:
    """Whether every user may read all in it, and start what its owner may start."""
    if folder.stat().st_mode & 0o5 != 0o5:
        return False
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not _open_to_all(Path(entry)):
                    return False
            elif entry.is_file(follow_symlinks=False):
                mode = entry.stat(follow_symlinks=False).st_mode
                if not mode & stat.S_IROTH or (mode & stat.S_IXUSR and not mode & stat.S_IXOTH):
                    return False
    return True


def main(image: str) -> None:
    """Print as JSON what is in the way of an image's use, [message, hint], or null: for who does not want the SDK."""
    wrong: list[str] | None = None
    try:
        with contextlib.closing(connect(1)) as api:
            has_image(api, image)
    except PeerError as why:
        wrong = [why.message, why.hint]
    sys.stdout.write(json.dumps(wrong))


if __name__ == "__main__":
    main(sys.argv[1])
