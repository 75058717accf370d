"""The work list of a run: items, the files they are about, and how each is really edited.

Every edit leaves a mark, `# <item> <execution>`, in the files that the item is about: by it the oracle knows whose
edit stands where. Nothing here knows of git-peer, but that the list can be written as a plan.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import tomli_w

NAMES = "lib/names.py"
MARK = re.compile(r"# ([icr]\d+) (\S+)")
_USE = re.compile(r"\bnames\.(\w+)")
_DEFINED = re.compile(r"^(\w+) = ", re.MULTILINE)
_FUNCTION = r"^def {}\(\):\n(?:    .*\n)+"
_WORDS = ("total", "bound", "value", "limit", "amount", "result", "count", "size")


@dataclass(frozen=True)
class Item:
    """One thing to be done. `files` are what the list says that it is about; a rename may touch more.

    `kind`: write a function, change (rewrite) one that another item wrote, rename a constant and all its uses.
    """

    id: str
    kind: str
    function: str
    constant: int
    files: tuple[str, ...]
    after: tuple[str, ...]
    priority: int

    @property
    def marked(self) -> tuple[str, ...]:
        """The files in which a finished item leaves its mark."""
        return (NAMES,) if self.kind == "rename" else self.files


@dataclass(frozen=True)
class Size:
    """How much there is to do, and how closely it lies together."""

    modules: int = 32
    shared: int = 4
    constants: int = 6
    writes: int = 40
    changes: int = 18
    register_every: int = 3  # so many written functions, one of which is registered in a shared file, too

    def times(self, count: int) -> Size:
        """So many times as much, over as many times the files."""
        more = {name: count * getattr(self, name) for name in ("modules", "shared", "constants", "writes", "changes")}
        return replace(self, **more)


@dataclass(frozen=True)
class Work:
    """All items, in the order of the list, and the files as they are before the first."""

    items: tuple[Item, ...]
    start: dict[str, str] = field(repr=False)

    def heirs(self, item: Item) -> list[Item]:
        """The items that rewrite what this one wrote: their mark in its place is no loss."""
        return [one for one in self.items if one.kind == "change" and item.id in one.after]

    def done(self, read: Callable[[str], str]) -> set[str]:
        """The items that the first of their files shows to be done, as far as a reader of that tree can tell."""
        seen = {item.files[0]: {found[0] for found in MARK.findall(read(item.files[0]))} for item in self.items}
        return {i.id for i in self.items if {i.id, *(heir.id for heir in self.heirs(i))} & seen[i.files[0]]}


def listed(seed: int, size: Size) -> Work:
    """The work list of a seed: the same in every arm."""
    rng = random.Random(f"work-{seed}")
    modules = [f"app/m{n:02}.py" for n in range(size.modules)]
    shared = [f"app/index{n}.py" for n in range(size.shared)]
    uses = [n % size.constants for n in range(size.modules)]
    text = {path: f'"""{path}."""\n\nfrom lib import names\n' for path in modules}
    for number, path in enumerate(modules):
        text[path] += f"\n\ndef g{number:02}():\n    return names.LIMIT_{uses[number]}\n"
    items: list[Item] = []
    for number in range(size.writes):
        module, function = rng.choice(modules), f"f{number:02}"
        text[module] += f"\n\ndef {function}():\n    raise NotImplementedError\n"
        files = (module, rng.choice(shared)) if number % size.register_every == 0 else (module,)
        constant, priority = rng.randrange(size.constants), rng.randint(1, 10)
        items.append(Item(f"i{number:02}", "write", function, constant, files, (), priority))
    for number, base in enumerate(rng.sample(items, size.changes)):
        constant, priority = rng.randrange(size.constants), rng.randint(1, 10)
        items.append(Item(f"c{number:02}", "change", base.function, constant, base.files[:1], (base.id,), priority))
    for number in range(size.constants):
        users = [path for path, used in zip(modules, uses, strict=True) if used == number]
        items.append(Item(f"r{number:02}", "rename", "", number, (NAMES, *users), (), rng.randint(1, 10)))
    rng.shuffle(items)
    text |= {path: f'"""{path}."""\n\nINDEX = {{\n}}\n' for path in shared}
    text[NAMES] = '"""Constants."""\n\n' + "\n\n\n".join(f"LIMIT_{n} = {n}" for n in range(size.constants)) + "\n"
    return Work(tuple(items), text)


def plan(work: Work) -> str:
    """The same list as a plan that `git peer plan import` reads."""
    constants = sorted({item.constant for item in work.items})
    contracts = [
        {"name": contract(n), "type": "free", "definition": f"the name of constant {n} in {NAMES}"} for n in constants
    ]
    tasks = [
        {
            "id": item.id,
            "title": f"{item.kind} {item.function or item.constant}",
            "paths": list(item.files),
            "depends_on": list(item.after),
            "priority": item.priority,
            "provides" if item.kind == "rename" else "uses": [contract(item.constant)],
        }
        for item in work.items
    ]
    return tomli_w.dumps({"goal": "the work list", "contracts": contracts, "tasks": tasks})


def contract(constant: int) -> str:
    """The contract about a constant's name."""
    return f"constant-{constant}"


