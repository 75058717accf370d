"""The sandbox: what a job costs beyond what it does, beside a bare `docker run` of the same image."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.figures import Figure, medians, ms
from git_peer import ports
from git_peer.adapters import docker, docker_image
from git_peer.core.errors import PeerError

_MOST = 1.2  # times what a bare container takes


def measure(bench: Bench) -> Iterator[Figure]:
    """From start to removed: a job that does nothing, and a small pytest; figures only where Docker is."""
    try:
        api = docker.connect()
    except PeerError as why:
        print(f"no figures of the sandbox: {why.message}", file=sys.stderr)
        return
    with contextlib.closing(api):
        image = docker_image.declared(None).tag
        try:
            docker.has_image(api, image)
        except PeerError:
            docker_image.build(api, image, docker_image.declared(None), "", lambda _: None)
        code = bench.scratch.folder / "sandbox"
        code.mkdir()
        code.chmod(0o755)
        (code / "test_it.py").write_text("def test_it():\n    assert 1 + 1 == 2\n")
        yield from _figures(bench, docker.Docker(image, docker.Limits(), lambda _: None, api), image, code)


def _figures(bench: Bench, box: docker.Docker, image: str, code: Path) -> Iterator[Figure]:
    bare = ("docker", "run", "--rm", "--network=none", image, "sh", "-c", "true")
    tests = ("docker", "run", "--rm", "--network=none", "-v", f"{code}:/code:ro", "-w", "/code", image)
    pytest = "python3 -m pytest -q -p no:cacheprovider"
    floor, nothing, bare_tests, small = medians(
        bench.rounds,
        [
            lambda number: bench.scratch.time(bare, code),
            lambda number: _job(box, code, "true"),
            lambda number: bench.scratch.time((*tests, *pytest.split()), code),
            lambda number: _job(box, code, pytest),
        ],
    )
    for what, took, beside in (("nothing", nothing, floor), ("one small test by pytest", small, bare_tests)):
        yield Figure(
            f"a job in the sandbox: {what}", ms(took), f"`docker run --rm` {ms(beside)}",
            f"{_MOST} times that", took < _MOST * beside,
        )  # fmt: skip


def _job(box: docker.Docker, code: Path, command: str) -> float:
    began = time.perf_counter()
    ran = box.run(ports.Job(code, command, 60, "benchmark"))
    took = (time.perf_counter() - began) * 1000
    assert ran.status == 0, ran
    return took
