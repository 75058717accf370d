"""The soak: clones of one remote, sessions in each, and a chaos that kills, cuts, hangs and sets clocks wrong."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.proxies import HOST, CutProxy
from tests.servers import git_daemon
from tests.soak import journal
from tests.soak.checker import check
from tests.soak.journal import Asked
from tests.world import Clone, World, merged

TOP = Path(__file__).parents[2]
LOG = "refs/heads/peer/coordination"
RETRY = 3  # seconds: peer.retryTimeout in a soak
SLACK = 10.0  # seconds that a command may take beyond it, on a machine that is busy
YEARS = 60 * 365 * 86400.0


class Crew:
    """The test's side of worker.py. `env` is the workers' environment; None: this process's."""

    def __init__(self, env: dict[str, str] | None = None) -> None:
        self.env = env

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.soak.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**(merged(None) if self.env is None else self.env), "PYTHONPATH": str(TOP)},
        )
        self.ended: dict[str, int] = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(60)

    def _order(self, **order: Any) -> list[str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the workers' parent has ended"
        answer = json.loads(line)
        self.ended.update(answer["ended"])
        stuck: list[str] = answer["stuck"]
        return stuck

    def start(self, spec: dict[str, Any]) -> None:
        """Begin a session's process."""
        self.ended.pop(spec["name"], None)
        self._order(start=spec)

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self._order(kill=name)

    def look(self) -> dict[str, int]:
        """Who has ended: name → status."""
        self._order()
        return self.ended

    def wait(self, seconds: float) -> list[str]:
        """Wait for all; the names of those that did not end and were killed."""
        return self._order(wait=seconds)


class Weather(CutProxy):
    """A network in which connections may be cut, hang until they may go on, or all be gone after one was cut."""

    hangs = False
    gone = False
    until = 0.0

    def _limits(self) -> tuple[int | None, int | None]:
        while self.hangs and not self._closing:
            time.sleep(0.02)
        return (0, 0) if self.gone and self.cuts else super()._limits()

    def change(self, rng: random.Random) -> str:
        """Another weather once the present one has had its time; what it is, "" where it lasts."""
        if time.monotonic() < self.until:
            return ""
        self.fair()
        kind, longest = rng.choices((("fair", 4.0), ("cut", 2.0), ("hang", 4.0), ("gone", 5.0)), (9, 3, 1, 2))[0]
        self.until = time.monotonic() + rng.uniform(0.5, longest)
        self.cuts, self.hangs, self.gone = 0, kind == "hang", kind == "gone"
        if kind == "cut":
            spot = rng.choice((0, 30, 300, 700, 1500))
            self.after_bytes_up, self.after_bytes_down = (spot, None) if rng.random() < 0.5 else (None, spot)
        elif kind == "gone":  # a push's answer is some bytes beyond the refs that the server names
            refs = max((one.down for one in self.connections[-20:]), default=1000)
            self.after_bytes_down = max(1, refs - rng.choice((1, 20, 60)))
        return kind

    def fair(self) -> None:
        """Nothing is in the way."""
        self.hangs = self.gone = False
        self.after_bytes_up = self.after_bytes_down = None


@dataclass
class Figures:
    """What came of a soak."""

    seconds: float
    asked: list[Asked]
    kills: int
    weather: Counter[str]
    height: int
    stuck: list[str]
    violations: list[str]
    limit: float = RETRY + SLACK
    slow: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.slow = [one for one in self.asked if _lasted(one) - _patience(one) > self.limit]

    def __str__(self) -> str:
        ended = [one for one in self.asked if one.status is not None]
        codes = Counter(one.code for one in ended if one.status == 3)
        pushes = sum(one.answer.get("traffic", {}).get("pushes", 0) for one in ended)
        granted = sum(len(one.answer.get("locks", ())) for one in ended if one.kind == "lock" and one.status == 0)
        longest = max((_lasted(one) - _patience(one) for one in ended), default=0.0)
        rows = {
            "seconds": f"{self.seconds:.0f}",
            "commands": len(self.asked),
            "locks granted": granted,
            "refusals": sum(one.status == 1 for one in ended),
            "unknowns": codes["unknown"],
            "unreachable or busy": codes.total() - codes["unknown"],
            "commands killed": len(self.asked) - len(ended),
            "kills": self.kills,
            "weather": ", ".join(f"{kind} {count}" for kind, count in sorted(self.weather.items()) if kind),
            "wrong clocks": sum(bool(one.offset) for one in self.asked),
            "pushes": pushes,
            "code landed": sum(one.kind == "push" and one.status == 0 for one in ended),
            "commits of the log": self.height,
            "longest command": f"{longest:.1f} s",
            "stuck commands": len(self.stuck) + len(self.slow),
            "violations": len(self.violations),
        }
        lines = [f"{name:20} {value}" for name, value in rows.items()]
        lines += [f"stuck: {one}" for one in (*self.stuck, *self.slow)]
        return "\n".join([*lines, *self.violations])


def _lasted(one: Asked) -> float:
    return one.end - one.begin if one.end is not None else 0.0


def _patience(one: Asked) -> float:
    """The seconds of --wait."""
    return float(one.argv[one.argv.index("--wait") + 1].rstrip("s")) if "--wait" in one.argv else 0.0


@contextmanager
def place(world: World, clones: int, retry: int = RETRY) -> Iterator[tuple[Weather, list[Clone], Path]]:
    """Clones behind a proxy that follow one log, and a folder for journals."""
    journals = world.folder / "journals"
    journals.mkdir()
    with git_daemon(world.folder) as server, Weather(server.port) as weather:
        made = [world.clone(f"c{number}") for number in range(clones)]
        for number, clone in enumerate(made):
            clone.git("remote", "set-url", "origin", f"git://{HOST}:{weather.port}/remote.git")
            clone.git("config", "peer.retryTimeout", f"{retry}s")
            clone.git("config", "peer.clockSkew", "1s")
            clone.peer("init", *(() if number else ("--remote", "origin")), "--no-hooks")
        yield weather, made, journals


def soak(world: World, seconds: float, clones: int, sessions: int, seed: int, weak: Sequence[str] = ()) -> Figures:
    """Run it, settle everything by one sync a clone, and check. `weak`: the mutants that all sessions are."""
    rng = random.Random(seed)
    with place(world, clones) as (weather, made, journals), Crew() as crew:
        stop = world.folder / "stop"
        specs = {}
        for clone in made:
            for number in range(sessions):
                name = f"{clone.name}-s{number}"
                tree = clone.worktree(name)
                specs[name] = {
                    "name": name, "clone": clone.name, "cwd": str(tree.path), "stop": str(stop),
                    "journal": str(journals / f"{name}.jsonl"), "weak": list(weak),
                }  # fmt: skip
        for spec in specs.values():
            crew.start({**spec, "seed": rng.random()})
        end = time.monotonic() + seconds
        kills, turns = 0, Counter[str]()
        while time.monotonic() < end:
            time.sleep(rng.uniform(0.1, 0.5))
            turns[weather.change(rng)] += 1
            if rng.random() < 0.5:
                crew.kill(rng.choice(list(specs)))
                kills += 1
            for name in list(crew.look()):
                offset = rng.choice((240.0, -240.0, 3600.0, -3600.0, YEARS, -YEARS)) if rng.random() < 0.15 else 0.0
                crew.start({**specs[name], "seed": rng.random(), "offset": offset})
        weather.fair()
        stop.touch()
        stuck = crew.wait(6 * RETRY + SLACK)
        stuck += settle(crew, made, journals)
        for spec in specs.values():  # what each has not been told yet
            crew.start({**spec, "script": [["locks", "--mine"]]})
        stuck += crew.wait(6 * RETRY + SLACK)
        asked = journal.read(journals)
        found = check(world.remote, LOG, asked)
        height = int(made[0].git("rev-list", "--count", "refs/peer/coordination").line)
    return Figures(seconds, asked, kills, turns, height, stuck, found)


def settle(crew: Crew, clones: Sequence[Clone], journals: Path) -> list[str]:
    """One sync in each clone; the clones where it did not come to an end, or failed."""
    bad: list[str] = []
    for clone in clones:
        name, path = f"{clone.name}-settle", journals / f"{clone.name}-settle.jsonl"
        spec = {"name": name, "clone": clone.name, "cwd": str(clone.path), "journal": str(path)}
        crew.start({**spec, "script": [["sync"], ["sync"]]})
        bad += crew.wait(6 * RETRY + SLACK)
    last = {one.clone: one for one in journal.read(journals) if one.session == f"{one.clone}-settle"}
    return bad + [f"{one}: {one.answer.get('error')}" for one in last.values() if one.status != 0]
