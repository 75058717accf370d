"""Attacks from inside the sandbox. Each is run a second time with one limit lifted, and works then."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from git_peer.adapters import capture
from git_peer.adapters.docker import CODE, Docker
from git_peer.ports import Job, Ran
from tests.engine import Loose
from tests.sandbox.conftest import LIMITS

Form = dict[str, Any]
WON = "the attack worked"


def host(**changes: Any) -> Callable[[Form], None]:
    """Lifts what the container's host settings say."""
    return lambda form: form["HostConfig"].update(changes)


def as_root(form: Form) -> None:
    """Lifts the user and the capabilities: root, with what Docker gives it by default."""
    form["User"] = "0:0"
    form["HostConfig"]["CapDrop"] = []


def root_in_writable_kernel(form: Form) -> None:
    """Lifts the user, and the kernel's settings being read-only."""
    as_root(form)
    form["HostConfig"]["ReadonlyPaths"] = []


def writable(form: Form) -> None:
    """Lifts the mount's being read-only."""
    form["HostConfig"]["Mounts"][0]["ReadOnly"] = False


def root_in_writable_image(form: Form) -> None:
    """Lifts both."""
    as_root(form)
    form["HostConfig"]["ReadonlyRootfs"] = False


def room(form: Form) -> None:
    """Lifts the size of /tmp, and with it memory, which its files are in."""
    form["HostConfig"].update(Memory=0, MemorySwap=0, Tmpfs={"/tmp": "rw,size=512m"})


@dataclass(frozen=True)
class Attack:
    """What is tried, in Python, to end without an exception where it works; and what lets it."""

    script: str
    lift: Callable[[Form], None]
    refused: str  # what it is told inside
    ended: str = ""
    files: dict[str, str] = field(default_factory=dict)


LIBC = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
RAISE = "raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))"
ATTACKS = {
    "write to the code": Attack(f"open('{CODE}/test_me.py', 'w').write('pass')", writable, "Read-only file system"),
    "delete code": Attack(f"import os; os.unlink('{CODE}/attack.py')", writable, "Read-only file system"),
    "write to the image": Attack(
        "open('/usr/bin/sh2', 'w').write('x')", root_in_writable_image, "Read-only file system"
    ),
    "become root": Attack("import os; os.setuid(0)", as_root, "Operation not permitted"),
    "give a file away": Attack(
        "import os; open('/tmp/a', 'w'); os.chown('/tmp/a', 0, 0)", as_root, "Operation not permitted"
    ),
    "make a device": Attack(
        "import os, stat; os.mknod('/tmp/disk', stat.S_IFBLK | 0o600, os.makedev(254, 0))",
        as_root,
        "Operation not permitted",
    ),
    "gain by a program": Attack(
        "status = open('/proc/self/status').read()\nassert 'NoNewPrivs:\\t0' in status, 'no new privileges'",
        host(SecurityOpt=[]),
        "AssertionError: no new privileges",
    ),
    "a namespace of its own": Attack(
        f"{LIBC}if libc.unshare(0x10000000): {RAISE}  # of users: it would be root there",
        host(SecurityOpt=["seccomp=unconfined"]),
        "Operation not permitted",
    ),
    "start what it wrote": Attack(
        "import os, shutil, subprocess\n"
        "shutil.copy(shutil.which('true'), '/tmp/program')\nos.chmod('/tmp/program', 0o755)\n"
        "subprocess.run(['/tmp/program'], check=True)",
        host(Tmpfs={"/tmp": "rw,exec"}),
        "Permission denied",
    ),
    "look at the kernel": Attack(
        "import os, stat; assert stat.S_ISREG(os.stat('/proc/timer_list').st_mode), 'masked'",
        host(MaskedPaths=[]),
        "AssertionError: masked",
    ),
    "set the kernel": Attack(
        "import os; assert os.access('/proc/sys/kernel/hostname', os.W_OK), 'read-only'",
        root_in_writable_kernel,
        "AssertionError: read-only",
    ),
    "memory": Attack("x = bytearray(128 << 20)", host(Memory=0, MemorySwap=0), "Killed", "memory"),
    "memory as files": Attack(
        "with open('/tmp/a', 'wb') as a:\n    for i in range(40): a.write(bytes(1 << 20))",
        room,
        "No space left on device",
    ),
    "many files": Attack(
        "for i in range(21000): open(f'/tmp/{i}', 'w').close()",
        host(Memory=0, MemorySwap=0, Tmpfs={"/tmp": "rw"}),
        "No space left on device",
    ),
    "shared memory": Attack(
        "open('/dev/shm/a', 'wb').write(bytes(20 << 20))", host(ShmSize=64 << 20), "No space left on device"
    ),
    "processes": Attack(
        "import os, time\nfor i in range(100):\n    if os.fork() == 0: time.sleep(30); os._exit(0)",
        host(PidsLimit=0),
        "Resource temporarily unavailable",
    ),
    "threads": Attack(
        "import threading, time\nfor i in range(100):\n"
        "    threading.Thread(target=time.sleep, args=(1,), daemon=True).start()",
        host(PidsLimit=0),
        "can't start new thread",
    ),
    "a long sleep": Attack("import time; time.sleep(2)", lambda form: None, "", "time"),
}


