"""What the package holds: builds the wheel and looks whether hooks, man page and type marker are in it.

Also looks for the man page beside the program that runs this, where `git peer --help` finds it.
Prints one line for each problem; exits 1 when there are any. Run: `python -m tools.package_check`.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAN = "share/man/man1/git-peer.1"


def expected() -> dict[str, Path]:
    """Name in the wheel → source file; a name that starts with `*` stands for any data folder."""
    files = {f"git_peer/hooks_sh/{path.relative_to(ROOT / 'hooks')}": path for path in (ROOT / "hooks").rglob("*")}
    files |= {str(path.relative_to(ROOT)): path for path in (ROOT / "git_peer").rglob("*")}
    files[f"*.data/data/{MAN}"] = ROOT / "docs" / "git-peer.1"
    return {name: path for name, path in files.items() if path.is_file() and "__pycache__" not in path.parts}


def wheel_problems(wheel: Path) -> Iterator[str]:
    """Compare a built wheel with the checkout."""
    with zipfile.ZipFile(wheel) as archive:
        held = {entry.filename: entry for entry in archive.infolist()}
        for name, source in sorted(expected().items()):
            found = [key for key in held if key == name or (name[0] == "*" and key.endswith(name[1:]))]
            if not found:
                yield f"wheel: {name} is missing"
            elif archive.read(found[0]) != source.read_bytes():
                yield f"wheel: {name} differs from {source.relative_to(ROOT)}"
            elif name.startswith("git_peer/hooks_sh/") and (
                source.stat().st_mode & ~(held[found[0]].external_attr >> 16) & 0o100
            ):
                yield f"wheel: {name} is not executable"
        if not any(name.endswith("/LICENSE") for name in held):
            yield "wheel: the licence is missing"
        extra = [name for name in held if not name.startswith(("git_peer/", "git_peer-"))]
        yield from (f"wheel: {name} does not belong in it" for name in extra)


def installed_problems() -> Iterator[str]:
    """The man page beside `bin`, where `man` looks for a program on PATH; only asked of a virtual environment."""
    if sys.prefix == sys.base_prefix:
        return
    installed = Path(sysconfig.get_path("data")) / MAN
    if not installed.is_file():
        yield f"man page: {MAN} is not installed beside bin/"
    elif installed.read_bytes() != (ROOT / "docs" / "git-peer.1").read_bytes():
        yield f"man page: the installed {MAN} is out of date; run `make setup`"


def problems() -> Iterator[str]:
    """All problems, of the wheel and of this environment."""
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", scratch],
            cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            yield f"wheel: the build failed: {done.stderr.strip() or done.stdout.strip()}"
            return
        yield from wheel_problems(wheels[0])
    yield from installed_problems()


def main() -> int:
    """Print the problems; 1 when there are any."""
    found = list(problems())
    for line in found:
        print(line)
    print(f"package: {len(found)} problems" if found else "package: all in order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
