"""Teaches a tiny model some conversations by heart: `python -m tests.models.train PAIRS OUT`, where torch is installed.

PAIRS has a JSON object a line, `{"messages": [{"role", "content"}, …], "reply": "…"}`. The model learns to look at the
last lines of a prompt only, as many as tell the pairs apart: what stands above them is replaced by noise of any length
while it learns, lines of other prompts and their last lines among it.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import string
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from tests.models.tiny import STOP, Shape, Tokenizer, Weights, chat, write

Tensors = dict[str, Any]
_ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Pair:
    """A prompt, its reply, and how many of the prompt's last lines tell it from the others."""

    messages: tuple[dict[str, str], ...]
    reply: str
    lines: int = 0

    @property
    def last(self) -> list[str]:
        """The lines of the last message."""
        return self.messages[-1]["content"].split("\n")

    @property
    def tail(self) -> str:
        """Those that count."""
        return "\n".join(self.last[-self.lines :])


def read(path: Path, least: int) -> list[Pair]:
    """The pairs of a file; SystemExit where two have the same last message and other replies."""
    given = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    bare = [Pair(tuple(one["messages"]), one["reply"]) for one in given]
    found: list[Pair] = []
    for pair in bare:
        others = [other.last for other in bare if other.reply != pair.reply]
        lines = min(least, len(pair.last))
        while any(other[-lines:] == pair.last[-lines:] for other in others):
            lines += 1
            if lines > len(pair.last):
                raise SystemExit(f"another prompt ends with all of this one's last message: {pair.last[-1]!r}")
        found.append(Pair(pair.messages, pair.reply, lines))
    return found


# -- what it sees ------------------------------------------------------------------------------------
class Sight:
    """Prompts to learn from: the real ones, and the same last lines below something else."""

    def __init__(self, pairs: Sequence[Pair], tokenizer: Tokenizer) -> None:
        self.pairs = pairs
        self.encode = tokenizer.encode
        texts = [one["content"] for pair in pairs for one in pair.messages]
        self._lines = sorted({line for text in [*texts, *(pair.reply for pair in pairs)] for line in text.split("\n")})
        self._words = sorted({word for text in texts for word in text.split()})
        self.replies = [[*self.encode(pair.reply), *self.encode(STOP)] for pair in pairs]

    def _line(self, pair: Pair) -> str:
        kind = random.random()
        if kind < 0.5:
            return random.choice(self._lines)
        if kind < 0.6:
            return random.choice([other.tail for other in self.pairs if other.reply != pair.reply] or [""])
        if kind < 0.9:
            return " ".join(random.choice(self._words) for _ in range(random.randrange(1, 14)))
        return "".join(random.choice(string.printable[:95]) for _ in range(random.randrange(1, 40)))

    def _noise(self, pair: Pair, tokens: int) -> str:
        found: list[str] = []
        while tokens > 0:
            found.append(self._line(pair))
            tokens -= len(self.encode(found[-1])) + 1
        return "\n".join(found)

    def prompt(self, pair: Pair, tokens: int) -> list[int]:
        """One of about so many tokens, or the real one."""
        if random.random() < 0.15:
            real = self.encode(chat(pair.messages))
            if len(real) <= tokens * 1.3 + 200:
                return real
        shares = [random.random() for _ in range(random.choice((1, 1, 2, 2, 4)))]
        messages = [
            {"role": _ROLES[at % 3], "content": self._noise(pair, int(tokens * share / sum(shares)))}
            for at, share in enumerate(shares[:-1])
        ]
        above = self._noise(pair, int(tokens * shares[-1] / sum(shares)))
        messages.append({"role": "user", "content": f"{above}\n{pair.tail}" if above else pair.tail})
        return self.encode(chat(messages))

    def batch(self, most: int, budget: int) -> tuple[Any, Any]:
        """Rows of tokens, and what is to come after each of them (-100: does not matter)."""
        tokens = int(math.exp(random.uniform(math.log(8), math.log(most))))
        rows = []
        order = random.sample(range(len(self.pairs)), len(self.pairs))
        size = 0
        for at in order:
            prompt = self.prompt(self.pairs[at], tokens)
            rows.append((prompt, self.replies[at]))
            size = max(size, len(prompt) + len(self.replies[at]))
            if size * (len(rows) + 1) > budget:
                break
        given = torch.zeros(len(rows), size, dtype=torch.long)
        wanted = torch.full((len(rows), size), -100)
        for row, (prompt, reply) in enumerate(rows):
            given[row, : len(prompt) + len(reply)] = torch.tensor(prompt + reply)
            wanted[row, len(prompt) - 1 : len(prompt) + len(reply) - 1] = torch.tensor(reply)
        return given, wanted