def attacked(box: Docker, code: Path, attack: Attack, seconds: int) -> Ran:
    """Run an attack."""
    (code / "attack.py").write_text(f"{attack.script}\nprint({WON!r})\n")
    for name, text in attack.files.items():
        (code / name).write_text(text)
    return box.run(Job(code, "python3 attack.py", seconds, "attack"))


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(box: Docker, code: Path, name: str) -> None:
    attack = ATTACKS[name]
    code.chmod(0o777)
    held = attacked(box, code, attack, 1 if attack.ended == "time" else 30)
    assert WON not in held.output, held
    assert attack.refused in held.output, held
    assert held.ended == attack.ended, held
    assert held.status != 0, held
    assert sorted(path.name for path in code.iterdir()) == sorted(["attack.py", *attack.files])
    free = Loose(attack.lift, LIMITS)
    try:
        assert WON in attacked(free, code, attack, 30).output
    finally:
        free.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket on this machine's loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        yield server


def test_network(box: Docker, code: Path, listener: socket.socket) -> None:
    """Neither this machine, nor any address."""
    port = listener.getsockname()[1]
    there = Attack(f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)", host(), "")
    away = Attack("import socket; socket.create_connection(('192.0.2.1', 9), 5)", host(), "")
    name = Attack("import socket; socket.getaddrinfo('example.com', 80)", host(), "")
    for attack, why in ((there, "refused"), (away, "unreachable"), (name, "name resolution")):
        held = attacked(box, code, attack, 20)
        assert (WON in held.output, why in held.output) == (False, True), held
    free = Loose(host(NetworkMode="host"), LIMITS)
    try:
        assert WON in attacked(free, code, there, 20).output
    finally:
        free.close()


