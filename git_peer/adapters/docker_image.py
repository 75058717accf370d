"""The image that jobs are run in: made from this machine's own Python, or on top of another image."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from git_peer.adapters.docker import Docker, Limits, asking, has_image
from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.ports import Job

if TYPE_CHECKING:
    import docker

NAME = "git-peer-sandbox"  # the repository of the images that are made here
_RUNNER = "pytest"  # what reports are made by; every image has it
_SITE = "/opt/git-peer/site"  # where packages go on top of another image
_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_TOOLS = (
    "awk", "basename", "cat", "chmod", "cmp", "cp", "cut", "date", "diff", "dirname", "env", "expr", "false", "find",
    "grep", "head", "id", "ln", "ls", "make", "mkdir", "mktemp", "mv", "printf", "pwd", "readlink", "rm", "rmdir",
    "sed", "seq", "sh", "sleep", "sort", "tail", "tee", "test", "timeout", "touch", "tr", "true", "uname", "uniq", "wc",
    "xargs", "yes",
)  # fmt: skip
_LEFT_OUT = shutil.ignore_patterns(
    "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "lib2to3", "ensurepip", "config-*",
    "turtledemo", "__pycache__", "*.a",
)  # fmt: skip
_ASK = (
    "import platform, sys, sysconfig; "
    'print(*sys.version_info[:2], sysconfig.get_platform(), platform.libc_ver()[0] or "musl")'
)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Declared:
    """The packages that a project says it needs: requirements of pyproject.toml, and requirements.txt if it has one."""

    requirements: tuple[str, ...] = ()
    file: Path | None = None

    @property
    def tag(self) -> str:
        """The name of the image for these: projects that need the same share it."""
        if not self.requirements and self.file is None:
            return f"{NAME}:plain"
        words = [*self.requirements, self.file.read_text("utf-8", "replace") if self.file else ""]
        return f"{NAME}:{hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]}"


def declared(top: Path | None) -> Declared:
    """What the project at `top` declares. PeerError("invalid") where its pyproject.toml cannot be read."""
    if top is None:
        return Declared()
    file = top / "requirements.txt"
    return Declared(_requirements(top / "pyproject.toml"), file if file.is_file() else None)


def _requirements(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    import tomli

    try:
        project = tomli.loads(path.read_text("utf-8")).get("project", {})
    except (tomli.TOMLDecodeError, UnicodeDecodeError, OSError) as why:
        raise PeerError("invalid", f"{path.name}: {why}", "mend the file") from None
    found = project.get("dependencies", []) if isinstance(project, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise PeerError("invalid", f"{path.name}: [project] dependencies is no list of strings", "mend the file")
    return tuple(found)


def build(api: docker.APIClient, tag: str, wanted: Declared, base: str, say: Say) -> None:
    """Make the image `tag`, with the packages that are wanted, on top of `base` or ("") of this machine's Python.

    PeerError: unavailable (the engine, pip), unsupported (this machine's Python is not Linux'), failed (a package).
    """
    with _scratch() as folder:
        if base:
            _on_top(api, tag, wanted, base, folder, say)
        else:
            _from_here(api, tag, wanted, folder, say)


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"{NAME}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# -- of this machine's own Python ---------------------------------------------------------------------
def _from_here(api: docker.APIClient, tag: str, wanted: Declared, folder: Path, say: Say) -> None:
    if sys.platform != "linux":
        hint = "`git peer sandbox build --from IMAGE` makes it on top of an image that has Python"
        raise PeerError("unsupported", "only a Linux machine's own Python can be made an image of", hint)
    root = folder / "root"
    say(f"copying Python {_VERSION}")
    lib = root / "usr/local/lib" / f"python{_VERSION}"
    _python(root, lib)
    say(f"installing {', '.join([_RUNNER, *wanted.requirements, *(['requirements.txt'] if wanted.file else [])])}")
    site = lib / "site-packages"
    _install(site, wanted, ())
    _scripts(site, root / "usr/local/bin", "/usr/local/bin/python3")
    (lib / "dist-packages").symlink_to("site-packages")  # as Debian's Python calls it
    tools = [Path(found).resolve() for found in map(shutil.which, _TOOLS) if found]
    for name in _TOOLS:
        if found := shutil.which(name):
            shutil.copy(Path(found).resolve(), root / "usr/bin" / name)
    say("copying the libraries")
    _libraries(root, [*tools, _executable(), *root.rglob("*.so*")])
    say("compiling")
    # Nobody looks whether a source has changed in there, and none is compiled again at each start.
    args = ["-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "-s", str(root), str(lib)]
    subprocess.run([sys.executable, "-I", *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    say("handing it to Docker")
    _import(api, root, folder / "root.tar", tag)


def _executable() -> Path:
    """This Python's own program, not a virtual environment's link or a version manager's script."""
    places = (Path(sys.base_prefix, "bin", f"python{_VERSION}"), Path(getattr(sys, "_base_executable", sys.executable)))
    for place in places:
        path = place.resolve()
        with contextlib.suppress(OSError), path.open("rb") as file:
            if file.read(4) == b"\x7fELF":
                return path
    raise PeerError("unsupported", f"{places[0]} is no program", "`git peer sandbox build --from IMAGE` does without")


