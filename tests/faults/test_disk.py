"""A full disk and a read-only one: exit statuses stay true, no file is torn, and with room again everything goes on.

Exit 0 has its grant in the log; any other leaves nothing held for nobody. The disk is a small tmpfs.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from git_peer import layout
from tests.faults.forks import Forks
from tests.faults.history import code, sound, takes, winners
from tests.world import Clone, Result, World, json_of, require

SIZE = 4 << 20  # bytes of the disk
PAGE = 4096
ROOM = (0, 1, 3, 6, 10, 14, 18, 22, 26, 32, 64)  # pages left free: every place where it may run out
QUICK = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "peer.retryTimeout", "GIT_CONFIG_VALUE_0": "2s"}

pytestmark = pytest.mark.faults


@functools.cache
def can_mount() -> bool:
    """Whether this process may mount a tmpfs."""
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False).returncode:
            return False
        subprocess.run(["umount", folder], check=True)
    return True


class Disk:
    """A file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def mount(self, option: str) -> None:
        """Mount it, or mount it anew with other options."""
        subprocess.run(["mount", "-t", "tmpfs", "-o", option, "tmpfs", str(self.folder)], check=True)

    def fill(self, left: int = 0) -> None:
        """Leave just so many bytes free."""
        free = os.statvfs(self.folder)
        with open(self._filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - left)
        free = os.statvfs(self.folder)
        assert free.f_bavail * free.f_frsize == left

    def free(self) -> None:
        """There is room again."""
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A small disk at `disk/` in the world's folder."""
    require("mount", can_mount)
    disk = Disk(tmp_path / "disk")
    disk.folder.mkdir()
    disk.mount(f"size={SIZE}")
    yield disk
    subprocess.run(["umount", "-l", str(disk.folder)], check=True)


def whole(clone: Clone) -> None:
    """No file of ours is torn, and nothing temporary has stayed once a writer has come to its end."""
    folder = clone.path / ".git" / layout.FOLDER
    for path in folder.rglob("*.json"):
        json_of(path.read_bytes())


def truthful(answer: Result) -> None:
    """An end that a full disk may have, told in one error without a traceback."""
    assert "Traceback" not in answer.err, answer
    if answer.status:
        assert (answer.status, code(answer)) in ((1, "failed"), (3, "busy"), (3, "unknown"), (3, "unreachable")), answer


def start(world: World, forks: Forks, mode: str) -> tuple[Clone, Clone]:
    """A clone on the small disk, and one elsewhere that sees what the log holds (in local mode the same one)."""
    clone = world.clone("disk/a")
    forks.peer(clone, "init", *(("--local",) if mode == "local" else ("--remote", "origin")), "--no-hooks")
    forks.peer(clone, "lock", "keep.py", as_="keeper")
    if mode == "local":
        return clone, clone
    witness = world.clone("w")
    forks.peer(witness, "init", "--no-hooks")
    return clone, witness


@pytest.mark.parametrize("mode", ["local", "remote"])
def test_lock(world: World, forks: Forks, disk: Disk, mode: str) -> None:
    clone, witness = start(world, forks, mode)
    ends = set[int]()
    for pages in ROOM:
        path = f"at{pages}.py"
        disk.fill(pages * PAGE)
        answer = forks.peer(clone, "lock", path, "--json", as_="victim", status=None, env=QUICK)
        disk.free()
        truthful(answer)
        whole(clone)
        ends.add(answer.status)
        forks.peer(clone, "lock", f"next{pages}.py", as_="next")
        if witness is not clone:
            forks.peer(witness, "sync")
        granted = takes(forks, witness).get(path, [])
        held = {lock["path"] for lock in forks.peer(witness, "locks", "--json").json()["locks"]}
        if answer.status == 0:
            assert (granted, path in held) == (winners([answer]), True), answer
        else:
            assert path not in held, f"held for nobody with {pages} pages left\n{answer}"
            assert answer.status == 3 or not granted, f"granted, and refused with {pages} pages left\n{answer}"
    assert 0 in ends
    assert len(ends) > 1
    told = forks.peer(clone, "locks", "--json", as_="keeper").json()
    assert "keep.py" in {lock["path"] for lock in told["locks"]}
    assert told["notices"] == []
    sound(forks, clone, witness)


