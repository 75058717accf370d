"""README's shell blocks are run, and what they show is what is said; ids, times and places may be others."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.world import Clone, World, start

README = (Path(__file__).parents[2] / "README.md").read_text()
_FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_PROMPT = re.compile(r"^([a-z0-9-]+)\$ (.*)$")
# What the commands of a block are about: "the edits between the commands are left out".
EDITS = {"Tidy up": ("src/auth.py", "src/cart.py"), "Tidy login": (), "New token format": ("src/auth.py",)}
VOLATILE = (
    (r"(?m)until [^)\n]*?(?=\)|, as |\.$)", "until TIME"),
    (r"\((\d+ \w+ )?\d\d:\d\d\)", "(TIME)"),  # with the day, where it is not today's
    (r"at [^ :]+:(?=[\w-]+\))", "at HOST:"),
    (r"id [0-9a-f]{16}", "id ID"),
    (r"[0-9a-f]{7,}\.\.[0-9a-f]{7,}", "OLD..NEW"),
    (r"(?m)^To \S+\.git$", "To REMOTE"),
    (r"\[main [0-9a-f]{7,}\]", "[main ID]"),
    (r"'[^' ]*\.git'", "'REMOTE'"),
)


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return [block for named, block in _FENCE.findall(README) if named == language]


def steps(block: str) -> list[tuple[str, str, list[str]]]:
    """(who, command, what it shows) of a console block."""
    found: list[tuple[str, str, list[str]]] = []
    for line in block.splitlines():
        prompt = _PROMPT.match(line)
        if prompt:
            found.append((prompt[1], prompt[2], []))
        elif line:
            found[-1][2].append(line)
    return found


def plain(lines: list[str]) -> list[str]:
    """Lines without what differs from run to run."""
    text = "\n".join(lines)
    for pattern, word in VOLATILE:
        text = re.sub(pattern, word, text)
    return text.split("\n") if text else []


def shop(world: World, name: str) -> Clone:
    """A clone in which src/auth.py and src/cart.py are known; remote and clones are called as in README."""
    clone = world.clone(name)
    if not (clone.path / "src/cart.py").exists():
        clone.write("src/cart.py", "total = 0\n")
        clone.commit("Add the cart")
        clone.git("push", "-q")
    return clone


def ran(clone: Clone, command: str, name: str) -> list[str]:
    """What a command of a shell says on stdout and stderr, in the order of their lines."""
    told = start(("sh", "-c", f"exec 2>&1\n{command}"), clone.path, {"GIT_PEER_SESSION": name}).finish()
    return [line.rstrip() for line in told.out.splitlines()]


def shows(clone: Clone, who: str, command: str, wanted: list[str]) -> None:
    """Run a step, and hold what it says against README."""
    message = next((text for text in EDITS if f"'{text}'" in command), "")
    for path in EDITS.get(message, ()):
        clone.write(path, clone.read(path) + "# more\n")
    assert plain(ran(clone, command, who)) == plain(wanted), command


def test_two_clones(world: World) -> None:
    first, *_ = blocks("console")
    clones = {who: shop(world, who) for who in ("ana", "ben")}
    for who, command, wanted in steps(first):
        shows(clones[who], who, command, wanted)


def test_five_work_trees(world: World) -> None:
    clone = shop(world, "shop")
    (block,) = [one for one in blocks("") if "init --local" in one]
    for line in block.splitlines():
        ran(clone, line, "me")
    _, second = blocks("console")
    for who, command, wanted in steps(second):
        tree = Clone(world, clone.path.parent / who)
        shows(tree, f"agent-{who[-1]}", command, wanted)


def test_a_plan(world: World) -> None:
    """As the comments say: one session takes the task and hands it in, another one runs and accepts it."""
    clone = shop(world, "shop")
    clone.peer("init", "--local")
    clone.write("tests/auth/test_it.py", "def test_it() -> None:\n    pass\n")
    clone.commit("Add a test")
    (block,) = [one for one in blocks("") if "task add" in one]
    commands = [line for line in block.splitlines() if line]
    assert len(commands) == 7
    for number, line in enumerate(commands):
        name = "ana" if number < 4 else "ben"
        told = start(("sh", "-c", line), clone.path, {"GIT_PEER_SESSION": name}).finish(0)
        assert not told.err.startswith("error"), told
    tasks = clone.peer("--json", "task", "list").json()["tasks"]
    assert [(one["id"], one["status"]) for one in tasks] == [("t1", "merge_point"), ("t2", "todo")]


@pytest.mark.parametrize("hook", ["pre-commit", "pre-merge-commit", "pre-push", "post-commit", "post-rewrite"])
def test_the_hooks_that_it_counts(local: Clone, hook: str) -> None:
    """`5 hooks`: as many as there are."""
    found = sorted(path.name for path in (local.common / "peer" / "hooks").iterdir() if not path.is_dir())
    assert hook in found
    assert f"{len(found)} hooks guard" in README
    assert shutil.which("git-peer")
