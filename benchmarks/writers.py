"""Many writers: of one clone, who share a push, and of many, who race; beside a plain retry loop on the same remote."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks import far, idle
from benchmarks.bench import FOLDERS, Bench
from benchmarks.crowd import PLAIN, Crowd, Ran, gathered
from benchmarks.figures import Figure, ms
from benchmarks.scratch import Failed, Scratch
from git_peer import layout
from git_peer.core.lock.decide import Take, Wish
from git_peer.core.log.command import Command
from git_peer.core.log.state import encode
from git_peer.core.rules import decide as commands
from git_peer.core.target import target as targets
from git_peer.ops.peer import Peer
from git_peer.ops.wiring import Parts
from git_peer.publish import combine, inbox

_MANY = 20  # writers of the rows that have targets
_COUNTS = (1, 4, 16, 32)
_PLAIN_REF = "refs/heads/plain"
_RUNS = 3
_DAY = 1440  # minutes
_PER_COMMAND = 24  # files of a lock in a full batch


def measure(bench: Bench) -> Iterator[Figure]:
    """Far away, then in process, then idle."""
    scratch = bench.scratch
    with far.served(scratch.folder) as url, gathered(scratch) as crowd:
        team = _team(scratch, "crowd", max(_COUNTS), url)
        yield from _one_clone(team, crowd)
        yield from _many_clones(team, crowd)
        scratch.git(team[0], "push", "-q", "origin", f"HEAD:{_PLAIN_REF}")
        yield from _per_grant(team, crowd, f"{url}/crowd.git")
    yield from _in_process(bench)
    yield from _idle(bench)


def _team(scratch: Scratch, name: str, count: int, url: str = "") -> list[Path]:
    """Clones that follow one log; through `url`, where it is given, from now on."""
    first = scratch.repo(name)
    bare = scratch.bare(f"{name}.git", first)
    scratch.peer(first, "init", "--remote", "origin", "--no-hooks")
    clones = [first]
    for number in range(1, count):
        clones.append(scratch.folder / f"{name}-{number}")
        scratch.git(scratch.folder, "clone", "-q", str(bare), str(clones[-1]))
        scratch.peer(clones[-1], "init", "--no-hooks")
    for clone in clones:
        scratch.git(clone, "config", "peer.retryTimeout", "10m")  # the worst is to be measured, not cut off
        if url:
            scratch.git(clone, "remote", "set-url", "origin", f"{url}/{bare.name}")
    return clones


def _lock(crowd: Crowd, clones: Sequence[Path], label: str) -> list[Ran]:
    """A session in each of `clones` (one may be named often) asks for a file of its own, all at once."""
    asks = [
        (clone, ("--as", f"{label}-{number}", "lock", f"{label}/f{number}.py", "--json"))
        for number, clone in enumerate(clones)
    ]
    ran = crowd.together(asks)
    if not all(one.answer["acquired"] for one in ran):
        raise Failed(f"{label}: not all were granted")
    return ran


def _single(crowd: Crowd, clone: Path, label: str) -> float:
    """Milliseconds of a lock that nobody disturbs, in a clone that is up to date."""
    _lock(crowd, [clone], f"{label}-before")
    return _lock(crowd, [clone], label)[0].took


def _pushes(ran: Sequence[Ran]) -> int:
    return sum(one.pushes for one in ran)


def _one_clone(team: Sequence[Path], crowd: Crowd) -> Iterator[Figure]:
    single, wall, pushes = [], [], []
    for turn in range(_RUNS):
        single.append(_single(crowd, team[0], f"one-alone{turn}"))
        ran = _lock(crowd, [team[0]] * _MANY, f"one{turn}")
        wall.append(max(one.took for one in ran))
        pushes.append(_pushes(ran))
    times = statistics.median(wall) / statistics.median(single)
    yield Figure(
        f"{_MANY} sessions of one clone, {_MANY} locks at once, remote {_away()}",
        f"{max(pushes)} pushes, all granted in {ms(statistics.median(wall))} ({times:.1f} times one)",
        f"one alone {ms(statistics.median(single))}",
        "at most 4 pushes, 5 times one",
        max(pushes) <= 4 and times <= 5,
    )


def _many_clones(team: Sequence[Path], crowd: Crowd) -> Iterator[Figure]:
    single = _single(crowd, team[0], "many-alone")
    took = [one.took for one in _lock(crowd, team[:_MANY], "many")]
    middle = statistics.median(took)
    yield Figure(
        f"{_MANY} clones with one session each, {_MANY} locks at once, remote {_away()}",
        f"median {ms(middle)} ({middle / single:.0f} times one), worst {ms(max(took))}",
        f"one alone {ms(single)}",
        "median at most 15 times one",
        middle <= 15 * single,
    )


def _per_grant(team: Sequence[Path], crowd: Crowd, url: str) -> Iterator[Figure]:
    rows: dict[str, list[str]] = {"of one clone": [], "of as many clones": [], "plain": []}
    for count in _COUNTS:
        _lock(crowd, [team[0]], f"grant-before{count}")
        ran = {
            "of one clone": _lock(crowd, [team[0]] * count, f"inside{count}"),
            "of as many clones": _lock(crowd, team[:count], f"across{count}"),
            "plain": crowd.together([(clone, (PLAIN, url, _PLAIN_REF)) for clone in team[:count]]),
        }
        for kind, one in ran.items():
            rows[kind].append(f"{_pushes(one) / count:.2f}")
    counts = ", ".join(map(str, _COUNTS))
    for kind in ("of one clone", "of as many clones"):
        yield Figure(
            f"pushes for each grant, {counts} writers {kind}",
            " · ".join(rows[kind]),
            f"fetch, commit, leased push, again: {' · '.join(rows['plain'])}",
        )


def _away() -> str:
    return f"{far.ROUND_TRIP * 1000:.0f} ms round trip"


# -- in process -----------------------------------------------------------------------------------
@contextlib.contextmanager
def _world(scratch: Scratch) -> Iterator[None]:
    """This process sees what the programs in `scratch` see."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(scratch.env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _in_process(bench: Bench) -> Iterator[Figure]:
    repo = bench.scratch.repo("batches")
    bench.scratch.peer(repo, "init", "--local", "--no-hooks")
    with _world(bench.scratch), contextlib.chdir(repo):
        peer = Parts("batch", writing=True).peer(writing=True)
        for files in (_PER_COMMAND, 1):
            rates = [_rate(peer, number, files) for number in range(bench.rounds + 1)][1:]
            rate = statistics.median(rates)
            each = f"{files} events" if files > 1 else "one event"
            yield Figure(
                f"in process, combined, local mode: lock and unlock, {combine.MOST} commands of {each} in a batch",
                f"{rate:,.0f} events/s",
                "",
                "5,000 events/s" if files > 1 else "",
                rate >= 5000 if files > 1 else None,
            )


