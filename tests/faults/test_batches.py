"""Writers of one clone that share a transaction: each has its own answer, and who has gone is granted nothing."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from filelock import FileLock

from git_peer import layout
from tests.faults.forks import Forks
from tests.faults.history import code, sound, takes
from tests.faults.test_answers import QUICK
from tests.faults.test_kill import held, prepare
from tests.faults.test_kill_together import open_ends, wait_for
from tests.world import Clone, Running, World, start

pytestmark = pytest.mark.faults

SECRETS = """#!/bin/sh
while read -r old new ref; do
    if git log --format=%B "$old..$new" | grep -q hunter2; then echo "GH013: push contains a secret" >&2; exit 1; fi
done
"""


def inbox(clone: Clone) -> Path:
    """Where the clone's writers leave what they ask."""
    return clone.path / ".git" / layout.FOLDER / layout.D_INBOX


@contextlib.contextmanager
def held_up(clone: Clone) -> Iterator[None]:
    """No writer of the clone comes to work meanwhile."""
    with FileLock(clone.path / ".git" / layout.FOLDER / layout.F_LOCK):
        yield


def together(clone: Clone, asks: Sequence[tuple[str, tuple[str, ...]]]) -> dict[str, Running]:
    """Start (session, arguments) so that one serves all: nobody is served before every request is in the inbox."""
    with held_up(clone):
        running = {name: clone.start_peer(*argv, "--json", as_=name) for name, argv in asks}
        wait_for(lambda: len(list(inbox(clone).glob("*.ask"))) == len(asks))
    return running


def heights(forks: Forks, clone: Clone, kind: str) -> dict[str, int]:
    """Session → the height of its newest event of that kind."""
    rows = forks.peer(clone, "log", "--kind", kind, "--json").objects()
    return {row["by"]: row["height"] for row in reversed(rows)}


@pytest.mark.parametrize("mode", ["local", "remote"])
def test_grants_and_refusals(world: World, forks: Forks, mode: str) -> None:
    """In one commit, with one push, in the order in which they asked."""
    clone = prepare(world, forks, mode)
    asks = [("s0", ("lock", "a.py")), ("s1", ("lock", "a.py")), ("s2", ("lock", "b.py", "keep.py")),
            ("s3", ("lock", "b.py")), ("s4", ("unlock", "keep.py")), ("s5", ("session", "start"))]  # fmt: skip
    answers = {name: one.finish() for name, one in together(clone, asks).items()}
    ends = {name: (answer.status, code(answer)) for name, answer in answers.items()}
    assert sorted((ends["s0"], ends["s1"])) == [(0, ""), (1, "locked")]
    assert (ends["s2"], ends["s4"]) == ((1, "locked"), (1, "not_yours"))
    assert (ends["s3"], ends["s5"]) == ((0, ""), (0, ""))
    winner = "s0" if ends["s0"][0] == 0 else "s1"
    assert held(forks, clone) == {"keep.py": "keeper", "a.py": winner, "b.py": "s3"}
    if mode == "remote":
        assert sum(answer.json()["traffic"]["pushes"] for answer in answers.values()) == 1
    assert len({heights(forks, clone, "lock.take")[name] for name in (winner, "s3")}) == 1
    assert open_ends(clone) == []
    sound(forks, clone)


def test_split(world: World, forks: Forks) -> None:
    """The server takes all but one: that one is told why, and costs the others nothing but a few pushes."""
    clone = prepare(world, forks, "remote")
    hook = world.remote / "hooks" / "pre-receive"
    hook.write_text(SECRETS)
    hook.chmod(0o755)
    asks = [(f"s{n}", ("lock", f"{n}.py", "--reason", "hunter2" if n == 3 else "work")) for n in range(6)]
    answers = {name: one.finish() for name, one in together(clone, asks).items()}
    assert {name: (one.status, code(one)) for name, one in answers.items()} == {
        f"s{n}": (1, "rejected") if n == 3 else (0, "") for n in range(6)
    }
    assert "GH013" in answers["s3"].json()["error"]["message"]
    assert held(forks, clone) == {"keep.py": "keeper"} | {f"{n}.py": f"s{n}" for n in range(6) if n != 3}
    assert sum(answer.json()["traffic"]["pushes"] for answer in answers.values()) <= 7
    assert open_ends(clone) == []
    assert "hunter2" not in clone.git("log", "--format=%B", layout.TIP).out
    sound(forks, clone)