def test_read_of_the_machine(box: Docker, code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link out of the code leads nowhere, and nothing of the environment is there."""
    secret = tmp_path / "secrets" / "key"
    secret.parent.mkdir()
    secret.write_text(WON)
    monkeypatch.setenv("SOME_API_KEY", WON)
    (code / "link").symlink_to(secret)
    job = Job(code, f"cat link {secret}; env; cat /proc/1/environ", 20)
    assert WON not in box.run(job).output

    def shown(form: Form) -> None:
        form["HostConfig"]["Binds"] = [f"{secret.parent}:{secret.parent}:ro"]

    free = Loose(shown, LIMITS)
    try:
        assert WON in free.run(job).output
    finally:
        free.close()


def test_fork_bomb(box: Docker, code: Path) -> None:
    """It ends with its time, and the engine still answers."""
    assert box.run(Job(code, "f() { f | f & }; f; while :; do sleep 1; done", 2)).ended == "time"
    assert box.run(Job(code, "echo fine", 20)).output == "fine\n"


@pytest.mark.parametrize("signals", ["TERM", "TERM INT HUP QUIT USR1 USR2"])
def test_ignored_signals(box: Docker, code: Path, signals: str) -> None:
    """A time-out is not something to be trapped; a job of the same kind that ends in time is none."""
    loop = f"trap '' {signals}; i=0; while [ $i -lt %s ]; do i=$((i + 1)); done; echo {WON}"
    held = box.run(Job(code, loop % 10**12, 1))
    assert (held.ended, held.status, held.output) == ("time", None, "")
    assert box.run(Job(code, loop % 10, 20)).output == f"{WON}\n"


@pytest.mark.parametrize("where", ["&1", "&2"])
def test_output_flood(box: Docker, code: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """It is ended, what is kept stays small, and the engine has written none of it to its disk."""
    held = box.run(Job(code, f"yes 0123456789 >{where}", 30))
    assert (held.ended, held.status, held.report) == ("output", None, b"")
    assert len(held.output) < capture.HEAD + capture.TAIL + 100
    monkeypatch.setattr(capture, "FLOOD", 1 << 40)
    free = box.run(Job(code, f"yes 0123456789 | head -c 20000000 >{where}", 30))
    assert (free.ended, free.status) == ("", 0)


def test_long_output_keeps_both_ends(box: Docker, code: Path) -> None:
    held = box.run(Job(code, "echo first; yes | head -c 1000000; echo last", 30))
    assert held.status == 0
    assert held.output.startswith("first\ny\n")
    assert held.output.endswith("y\nlast\n")
    assert "bytes left out" in held.output


REPORTS = {
    "link": ("ln -s /etc/passwd $R", b""),
    "link to the code": (f"ln -s {CODE}/secret $R", b""),
    "pipe": ("python3 -c 'import os, sys; os.mkfifo(sys.argv[1])' $R", b""),
    "folder": ("mkdir $R", b""),
    "huge": (f"head -c {capture.REPORT + 1} /dev/zero >$R", b""),
    "holes": ("python3 -c 'import os, sys; open(sys.argv[1], \"w\"); os.truncate(sys.argv[1], 1 << 33)' $R", b""),
    "unreadable": ("echo x >$R; chmod 000 $R", b""),
    "none": ("true", b""),
    "a file": ("echo '<testsuite/>' >$R", b"<testsuite/>\n"),  # the control
    "no XML": ("echo not XML >$R", b"not XML\n"),  # bounded; whoever reads it judges it
    "bytes": (r"printf '\000\377\n\001' >$R", b"\0\xff\n\1"),
    "the largest": (f"head -c {capture.REPORT} /dev/zero >$R", bytes(capture.REPORT)),
}


@pytest.mark.parametrize("name", REPORTS)
def test_report(box: Docker, code: Path, name: str) -> None:
    """Only a file of a sane size is taken, and nothing that it points to."""
    command, expected = REPORTS[name]
    (code / "secret").write_text("x")
    ran = box.run(Job(code, f"R=${{PYTEST_ADDOPTS##*junitxml=}}; {command}", 20))
    assert ran.status == 0, ran
    assert ran.report == expected


FORGE = """
import os
out = os.readlink("/proc/self/fd/1")
ways = [n for n in os.listdir("/proc/1/fd") if os.readlink(f"/proc/1/fd/{n}").startswith("pipe:")]
(way, *_) = [n for n in ways if os.readlink(f"/proc/1/fd/{n}") != out]
with open(f"/proc/1/fd/{way}", "wb") as file:
    for _ in range(%s):
        file.write(bytes(1 << 20))
"""


def test_flood_of_the_report_s_way(box: Docker, code: Path) -> None:
    """Where its first process hands the report out a job may lie, as it may in the report; it cannot fill memory."""
    (code / "forge.py").write_text(FORGE % 64)
    held = box.run(Job(code, "python3 forge.py", 30))
    assert (held.ended, held.report) == ("output", b""), held
    (code / "forge.py").write_text(FORGE % 8)
    held = box.run(Job(code, "python3 forge.py", 30))
    assert (held.status, held.report) == (0, b""), held
