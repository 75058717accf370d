"""Which process something belongs to, in words by which another process can tell that it has died."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from pathlib import Path

_PROC = Path("/proc")


def me(prefix: str) -> dict[str, str]:
    """Labels `PREFIX.host`, `.pid` and `.born` of this process."""
    pid = os.getpid()
    return {f"{prefix}.host": host(), f"{prefix}.pid": str(pid), f"{prefix}.born": born(pid)}


def is_dead(prefix: str, labels: dict[str, str]) -> bool:
    """Whether the process of such labels is surely dead: one of another machine or container never is."""
    pid = labels.get(f"{prefix}.pid", "")
    if labels.get(f"{prefix}.host") != host() or not pid.isdecimal():
        return False
    return born(int(pid)) != labels.get(f"{prefix}.born")


def host() -> str:
    """This machine, or container, in which process ids mean something."""
    words = [socket.gethostname()]
    with contextlib.suppress(OSError, UnicodeDecodeError):  # not Linux: its name is all there is
        words += [Path("/etc/machine-id").read_text("ascii").strip(), os.readlink(_PROC / "self" / "ns" / "pid")]
    return " ".join(words)


def born(pid: int) -> str:
    """When a process started, so that a later one of its number is another; "" where there is none, or a dead one's."""
    if not (_PROC / "self").exists():
        args = ["ps", "-o", "lstart=", "-p", str(pid)]
        return subprocess.run(args, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}).stdout.strip()
    try:
        fields = (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        boot = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{boot} {fields[19]}"  # its state; the ticks from the boot to its start