def _python(root: Path, lib: Path) -> None:
    """The folders of a root file system, with the interpreter and its standard library."""
    for name in ("usr/bin", "usr/lib", "usr/local/bin", "etc", "tmp", "code", "run", "proc", "sys", "dev"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    for name, to in (("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib"), ("usr/lib64", "lib")):
        (root / name).symlink_to(to)
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/tmp:/bin/sh\n", "ascii")
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n", "ascii")
    shutil.copy(_executable(), root / "usr/local/bin" / f"python{_VERSION}")
    for link in ("python3", "python"):
        (root / "usr/local/bin" / link).symlink_to(f"python{_VERSION}")
    shutil.copytree(sysconfig.get_path("stdlib"), lib, symlinks=False, ignore=_LEFT_OUT, ignore_dangling_symlinks=True)


def _libraries(root: Path, programs: Iterable[Path]) -> None:
    """Copy the shared libraries of programs: all into /usr/lib, where every dynamic linker looks by itself."""
    args = ["ldd", *sorted({str(path) for path in programs if path.is_file()})]
    said = subprocess.run(args, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}).stdout
    found = {Path(path) for path in re.findall(r"^\t(?:\S+ => )?(/\S+) \(0x", said, re.MULTILINE)}
    for folder in {path.parent for path in found if path.name.startswith("libc.")}:
        # glibc loads it at the end of a thread, without any program naming it.
        found |= {path for path in (folder / "libgcc_s.so.1",) if path.exists()}
    for path in found:
        if not path.is_relative_to(root):
            shutil.copy(path, root / "usr/lib" / path.name)


def _import(api: docker.APIClient, root: Path, file: Path, tag: str) -> None:
    def owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mode |= 0o444 | (0o111 if entry.isdir() or entry.mode & 0o100 else 0)
        return entry

    with tarfile.open(file, "w") as tar:
        tar.add(root, ".", filter=owned_by_root)
    name, _, version = tag.rpartition(":")
    changes = ["ENV PATH=/usr/local/bin:/usr/bin:/bin", "ENV LANG=C.UTF-8", 'CMD ["sh"]']
    with asking("import the image"):
        said = api.import_image(src=str(file), repository=name, tag=version, changes=changes)
    _look(json.loads(line) for line in str(said).splitlines() if line.strip())


def _look(said: Iterable[dict[str, Any]]) -> None:
    """Raise what the engine says has gone wrong."""
    for one in said:
        if "error" in one:
            raise PeerError("failed", f"Docker cannot make the image: {text.line(str(one['error']), 300)}", "see above")


