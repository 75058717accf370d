"""What jobs are given, and what they say, kept within bounds: the same with a sandbox and without."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

HEAD, TAIL = 16 * 1024, 48 * 1024  # bytes of an output that are kept: its beginning and its end
FLOOD = 16 * 1024 * 1024  # bytes after which a program is ended: nobody reads that
REPORT = 4 * 1024 * 1024  # bytes of the largest report that is taken


class Kept:
    """The head and the tail of a stream, however long it is. `total` is its length in bytes."""

    def __init__(self, head: int = HEAD, tail: int = TAIL) -> None:
        self.total = 0
        self._most = head, tail
        self._head, self._tail = bytearray(), bytearray()

    def add(self, piece: bytes) -> None:
        """The next bytes."""
        self.total += len(piece)
        most, last = self._most
        room = max(0, most - len(self._head))
        self._head += piece[:room]
        self._tail += piece[room:]
        if len(self._tail) > 2 * last:
            del self._tail[: len(self._tail) - last]

    @property
    def head(self) -> bytes:
        """Its beginning."""
        return bytes(self._head)

    @property
    def flooded(self) -> bool:
        """Whether it is more than any program has to say."""
        return self.total > FLOOD

    def text(self) -> str:
        """What is kept, with a line in the place of what is not; bytes that are not UTF-8 as replacement characters."""
        last = self._most[1]
        tail = self._tail[max(0, len(self._tail) - last) :]
        cut = self.total - len(self._head) - len(tail)
        gap = f"\n[… {cut} bytes left out …]\n".encode() if cut else b""
        return bytes(self._head + gap + tail).decode("utf-8", "replace")


class Heard:
    """What a program says, read by a thread, so that whoever waits for it can stop waiting."""

    def __init__(self, pieces: Iterable[tuple[bytes | None, bytes | None]], close: Callable[[], None]) -> None:
        """`pieces` are (of its output, of what is said beside it); `close` ends them."""
        self.output = Kept()
        self.aside = Kept(REPORT + 64, 0)
        self.enough = threading.Event()  # it has said all, or too much
        self.over = threading.Event()  # it has said all
        self._pieces = pieces
        self._close = close
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def flooded(self) -> bool:
        """Whether it has said too much."""
        return self.output.flooded or self.aside.flooded

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # closed here, or there
            for said, aside in self._pieces:
                self.output.add(said or b"")
                self.aside.add(aside or b"")
                if self.flooded:
                    self.enough.set()
        self.enough.set()
        self.over.set()

    def close(self) -> None:
        """Stop reading."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self._close()


def environment(home: str, report: str) -> dict[str, str]:
    """Variables for a job: a home and folder for passing files, and the file that its report goes to."""
    return {
        "HOME": home,
        "TMPDIR": home,
        "PYTHONDONTWRITEBYTECODE": "1",
        "GIT_PEER_REPORT": report,
        # The project's own options stay; its folder takes no cache.
        "PYTEST_ADDOPTS": f"-o cache_dir={home}/.pytest_cache --junitxml={report}",
    }


def copy(code: Path, to: Path) -> None:
    """Copy a folder of files, links as links; pipes, sockets and devices, which nobody can copy, are left out."""

    def special(folder: str, names: list[str]) -> list[str]:
        modes = ((name, os.lstat(os.path.join(folder, name)).st_mode) for name in names)
        return [name for name, mode in modes if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))]

    shutil.copytree(code, to, symlinks=True, dirs_exist_ok=True, ignore=special)