# -- edits ----------------------------------------------------------------------------------------
def touches(item: Item, top: Path) -> list[str]:
    """The files that the item's edit would change in this work tree: of a rename, all that use the old name."""
    if item.kind != "rename":
        return list(item.files)
    old = re.compile(rf"\bnames\.{name_of(top, item.constant)}\b")
    users = [path for path in sorted((top / "app").glob("*.py")) if old.search(path.read_text())]
    return [NAMES, *(str(path.relative_to(top)) for path in users)]


def edit(item: Item, top: Path, execution: str, rng: random.Random) -> None:
    """Make the item's edit in a work tree, by the names that stand there; each execution words it in its own way."""
    name = name_of(top, item.constant)
    if item.kind == "rename":
        new = f"BOUND_{item.constant}"
        for file in touches(item, top)[1:]:
            _rewrite(top / file, rf"\bnames\.{name}\b", f"names.{new}")
        line = f"{new} = {item.constant}  # {item.id} {execution}"
        _rewrite(top / NAMES, rf"^{name} = .*$", line)
        return
    word = rng.choice(_WORDS)
    body = (
        f"def {item.function}():\n    # {item.id} {execution}\n"
        f"    {word} = names.{name}\n    return {word} + {rng.randrange(100)}\n"
    )
    _rewrite(top / item.files[0], _FUNCTION.format(item.function), body)
    for file in item.files[1:]:
        entry = f'    "{item.function}": "{item.files[0]}",  # {item.id} {execution}\n'
        _rewrite(top / file, r"^\}\n", f"{entry}}}\n")


def _rewrite(path: Path, pattern: str, text: str) -> None:
    path.write_text(re.sub(pattern, lambda _: text, path.read_text(), flags=re.MULTILINE))


def name_of(top: Path, constant: int) -> str:
    """What a constant is called in this work tree."""
    names: list[str] = _DEFINED.findall((top / NAMES).read_text())
    return next(name for name in names if name.endswith(f"_{constant}"))


def dangling(files: dict[str, str]) -> int:
    """How many uses in these files are of a name that their names module does not define."""
    defined = set(_DEFINED.findall(files.get(NAMES, "")))
    return sum(name not in defined for path, text in files.items() if path != NAMES for name in _USE.findall(text))


def works(item: Item, files: dict[str, str]) -> bool:
    """Whether the item's function is there once, and uses only names that are defined; of a rename: the new name is."""
    defined = set(_DEFINED.findall(files.get(NAMES, "")))
    if item.kind == "rename":
        return f"BOUND_{item.constant}" in defined
    found = re.findall(_FUNCTION.format(item.function), files.get(item.files[0], ""), re.MULTILINE)
    return len(found) == 1 and defined.issuperset(_USE.findall(found[0]))