def test_too_much_for_one_commit(world: World, forks: Forks) -> None:
    """Two that fit the limit each, and not both in one commit."""
    clone = prepare(world, forks, "local")
    asks = []
    for name in ("s0", "s1"):
        clone.write(f"{name}.txt", "".join(f"{name}/{'x' * 200}{n}.py\n" for n in range(300)))
        asks.append((name, ("lock", "--pathspec-from-file", f"{name}.txt", "--reason", "r" * 1000)))
    answers = {name: one.finish(0) for name, one in together(clone, asks).items()}
    assert {len(answer.json()["locks"]) for answer in answers.values()} == {300}
    assert len(set(heights(forks, clone, "lock.take").values())) == 3
    sound(forks, clone)


@pytest.mark.parametrize("how", ["patience", "interrupted", "killed"])
def test_gone_before_it_was_taken(world: World, forks: Forks, how: str) -> None:
    """Withdrawn, or its requester is dead: it is not decided at all."""
    clone = prepare(world, forks, "remote")
    with held_up(clone):
        waiting = clone.start_peer("lock", "a.py", "--json", as_="gone", env=QUICK if how == "patience" else None)
        wait_for(lambda: any(inbox(clone).glob("*.ask")))
        if how == "patience":
            assert code(waiting.finish(3)) == "busy"
        elif how == "interrupted":
            waiting.process.send_signal(signal.SIGINT)
            assert code(waiting.finish(130)) == "interrupted"
        else:
            waiting.kill()
        assert any(inbox(clone).glob("*.ask")) is (how == "killed"), "what is withdrawn is taken back by its requester"
    forks.peer(clone, "lock", "b.py", as_="next")
    assert open_ends(clone) == []
    assert takes(forks, clone).keys() == {"keep.py", "b.py"}, "decided for nobody"
    assert "gone" not in {row["name"] for row in forks.peer(clone, "peers", "--json").json()["sessions"]}
    sound(forks, clone)


def test_gone_while_it_is_decided(world: World, forks: Forks) -> None:
    """^C after another took the command along: nobody was told, so what it got is given back by whoever comes next."""
    clone = prepare(world, forks, "remote")
    hook = world.remote / "hooks" / "update"
    hook.write_text("#!/bin/sh\ntouch here\nsleep 2\n")
    hook.chmod(0o755)
    running = together(clone, [("s0", ("lock", "s0.py")), ("s1", ("lock", "s1.py"))])
    wait_for((world.remote / "here").exists)
    taken = next(iter(inbox(clone).glob("*.taken"))).read_bytes()
    name = "s0" if b'"s0"' in taken else "s1"
    running[name].process.send_signal(signal.SIGINT)
    assert code(running[name].finish(130)) == "interrupted"
    other = "s1" if name == "s0" else "s0"
    running[other].finish(0)
    hook.unlink()
    forks.peer(clone, "lock", "next.py", as_="next")
    assert held(forks, clone) == {"keep.py": "keeper", f"{other}.py": other, "next.py": "next"}
    assert open_ends(clone) == []
    sound(forks, clone)


def test_the_wait_is_shown(world: World, forks: Forks) -> None:
    """A command of over a second says what it waits for: other writers of its clone."""
    clone = prepare(world, forks, "local")
    with held_up(clone):
        waiting = clone.start_peer("lock", "README.md", as_="a")
        time.sleep(4)
    answer = waiting.finish(0)
    assert answer.err.splitlines() == ["waiting for the other writers of this clone"]


RACED = """
import subprocess, sys
from git_peer.publish import attempts
real, count = attempts.start, 0
def start(*args):
    global count
    attempt = real(*args)
    count += 1
    if count <= 8:
        argv = [sys.executable, "-P", "-m", "git_peer", "--as", "other", "-q", "lock", f"{count}.py"]
        subprocess.run(argv, check=True, cwd=sys.argv[1])
    return attempt
attempts.start = start
from git_peer.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def test_the_wait_is_shown_across_clones(world: World, forks: Forks) -> None:
    """Another clone wins every race for some seconds: that is said, once, and in the end one's turn comes."""
    first, second = prepare(world, forks, "remote"), world.clone("b")
    forks.peer(second, "init", "--no-hooks")
    script = (sys.executable, "-P", "-c", RACED, str(second.path), "--as", "a", "lock", "README.md")
    answer = start(script, first.path).finish(0)
    (line,) = answer.err.splitlines()
    assert line.startswith("waiting for origin: others are writing too"), answer
    assert held(forks, first)["README.md"] == "a"
    sound(forks, first, second)