def test_unlock_and_sync(world: World, forks: Forks, disk: Disk) -> None:
    clone, witness = start(world, forks, "remote")
    for pages in ROOM[::3]:
        mine, tentative = f"mine{pages}.py", f"tentative{pages}.py"
        forks.peer(clone, "lock", mine, as_="victim")
        forks.peer(clone, "lock", "--offline", tentative, as_="victim")
        disk.fill(pages * PAGE)
        answers = [
            forks.peer(clone, "unlock", mine, "--json", as_="victim", status=None, env=QUICK),
            forks.peer(clone, "sync", "--json", status=None, env=QUICK),
        ]
        disk.free()
        for answer in answers:
            truthful(answer)
        whole(clone)
        forks.peer(clone, "sync")
        forks.peer(witness, "sync")
        held = {lock["path"] for lock in forks.peer(witness, "locks", "--json").json()["locks"]}
        assert tentative in held
        assert mine not in held or answers[0].status, answers[0]
        forks.peer(clone, "unlock", "--all", as_="victim")
    sound(forks, clone, witness)


def test_push(world: World, forks: Forks, disk: Disk) -> None:
    clone, _ = start(world, forks, "remote")
    for pages in ROOM[::3]:
        path = f"at{pages}.py"
        forks.peer(clone, "lock", path, as_="victim")
        clone.write(path, "x\n")
        clone.commit("work", path)
        disk.fill(pages * PAGE)
        answer = forks.peer(clone, "push", "--json", as_="victim", status=None, env=QUICK)
        disk.free()
        truthful(answer)
        whole(clone)
        landed = world.refs()["refs/heads/main"] == clone.head()
        assert landed or answer.status, answer
        assert not landed or answer.status in (0, 3), f"it landed, and was refused\n{answer}"
        forks.peer(clone, "push", as_="victim")
        assert world.refs()["refs/heads/main"] == clone.head()
        held = {lock["path"] for lock in forks.peer(clone, "locks", "--json").json()["locks"]}
        assert path not in held, answer
    sound(forks, clone)


def test_init_and_no_room_for_hooks(world: World, forks: Forks, disk: Disk) -> None:
    """The log is there, and not all of the hooks: said so; commits go on meanwhile, and init again installs them."""
    ends = set[tuple[int, bool]]()
    for pages in range(8, 64, 4):
        clone = world.clone(f"disk/{pages}")
        own = clone.path / ".git" / "hooks" / "pre-commit"
        own.write_text("#!/bin/sh\ntouch ran\n")
        own.chmod(0o755)
        disk.fill(pages * PAGE)
        answer = forks.peer(clone, "init", "--local", "--json", status=None)
        disk.free()
        truthful(answer)
        ends.add((answer.status, (clone.path / ".git" / layout.FOLDER / layout.F_CLONE).exists()))
        clone.git("commit", "-q", "--allow-empty", "-m", "work")
        assert (clone.path / "ran").exists(), f"the user's own hook was lost\n{answer}"
        again = forks.peer(clone, "init", "--local", "--json").json()
        assert {hook["state"] for hook in again["hooks"]} == {"installed"}, answer
        forks.peer(clone, "lock", "src/api.py", as_="a")
        clone.write("src/api.py", "changed\n")
        assert clone.git("commit", "-q", "-a", "-m", "x", env={"GIT_PEER_SESSION": "b"}, check=False).status == 1
        whole(clone)
        shutil.rmtree(clone.path)
    assert {(1, True), (0, True)} <= ends, "the hooks' install was meant to run out of room, and not to"


