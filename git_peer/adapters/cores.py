"""The cores of this machine, shared among the models that compute on it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import filelock

SLOTS = 64  # models of one user that are counted
WINDOW = 1.0  # seconds of computing that are judged together
STARVED = 0.7  # of the processor time that so many threads could have had: below, they wait for each other
CALM = 16  # windows without want after which one thread more is tried; twice as many after each time that was too much
_CPUS = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable(cpus: Path = _CPUS, quota: Path = _QUOTA) -> int:
    """The cores that this process may use, physical ones where the system tells them, and no more than its quota."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    cores = set()
    for cpu in allowed:
        siblings = str(cpu)
        with suppress(OSError):
            siblings = (cpus / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text().strip() or siblings
        cores.add(siblings)
    found = len(cores)
    with suppress(OSError, ValueError, ZeroDivisionError):
        time, period = map(int, quota.read_text().split())  # "max 100000" is no quota
        found = min(found, time // period)
    return max(1, found)


class Place:
    """This model's among those of the user on this machine: a file that is locked for as long as it is there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: filelock.BaseFileLock | None = None
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            for slot in range(SLOTS):
                lock = filelock.FileLock(folder / str(slot))
                with suppress(filelock.Timeout):
                    lock.acquire(timeout=0)
                    self._lock = lock
                    return

    def taken(self) -> int:
        """How many models there are, this one too."""
        own = Path(self._lock.lock_file).name if self._lock is not None else ""
        found = 1
        for slot in range(SLOTS):
            path = self._folder / str(slot)
            if str(slot) == own or not path.exists():
                continue
            lock = filelock.FileLock(path)
            try:
                lock.acquire(timeout=0)
            except filelock.Timeout:
                found += 1
            except OSError:
                continue
            else:
                lock.release()
        return found

    def close(self) -> None:
        """Leave it."""
        if self._lock is not None:
            self._lock.release()


class Pace:
    """How many threads to compute with: at most `most`, and fewer while the machine has no time for them."""

    def __init__(self, most: int) -> None:
        self.now = self.most = most
        self._busy = self._wall = 0.0
        self._calm = 0
        self._patience = CALM

    def allow(self, most: int) -> None:
        """So many from now on, as others have come or gone."""
        if most != self.most:
            self.now = self.most = most
            self._busy = self._wall = 0.0

    def took(self, busy: float, wall: float) -> None:
        """Seconds of processor time, of all threads, and of the clock that a step took."""
        self._busy += busy
        self._wall += wall
        if self._wall < WINDOW:
            return
        share, self._busy, self._wall = self._busy / self._wall, 0.0, 0.0
        if self.now > 1 and share < STARVED * self.now:
            # Threads wait for the slowest of them at every step: one fewer that always runs is faster.
            self.now = max(1, min(self.now - 1, round(share)))
            self._calm, self._patience = 0, min(self._patience * 2, 64 * CALM)
        elif self.now < self.most:
            self._calm += 1
            if self._calm >= self._patience:
                self.now, self._calm = self.now + 1, 0
