"""Folds the packs of many transactions into one. A program of its own, for it runs detached; standard library only.

Called with the common git directory, the folder of objects, our folder and the name of the list of our packs. git
writes the new pack, with deltas; the old ones go when it is durable. Who is killed here leaves a pack too many.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys

LARGE = 4 << 20  # bytes of a pack that is left alone from then on: to write it again and again would cost too much


def main(common: str, objects: str, ours: str, listed: str) -> None:
    """Fold what is listed."""
    packs = os.path.join(objects, "pack")
    with open(os.path.join(common, ours, listed), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return  # another is at it
        names = dict.fromkeys(file.read().split())
        there = [name for name in names if os.path.exists(os.path.join(packs, f"{name}.idx"))]
        idents = sorted({ident for name in there for ident in _idents(os.path.join(packs, f"{name}.idx"))})
        if len(there) < 2:
            return
        args = ["git", f"--git-dir={common}", "pack-objects", "--quiet", "--threads=1", os.path.join(packs, "pack")]
        ran = subprocess.run(args, input="".join(f"{ident}\n" for ident in idents), capture_output=True, text=True)
        made = f"pack-{ran.stdout.strip()}"
        if ran.returncode or not os.path.exists(os.path.join(packs, f"{made}.idx")):
            return
        for path in (os.path.join(packs, f"{made}.pack"), os.path.join(packs, f"{made}.idx"), packs):
            _sync(path)
        for name in there:
            if name != made:
                for end in (".idx", ".pack"):  # git no longer sees a pack without an index
                    os.unlink(os.path.join(packs, name + end))
        # Writers add to the list without a lock: what came meanwhile stays. What slips through is git's to tidy up.
        file.seek(0)
        new = [name for name in dict.fromkeys(file.read().split()) if name not in names]
        if os.path.getsize(os.path.join(packs, f"{made}.pack")) < LARGE:
            new.insert(0, made)
        file.seek(0)
        file.truncate()
        file.write("".join(f"{name}\n" for name in new))


def _idents(path: str) -> list[str]:
    """The ids in an index of version 2."""
    with open(path, "rb") as file:
        raw = file.read()
    count = int.from_bytes(raw[8 + 255 * 4 : 8 + 256 * 4], "big")
    start = 8 + 256 * 4
    return [raw[at : at + 20].hex() for at in range(start, start + 20 * count, 20)]


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


if __name__ == "__main__":
    main(*sys.argv[1:])
