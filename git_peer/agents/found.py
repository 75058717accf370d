"""What `find` and `rsync` would change in a work tree: their tests and filters as far as they can be read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from filecmp import cmp
from fnmatch import fnmatchcase
from posixpath import basename, join, normpath, relpath

from git_peer.agents.shell import changes_each

MOST = 5000  # files of one command that are looked at
_GLOBAL = ("-depth", "-d", "-mount", "-xdev", "-L", "-P", "-H", "-E", "-X", "-s", "-noleaf", "-print", "-print0")


def by_find(words: Sequence[str], where: str, top: str, listed: Callable[..., set[str]]) -> set[str]:
    """Paths from the top; nothing where a test is one that only find can make."""
    rest = [word for word in words if word not in _GLOBAL]
    roots: list[str] = []
    while rest and not rest[0].startswith(("-", "(", "!", ",")):
        roots.append(rest.pop(0))
    tests: list[Callable[[str, str], bool]] = []
    acts = False
    while rest:
        word = rest.pop(0)
        if word in ("-delete", "-exec", "-execdir", "-ok", "-okdir"):
            command: list[str] = []
            while word != "-delete" and rest and (part := rest.pop(0)) not in (";", "+", "\\;"):
                command.append(part)
            acts = acts or word == "-delete" or changes_each(command)
        elif word == "-type" and rest:
            if rest.pop(0) not in ("f", "f,l", "l,f"):
                return set()
        elif word in ("-name", "-iname", "-path", "-wholename", "-ipath", "-maxdepth", "-mindepth") and rest:
            tests.append(_test(word, rest.pop(0)))
        elif word not in ("-a", "-and"):
            return set()
    if not acts:
        return set()
    found: set[str] = set()
    for root in roots or ["."]:
        for path in sorted(listed(root))[:MOST]:
            inner = relpath(join(top, path), normpath(join(where, root)))
            seen = root if inner == "." else join(root, inner)
            if all(test(seen, inner) for test in tests):
                found.add(path)
    return found


def _test(name: str, value: str) -> Callable[[str, str], bool]:
    """A test of find's on (the path as find has it, the path below its root)."""
    folds = name.startswith("-i")
    value = value.lower() if folds else value

    def deep(inner: str) -> int:
        return 0 if inner == "." else inner.count("/") + 1

    def test(seen: str, inner: str) -> bool:
        if name in ("-maxdepth", "-mindepth"):
            if not value.isdigit():
                return False
            return deep(inner) <= int(value) if name == "-maxdepth" else deep(inner) >= int(value)
        text = basename(seen) if name in ("-name", "-iname") else seen
        return fnmatchcase(text.lower() if folds else text, value)

    return test


_VALUED = ("-e", "--rsh", "-f", "--filter", "--files-from", "--include", "--include-from", "--exclude-from", "-T")
_FILTERS = ("-f", "--filter", "--files-from", "--include", "--include-from", "--exclude-from", "--backup-dir")


def by_rsync(words: Sequence[str], where: str, top: str) -> set[str]:
    """Paths from the top that a copy would write, and with --delete those that it would take away."""
    names: list[str] = []
    excluded: list[str] = []
    options: set[str] = set()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        option, mark, value = word.partition("=")
        if not word.startswith("-"):
            names.append(word)
            continue
        options.add(option)
        if option == "--exclude":
            excluded.append(value if mark else rest.pop(0) if rest else "")
        elif option in _VALUED and not mark and rest:
            rest.pop(0)
    if options & set(_FILTERS) or len(names) < 2 or any(re.match(r"[^/]*:", name) for name in names):
        return set()
    *sources, to = names
    target = normpath(join(where, to))
    found: set[str] = set()
    for source in sources:
        base = normpath(join(where, source))
        name = "" if source.endswith("/") else basename(base)
        made = {join(name, inner): path for inner, path in _inside(base, excluded)}
        if not os.path.isdir(base):
            into = join(target, name) if to.endswith("/") or os.path.isdir(target) else target
            made = {} if not os.path.isfile(base) else {relpath(into, target): base}
        for inner, path in made.items():
            there = normpath(join(target, inner))
            if not (os.path.isfile(there) and cmp(path, there, shallow=False)):
                found.add(there)
        if any(option.startswith("--del") for option in options) and os.path.isdir(base):
            below = join(target, name)
            found |= {path for inner, path in _inside(below, excluded) if join(name, inner) not in made}
    return {relpath(path, top) for path in found if path.startswith(f"{top}/")}


def _inside(folder: str, excluded: Iterable[str]) -> list[tuple[str, str]]:
    """(path below, whole path) of the files in a folder, less what patterns exclude."""
    found: list[tuple[str, str]] = []
    patterns = [one.strip("/") for one in excluded if one]

    def out(inner: str) -> bool:
        parts = inner.split("/")
        return any(fnmatchcase(part, one) for part in parts for one in patterns) or inner in patterns

    for where, folders, names in os.walk(folder):
        below = relpath(where, folder)
        folders[:] = [name for name in folders if name != ".git" and not out(normpath(join(below, name)))]
        for name in names:
            inner = normpath(join(below, name))
            if not out(inner):
                found.append((inner, join(where, name)))
        if len(found) > MOST:
            break
    return found[:MOST]
