"""What a job can do, found out by doing it. Runs inside a sandbox, as a file of its own: standard library only.

Arguments: MiB of memory, and processes, that it may have. Prints a JSON object: limit → [whether it holds, what was
seen].
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

Seen = tuple[bool, str]


def network() -> Seen:
    """Whether there is no way out: no interface but the loopback, and no route."""
    lines = Path("/proc/net/dev").read_text("ascii").splitlines()[2:]
    names = [name for line in lines if (name := line.partition(":")[0].strip()) != "lo"]
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.connect(("192.0.2.1", 9))  # an address of no machine; nothing is sent
        return False, f"there is a route, by {', '.join(names)}"
    except OSError as why:
        return not names, str(why.strerror) if not names else f"interfaces: {', '.join(names)}"


def _unwritable(*folders: str) -> Seen:
    for folder in folders:
        path = Path(folder, ".git-peer-try")
        try:
            path.write_text("", "ascii")
        except OSError as why:
            seen = str(why.strerror)
        else:
            path.unlink()
            return False, f"{folder} can be written to"
    return True, seen


def code() -> Seen:
    """Whether the code cannot be changed."""
    return _unwritable(str(Path.cwd()))


def system() -> Seen:
    """Whether the image's files cannot be changed."""
    return _unwritable("/", "/usr", "/usr/bin", "/etc", "/run")


def user() -> Seen:
    """Whether it is not root's."""
    return os.getuid() != 0 and os.getgid() != 0, f"uid {os.getuid()}, gid {os.getgid()}"


def _status() -> dict[str, str]:
    lines = Path("/proc/self/status").read_text("ascii", "replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def privileges() -> Seen:
    """Whether there are no capabilities, and none can be had."""
    status = _status()
    has = [name for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(status.get(name, "1"), 16)]
    wrong = has + ([] if status.get("NoNewPrivs") == "1" else ["new privileges can be had"])
    return not wrong, ", ".join(wrong) or "no capabilities, no new privileges"


def seccomp() -> Seen:
    """Whether system calls are filtered."""
    mode = _status().get("Seccomp", "0")
    return mode == "2", "a filter" if mode == "2" else "no filter"


def noexec() -> Seen:
    """Whether what a job writes cannot be started as a program."""
    path = Path(tempfile.gettempdir(), "program")
    shutil.copy(shutil.which("true") or sys.executable, path)
    path.chmod(0o755)
    try:
        subprocess.run([path, "--version"], capture_output=True)
    except PermissionError as why:
        return True, str(why.strerror)
    finally:
        path.unlink()
    return False, "it was started"


def disk(memory: int) -> Seen:
    """Whether files cannot fill more than memory has: `memory` MiB."""
    path, piece, written = Path(tempfile.gettempdir(), "full"), bytes(1024 * 1024), 0
    try:
        with path.open("wb") as file:
            for _ in range(memory):
                file.write(piece)
                written += 1
    except OSError as why:
        return why.errno == errno.ENOSPC, f"{why.strerror} after {written} MiB"
    finally:
        path.unlink()
    return False, f"{written} MiB were taken"


def processes(most: int) -> Seen:
    """Whether there cannot be more than `most`; threads count as processes, and take less memory."""
    end, started = threading.Event(), list[threading.Thread]()
    try:
        for _ in range(most + 8):
            one = threading.Thread(target=end.wait)
            one.start()
            started.append(one)
    except RuntimeError as why:
        return True, f"{why} after {len(started)}"
    finally:
        end.set()
        for one in started:
            one.join()
    return False, f"{len(started)} were started"


def cpus() -> Seen:
    """Whether the share of the processors is bounded."""
    try:
        words = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
    except OSError:
        cgroup = Path("/sys/fs/cgroup/cpu")
        words = [(cgroup / f"cpu.cfs_{name}_us").read_text("ascii").strip() for name in ("quota", "period")]
    if words[0] in ("max", "-1"):
        return False, "all of them"
    return True, f"{int(words[0]) / int(words[1]):g}"


def all_of(memory: int, most: int) -> Iterator[tuple[str, Callable[[], Seen]]]:
    """What is tried, by name."""
    for one in (network, code, system, user, privileges, seccomp, noexec, cpus):
        yield one.__name__, one
    yield "processes", lambda: processes(most)
    yield "disk", lambda: disk(memory)


def main() -> None:
    """Try all."""
    found: dict[str, Seen] = {}
    for name, tried in all_of(int(sys.argv[1]), int(sys.argv[2])):
        try:
            found[name] = tried()
        except Exception as why:  # noqa: BLE001 - it is what is seen
            found[name] = False, f"{type(why).__name__}: {why}"
    print(json.dumps(found))


if __name__ == "__main__":
    main()