# -- packages -----------------------------------------------------------------------------------------
def _install(site: Path, wanted: Declared, options: Sequence[str]) -> None:
    """Install pytest and what is wanted into the folder `site`, by this machine's pip and its configuration."""
    args = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile", *options]
    args += ["--target", str(site), _RUNNER, *wanted.requirements]
    args += ["-r", wanted.file.name] if wanted.file else []
    where = wanted.file.parent if wanted.file else None  # what it names is beside it
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    ran = subprocess.run(args, cwd=where, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if ran.returncode:
        lines = [line for line in ran.stderr.splitlines() if line.strip()] or ["it said nothing"]
        said = next((line for line in lines if line.startswith("ERROR: ")), lines[-1])
        code = "unavailable" if "No module named pip" in ran.stderr else "failed"
        raise PeerError(code, f"pip: {text.line(said.removeprefix('ERROR: '), 300)}", "mend what is declared, or pip")
    shutil.rmtree(site / "bin", ignore_errors=True)  # they name this machine's Python


def _scripts(site: Path, folder: Path, python: str) -> None:
    """The commands of the packages in `site`, as `pytest` is one, for the Python at `python`."""
    folder.mkdir(parents=True, exist_ok=True)
    for package in metadata.distributions(path=[str(site)]):
        for entry in package.entry_points.select(group="console_scripts"):
            path = folder / entry.name
            if path.parent != folder or path.exists() or not re.fullmatch(r"[\w.]+", entry.module + entry.attr):
                continue
            call = f"import sys\nfrom {entry.module} import {entry.attr.partition('.')[0]}\nsys.exit({entry.attr}())\n"
            path.write_text(f"#!{python}\n{call}", "utf-8")
            path.chmod(0o755)


# -- on top of another image --------------------------------------------------------------------------
def _on_top(api: docker.APIClient, tag: str, wanted: Declared, base: str, folder: Path, say: Say) -> None:
    try:
        has_image(api, base)
    except PeerError:
        say(f"pulling {base}")
        with asking(f"pull {base}"):
            api.pull(base, tag=None if ":" in base.rpartition("/")[2] or "@" in base else "latest")
    say(f"asking {base} for its Python")
    options = _for_python_of(api, base, folder)
    say(f"installing {', '.join([_RUNNER, *wanted.requirements, *(['requirements.txt'] if wanted.file else [])])}")
    _install(folder / "site", wanted, options)
    _scripts(folder / "site", folder / "bin", "/usr/bin/env python3")
    recipe = f"FROM {base}\nCOPY site {_SITE}\nCOPY bin /usr/local/bin\nENV PYTHONPATH={_SITE}\n"
    say("handing it to Docker")
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            entry = tarfile.TarInfo("Dockerfile")
            entry.size = len(recipe.encode())
            tar.addfile(entry, io.BytesIO(recipe.encode()))
            for name in ("site", "bin"):
                tar.add(folder / name, name)
        file.seek(0)
        with asking("build the image"):
            _look(api.build(fileobj=file, custom_context=True, tag=tag, rm=True, forcerm=True, decode=True))


def _for_python_of(api: docker.APIClient, base: str, folder: Path) -> list[str]:
    """pip's options by which packages are those for the Python of an image."""
    empty = folder / "empty"
    empty.mkdir()
    empty.chmod(0o755)
    ran = Docker(base, Limits(), lambda _: None, api).run(Job(empty, f"python3 -c '{_ASK}'", 30, "which Python"))
    words = ran.output.split()
    if ran.status != 0 or len(words) != 4:
        raise PeerError("failed", f"{base} has no python3: {text.line(ran.output, 200)}", "name an image that has one")
    major, minor, platform, libc = words
    here = [f"{sys.version_info.major}", f"{sys.version_info.minor}", sysconfig.get_platform()]
    if [major, minor, platform] == here and libc == (os.confstr("CS_GNU_LIBC_VERSION") or "musl").split()[0]:
        return []
    machine = platform.removeprefix("linux-").replace("-", "_")
    kinds = ("manylinux_2_28", "manylinux_2_17", "manylinux2014") if libc == "glibc" else ("musllinux_1_2",)
    chosen = [word for kind in kinds for word in ("--platform", f"{kind}_{machine}")]
    return ["--only-binary=:all:", "--python-version", f"{major}.{minor}", "--implementation", "cp", *chosen]
