"""A model in this process: how fast it reads and writes, and what memory it takes, at the true shapes of the default.

The weights are random, which costs as much as the true ones; the file is made for this, and deleted afterwards.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Figure, ms

LAYERS, VOCABULARY = 28, 151_936  # of Qwen2.5-1.5B
CONTEXT = 32_000
_COMMON, _LAST, _ANSWER = 480, 32, 32  # tokens: what prompts begin with, their last lines, the answer
_ROUNDS = 3  # a prompt takes seconds
_PATIENCE = 1800  # seconds for all of them: on busy cores its threads wait for each other


def measure(bench: Bench) -> Iterator[Figure]:
    """Time to the first token with a cold and a warm prefix, tokens a second, resident memory."""
    if importlib.util.find_spec("llama_cpp") is None:
        print("model: llama-cpp-python is not installed", file=sys.stderr)
        return
    path = bench.scratch.folder / "shapes.gguf"
    layers = bench.size(LAYERS) or 1
    try:
        _make(path, layers)
        argv = [sys.executable, "-m", "benchmarks.model", str(path), str(min(_ROUNDS, bench.rounds))]
        ran = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=_PATIENCE)
        found: dict[str, float] = json.loads(ran.stdout)
        size = path.stat().st_size / 1e9
    finally:
        path.unlink(missing_ok=True)
    what = f"a model of {size:.2f} GB" + ("" if layers == LAYERS else f" ({layers} of {LAYERS} layers)")
    prompt = f"a prompt of {found['prompt']:.0f} tokens"
    first, again = found["cold"], found["warm"]
    yield Figure(f"load {what}, {CONTEXT:,} tokens of context", ms(found["load"]))
    yield Figure(f"first token after {prompt}", ms(first))
    floor = f"nothing kept {ms(first)}"
    yield Figure(f"the same, its first {_COMMON} tokens kept", ms(again), floor, "under a third", again < first / 3)
    yield Figure("tokens read a second", f"{found['prompt'] / first * 1000:.0f}")
    yield Figure("tokens written a second", f"{found['written']:.1f}")
    yield Figure("resident memory", f"{found['memory'] / 1e9:.2f} GB", f"the file {size:.2f} GB")


def _make(path: Path, layers: int) -> None:
    """The file. Its matrices repeat a few million random values: they have to be read all the same."""
    import numpy as np

    from tests.models import tiny

    shape = tiny.Shape(layers, 1536, 12, 2, 8960, 32_768, 1_000_000.0)
    plain = tiny.PLAIN.tokens[: -len(tiny.SPECIALS)]
    fill = [f"[{at}]" for at in range(VOCABULARY - len(plain) - len(tiny.SPECIALS))]
    random = np.random.default_rng(3)
    blocks = np.zeros((1 << 17, 34), np.uint8)  # q8_0: a scale of 16 bits, and 32 values
    blocks[:, :2] = np.full((len(blocks), 1), 0.0005, np.float16).view(np.uint8)
    blocks[:, 2:] = random.integers(0, 256, (len(blocks), 32), np.uint8)
    weights: dict[str, Any] = {}
    for name, size in shape.tensors(VOCABULARY):
        if len(size) == 1:
            weights[name] = np.ones(size, np.float32) if "norm" in name else np.zeros(size, np.float32)
        else:
            weights[name] = np.resize(blocks, (size[0], size[1] // 32 * 34))
    tiny.write(path, shape, [*plain, *fill, *tiny.SPECIALS], tiny.PLAIN.merges, weights)


def _run(path: Path, rounds: int) -> dict[str, float]:
    """What one process measures, in milliseconds and bytes."""
    from git_peer.adapters.llama import Llama
    from git_peer.ports import Message
    from git_peer.runner.speed import memory

    start = time.perf_counter()
    model = Llama(path, CONTEXT)
    load = time.perf_counter() - start
    cold, warm, written, prompt = [], [], [], 0

    def answer(common: str, last: str, most: int) -> list[float]:
        """When each token came."""
        nonlocal prompt
        times = [time.perf_counter()]
        messages = [Message("system", common), Message("user", last)]
        prompt = model.say(messages, most, 600, lambda _piece, _tokens: times.append(time.perf_counter())).input_tokens
        return [at - times[0] for at in times]

    for number in range(rounds):
        common = f"{number}" + "-" * (_COMMON - 1)
        cold.append(answer(common, "a" * _LAST, 1)[1])
        times = answer(common, "b" * _LAST, _ANSWER)
        warm.append(times[1])
        written.append((len(times) - 2) / (times[-1] - times[1]) if len(times) > 2 else 0.0)
    model.close()
    middle = statistics.median
    return {
        "load": load * 1000,
        "cold": middle(cold) * 1000,
        "warm": middle(warm) * 1000,
        "written": middle(written),
        "prompt": prompt,
        "memory": memory(),
    }


if __name__ == "__main__":
    print(json.dumps(_run(Path(sys.argv[1]), int(sys.argv[2]))))