@pytest.mark.parametrize("how", [("--local",), ("--remote", "origin")])
def test_init(world: World, forks: Forks, disk: Disk, how: tuple[str, ...]) -> None:
    """It fails with a clear error, and again with room it sets up."""
    for pages in ROOM[::2]:
        clone = world.clone(f"disk/{pages}")
        before = set((clone.path / ".git").rglob("*"))
        disk.fill(pages * PAGE)
        answer = forks.peer(clone, "init", *how, "--json", status=None, env=QUICK)
        disk.free()
        truthful(answer)
        if not (clone.path / ".git" / layout.FOLDER / layout.F_CLONE).exists():
            assert answer.status, answer
            left = {path for path in (clone.path / ".git").rglob("*") if "objects" not in path.parts} - before
            assert left == set(), f"a refusal leaves nothing behind\n{answer}"
        forks.peer(clone, "init", *how)
        forks.peer(clone, "lock", f"{pages}.py", as_=f"a{pages}")
        whole(clone)
        sound(forks, clone)


def test_full_remote(world: World, forks: Forks, disk: Disk) -> None:
    """The server has no room: nothing is granted, and it is not told as a refusal for ever."""
    world.remote = Path(shutil.copytree(world.remote, disk.folder / "remote.git"))
    clone, witness = world.clone("a"), world.clone("w")
    for one in (clone, witness):
        one.git("remote", "set-url", "origin", world.url)
        forks.peer(one, "init", "--remote", "origin", "--no-hooks")
    disk.fill()
    answer = forks.peer(clone, "lock", "a.py", "--json", as_="victim", status=None, env=QUICK)
    disk.free()
    assert (answer.status, code(answer)) in ((1, "rejected"), (3, "unknown"), (3, "unreachable")), answer
    forks.peer(clone, "lock", "next.py", as_="next")
    forks.peer(witness, "lock", "a.py", as_="witness")
    sound(forks, clone, witness)


def test_read_only(world: World, forks: Forks, disk: Disk) -> None:
    """One may read; whoever writes is told in one error that it cannot be."""
    clone, _ = start(world, forks, "remote")
    clone.write("src/api.py", "changed\n")
    clone.commit("work")
    disk.mount("remount,ro")
    readers: tuple[tuple[str, ...], ...] = (
        ("status",), ("locks",), ("log",), ("peers",), ("whoami",), ("check", "src/api.py"), ("fsck",), ("doctor",),
    )  # fmt: skip
    for reader in readers:
        answer = forks.peer(clone, *reader, as_="reader", status=None)
        assert answer.status in ((0, 1) if reader == ("doctor",) else (0,)), answer
        assert "Traceback" not in answer.err, answer
    assert "keep.py" in forks.peer(clone, "locks").out
    writers: tuple[tuple[str, ...], ...] = (
        ("lock", "a.py"), ("lock", "--offline", "a.py"), ("unlock", "keep.py"), ("sync",), ("init",),
        ("session", "start"), ("push",),
    )  # fmt: skip
    for writer in writers:
        answer = forks.peer(clone, *writer, as_="keeper", status=1)
        assert answer.err.count("error:") == 1, answer
        assert "read-only" in answer.err.lower(), answer
    disk.mount("remount,rw")
    forks.peer(clone, "lock", "a.py", as_="keeper")


def test_a_loss_on_a_read_only_disk(world: World, forks: Forks, disk: Disk) -> None:
    """It is told in the one answer that there is, and told again, for it could not be noted."""
    clone, witness = start(world, forks, "remote")
    forks.peer(witness, "lock", "keep.py", "--preempt", "--priority", "10", as_="urgent")
    forks.peer(clone, "sync")
    disk.mount("remount,ro")
    answers = [forks.peer(clone, "lock", "README.md", "--json", as_="keeper", status=1) for _ in range(2)]
    disk.mount("remount,rw")
    answers.append(forks.peer(clone, "lock", "README.md", "--json", as_="keeper"))
    for answer in answers:
        assert [notice["code"] for notice in answer.json()["notices"]] == ["lost"], answer
    assert forks.peer(clone, "lock", "README.md", "--json", as_="keeper").json()["notices"] == []


def test_not_set_up_and_read_only(world: World, forks: Forks, disk: Disk) -> None:
    clone = world.clone("disk/a")
    disk.mount("remount,ro")
    answer = forks.peer(clone, "init", "--local", status=1)
    assert answer.err.count("error:") == 1, answer
    assert "read-only" in answer.err.lower(), answer