def _rate(peer: Peer, number: int, files: int) -> float:
    """Events a second of two batches: every session locks so many files, every session gives them back one by one."""
    everybody = [msgspec.structs.replace(peer.me, name=f"batch-{index}") for index in range(combine.MOST)]
    wanted = [
        tuple(
            targets.of_path("file", f"src/d{(index * 7 + file) % FOLDERS:02}/r{number}s{index}f{file}.py")
            for file in range(files)
        )
        for index in range(combine.MOST)
    ]
    took = 0.0
    for batch in (
        [Take(me=me, wish=Wish(targets=mine)) for me, mine in zip(everybody, wanted, strict=True)],
        [commands.Release(me=me, targets=mine) for me, mine in zip(everybody, wanted, strict=True)],
    ):
        took += _batch(peer, batch)
    return 2 * combine.MOST * files / took


def _batch(peer: Peer, batch: Sequence[Command]) -> float:
    """Seconds from the first command left in the inbox to the last answer there, by whoever got the kernel lock."""
    folder = peer.clone.folder / layout.D_INBOX
    began = time.perf_counter()
    waiting = [inbox.post(folder, encode(command)) for command in batch[1:]]
    peer.run(batch[0])
    answers = [request.answer() for request in waiting]
    took = time.perf_counter() - began
    for request in waiting:
        request.close()
    if not all(answer and "answer" in answer for answer in answers):
        raise Failed("a batch was not granted")
    return took


# -- idle -----------------------------------------------------------------------------------------
def _idle(bench: Bench) -> Iterator[Figure]:
    minutes = bench.size(_DAY)
    team = _team(bench.scratch, "idle", 10)
    with _world(bench.scratch):
        came = idle.simulate(team, 50, minutes, 45)
    if came.lapsed:
        raise Failed(f"{came.lapsed} locks of idle sessions lapsed")
    rate = came.pushes / minutes
    yield Figure(
        f"50 idle sessions in 10 clones that hold locks, {minutes:,} simulated minutes",
        f"{rate:.2f} pushes and {came.fetches / minutes:.2f} fetches a minute in all",
        "",
        "under 1 push a minute",
        rate < 1,
    )