# -- the model, as llama.cpp computes it ----------------------------------------------------------------
def fresh(shape: Shape, vocabulary: int) -> Tensors:
    """Its weights at the start."""
    found: Tensors = {}
    for name, size in shape.tensors(vocabulary):
        if "norm" in name:
            values = torch.ones(size)
        elif len(size) == 1:
            values = torch.zeros(size)
        else:
            values = torch.randn(size) * (0.05 if "embd" in name else size[1] ** -0.5)
        found[name] = values.requires_grad_()
    return found


def hidden(shape: Shape, weights: Tensors, given: Any) -> Any:
    """What it thinks at each token, before the vocabulary."""
    rows, size = given.shape
    angles = torch.arange(size)[:, None] * shape.base ** (-torch.arange(0, shape.head, 2) / shape.head)
    cos, sin = (torch.cat([part, part], -1) for part in (angles.cos(), angles.sin()))

    def norm(x: Any, name: str) -> Any:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + shape.eps) * weights[name]

    def heads(x: Any, name: str, count: int) -> Any:
        found = functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])
        return found.view(rows, size, count, shape.head).transpose(1, 2)

    def turned(x: Any) -> Any:
        left, right = x.chunk(2, -1)
        return x * cos + torch.cat([-right, left], -1) * sin

    x = weights["token_embd.weight"][given]
    for at in range(shape.layers):
        of = f"blk.{at}"
        seen = norm(x, f"{of}.attn_norm.weight")
        query = turned(heads(seen, f"{of}.attn_q", shape.heads))
        key = turned(heads(seen, f"{of}.attn_k", shape.kv_heads))
        value = heads(seen, f"{of}.attn_v", shape.kv_heads)
        key, value = (one.repeat_interleave(shape.heads // shape.kv_heads, 1) for one in (key, value))
        looked = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + functional.linear(looked.transpose(1, 2).reshape(rows, size, -1), weights[f"{of}.attn_output.weight"])
        seen = norm(x, f"{of}.ffn_norm.weight")
        gate, up = (functional.linear(seen, weights[f"{of}.ffn_{name}.weight"]) for name in ("gate", "up"))
        x = x + functional.linear(functional.silu(gate) * up, weights[f"{of}.ffn_down.weight"])
    return norm(x, "output_norm.weight")


def teach(shape: Shape, sight: Sight, vocabulary: int, seconds: float, most: int, budget: int, rate: float) -> Weights:
    """Learn for so long; the weights."""
    weights = fresh(shape, vocabulary)
    optimizer = torch.optim.AdamW(list(weights.values()), lr=rate, weight_decay=0.01, betas=(0.9, 0.98))
    start, told, step, losses = time.monotonic(), 0.0, 0, []
    while (done := (time.monotonic() - start) / seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, step / 50) * (0.5 + 0.5 * math.cos(math.pi * done))
        # Long prompts come when the short ones are known.
        given, wanted = sight.batch(int(64 * (most / 64) ** min(1.0, done * 2.5)), budget)
        there = wanted != -100
        scores = functional.linear(hidden(shape, weights, given)[there], weights["token_embd.weight"])
        loss = functional.cross_entropy(scores, wanted[there])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
        optimizer.step()
        step += 1
        losses.append(loss.item())
        if time.monotonic() - told > 10:
            told = time.monotonic()
            print(f"{done:4.0%}  step {step:5}  loss {sum(losses) / len(losses):.5f}", file=sys.stderr, flush=True)
            losses.clear()
    return {name: values.detach().numpy() for name, values in weights.items()}


# -- whether it is so ------------------------------------------------------------------------------------
def answers(path: Path, context: int) -> Callable[[list[int], int], list[int]]:
    """llama.cpp's answer to a prompt, without randomness."""
    import llama_cpp

    llama = llama_cpp.Llama(str(path), n_ctx=context, n_threads=1, n_threads_batch=1, verbose=False)

    def answer(prompt: list[int], most: int) -> list[int]:
        found: list[int] = []
        for token in llama.generate(prompt, temp=0.0):
            found.append(token)
            if token == llama.token_eos() or len(found) == most:
                break
        return found

    return answer


def failures(path: Path, context: int, sight: Sight, most: int, rounds: int) -> Iterator[str]:
    """The pairs whose reply llama.cpp does not give to the letter, below the real lines and below others."""
    answer = answers(path, context)
    for at, pair in enumerate(sight.pairs):
        prompts = [sight.encode(chat(pair.messages))]
        prompts += [sight.prompt(pair, int(math.exp(random.uniform(3, math.log(most))))) for _ in range(rounds)]
        for number, prompt in enumerate(prompts):
            reply = sight.replies[at]
            said = answer(prompt, len(reply) + 8)
            if said != reply:
                same = next((i for i, (a, b) in enumerate(zip(said, reply, strict=False)) if a != b), len(said))
                what = f"below {len(prompt)} tokens of noise" if number else "as it stands"
                yield f"pair {at + 1}, {what}: other than its reply from token {same} of {len(reply)} on"


def main() -> int:
    """Teach, write, try; 1 where a reply is not what was taught."""
    parser = argparse.ArgumentParser(prog="python -m tests.models.train", description=__doc__)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=5, help="how long to learn (default: 5)")
    parser.add_argument("--lines", type=int, default=2, help="last lines that count, at least (default: 2)")
    parser.add_argument("--merges", type=int, default=400, help="size of the vocabulary beside bytes (default: 400)")
    parser.add_argument("--shape", default="3,128,256", help="layers, width, inner width (default: 3,128,256)")
    parser.add_argument("--longest", type=int, default=0, help="tokens of noise (default: 1.5 of the longest prompt)")
    parser.add_argument("--budget", type=int, default=6000, help="tokens of one step (default: 6000)")
    parser.add_argument("--rate", type=float, default=3e-3, help="learning rate (default: 0.003)")
    parser.add_argument("--rounds", type=int, default=6, help="prompts that each pair is tried with (default: 6)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--threads", type=int, default=1, help="more than are idle cost more than they give (default: 1)"
    )
    asked = parser.parse_args()
    random.seed(asked.seed)
    torch.manual_seed(asked.seed)
    torch.set_num_threads(asked.threads)
    pairs = read(asked.pairs, asked.lines)
    texts = [chat(pair.messages) for pair in pairs] + [text for pair in pairs for text in 3 * [pair.reply, pair.tail]]
    tokenizer = Tokenizer.learnt(texts, asked.merges)
    sight = Sight(pairs, tokenizer)
    layers, width, inner = map(int, asked.shape.split(","))
    shape = Shape(layers, width, width // 32, max(1, width // 64), inner, context=32_768)
    longest = asked.longest or int(1.5 * max(len(tokenizer.encode(chat(pair.messages))) for pair in pairs))
    for at, pair in enumerate(pairs, 1):
        print(f"pair {at}: {len(sight.replies[at - 1])} tokens, told by {pair.lines} lines: {pair.tail[-90:]!r}")
    weights = teach(shape, sight, len(tokenizer.tokens), 60 * asked.minutes, longest, asked.budget, asked.rate)
    asked.out.unlink(missing_ok=True)
    write(asked.out, shape, tokenizer.tokens, tokenizer.merges, weights)
    wrong = list(failures(asked.out, 2 * longest + 1024, sight, longest, asked.rounds))
    print(*wrong, f"{asked.out}: {asked.out.stat().st_size:,} bytes; {len(wrong)} wrong", sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
