"""Qwen2 models so small that a test makes one: tokenizer and weights, as a GGUF that llama.cpp loads like any other.

With random weights a model writes nonsense, and everything around it can be tried; tests.models.train teaches one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import gguf
import numpy as np

Weights = dict[str, Any]
"""Name of a tensor in the file → its values in float32, a matrix as rows of outputs."""

END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIALS = (END, START, STOP)
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
# Where Qwen2's tokenizer cuts a text before it joins bytes: letters with one sign before them, digits one by one.
_LETTER, _SIGN = r"[^\W\d_]", r"(?:[^\s\w]|_)"
_WORDS = re.compile(
    rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|(?:[^\w\r\n]|_)?{_LETTER}+|\d| ?{_SIGN}+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _letters() -> dict[int, str]:
    """GPT-2's letter for each byte: itself where it is printable, else the next one from U+0100 on."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {byte: chr(0x100 + at) for at, byte in enumerate(hidden)}


_LETTERS = _letters()


def _joined(parts: list[str], pair: tuple[str, str]) -> list[str]:
    """`parts` with each such pair in one."""
    found: list[str] = []
    at = 0
    while at < len(parts):
        if tuple(parts[at : at + 2]) == pair:
            found.append("".join(pair))
            at += 2
        else:
            found.append(parts[at])
            at += 1
    return found


@dataclass(frozen=True)
class Tokenizer:
    """A byte pair encoding: the pairs that are joined, the first ones first."""

    merges: tuple[tuple[str, str], ...] = ()

    @cached_property
    def tokens(self) -> list[str]:
        """Every token by its number."""
        return [*dict.fromkeys([*_LETTERS.values(), *map("".join, self.merges)]), *SPECIALS]

    @cached_property
    def ids(self) -> dict[str, int]:
        """The number of each token."""
        return {token: at for at, token in enumerate(self.tokens)}

    @cached_property
    def _ranks(self) -> dict[tuple[str, str], int]:
        return {pair: at for at, pair in enumerate(self.merges)}

    @cached_property
    def _known(self) -> dict[str, list[int]]:
        return {}

    def encode(self, text: str) -> list[int]:
        """The tokens of a text; the names of special ones stand for these."""
        found: list[int] = []
        for part in re.split("(" + "|".join(map(re.escape, SPECIALS)) + ")", text):
            if part in SPECIALS:
                found.append(self.ids[part])
            else:
                for word in _WORDS.findall(part):
                    found += self._word(word)
        return found

    def _word(self, word: str) -> list[int]:
        if word not in self._known:
            parts = [_LETTERS[byte] for byte in word.encode()]
            while len(parts) > 1:
                best = min(pairwise(parts), key=lambda pair: self._ranks.get(pair, len(self._ranks)))
                if best not in self._ranks:
                    break
                parts = _joined(parts, best)
            self._known[word] = [self.ids[part] for part in parts]
        return self._known[word]

    @classmethod
    def learnt(cls, texts: Iterable[str], most: int) -> Tokenizer:
        """One whose pairs are the commonest in some texts."""
        words = {
            word: ([_LETTERS[byte] for byte in word.encode()], count)
            for word, count in Counter(word for text in texts for word in _WORDS.findall(text)).items()
        }
        merges: list[tuple[str, str]] = []
        for _ in range(most):
            pairs: Counter[tuple[str, str]] = Counter()
            for parts, count in words.values():
                for pair in pairwise(parts):
                    pairs[pair] += count
            if not pairs:
                break
            best, often = max(pairs.items(), key=lambda item: (item[1], item[0]))
            if often < 2:
                break
            merges.append(best)
            words = {word: (_joined(parts, best), count) for word, (parts, count) in words.items()}
        return cls(tuple(merges))


@dataclass(frozen=True)
class Shape:
    """How big a model is. `inner`: the width of its feed-forward layers; `context`: tokens it was trained for."""

    layers: int = 2
    width: int = 64
    heads: int = 2
    kv_heads: int = 1
    inner: int = 128
    context: int = 2048
    base: float = 10_000.0
    eps: float = 1e-6

    @property
    def head(self) -> int:
        """The width of one head."""
        return self.width // self.heads

    def tensors(self, vocabulary: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        """The name and shape of each tensor; the output is tied to the embedding."""
        wide, kv = self.width, self.head * self.kv_heads
        yield "token_embd.weight", (vocabulary, wide)
        yield "output_norm.weight", (wide,)
        for at in range(self.layers):
            for name, shape in (
                ("attn_norm.weight", (wide,)),
                ("attn_q.weight", (wide, wide)),
                ("attn_q.bias", (wide,)),
                ("attn_k.weight", (kv, wide)),
                ("attn_k.bias", (kv,)),
                ("attn_v.weight", (kv, wide)),
                ("attn_v.bias", (kv,)),
                ("attn_output.weight", (wide, wide)),
                ("ffn_norm.weight", (wide,)),
                ("ffn_gate.weight", (self.inner, wide)),
                ("ffn_up.weight", (self.inner, wide)),
                ("ffn_down.weight", (wide, self.inner)),
            ):
                yield f"blk.{at}.{name}", shape


def nonsense(shape: Shape, vocabulary: int, seed: int = 0) -> Weights:
    """Random weights."""
    random = np.random.default_rng(seed)
    return {
        name: np.ones(size, np.float32) if "norm" in name else random.normal(0, 0.1, size).astype(np.float32)
        for name, size in shape.tensors(vocabulary)
    }


def write(
    path: Path,
    shape: Shape,
    tokens: Sequence[str],
    merges: Sequence[tuple[str, str]],
    weights: Weights,
    template: str = TEMPLATE,
) -> Path:
    """The file: matrices as q8_0 (uint8 ones are taken for it already), norms and biases in float32."""
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name("tiny")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_freq_base(shape.base)
    writer.add_layer_norm_rms_eps(shape.eps)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(list(tokens))
    kinds = gguf.TokenType
    writer.add_token_types([kinds.CONTROL if token in SPECIALS else kinds.NORMAL for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in merges])
    ids = {token: at for at, token in enumerate(tokens)}
    writer.add_bos_token_id(ids[END])
    writer.add_eos_token_id(ids[STOP])
    writer.add_pad_token_id(ids[END])
    writer.add_add_bos_token(False)
    if template:
        writer.add_chat_template(template)
    packed = gguf.GGMLQuantizationType.Q8_0
    for name, _ in shape.tensors(len(tokens)):
        values = weights[name]
        if values.dtype == np.uint8:
            writer.add_tensor(name, values, raw_dtype=packed)
        elif values.ndim == 1:
            writer.add_tensor(name, np.ascontiguousarray(values, np.float32))
        else:
            writer.add_tensor(
                name, gguf.quants.quantize(np.ascontiguousarray(values, np.float32), packed), raw_dtype=packed
            )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


PLAIN = Tokenizer((("q", "x"),))  # as good as bytes; without any pair llama.cpp takes none


def make(path: Path, shape: Shape = Shape(), tokenizer: Tokenizer = PLAIN, template: str = TEMPLATE) -> Path:
    """A file with random weights."""
    tokens = tokenizer.tokens
    return write(path, shape, tokens, tokenizer.merges, nonsense(shape, len(tokens)), template)


def chat(messages: Iterable[dict[str, str]]) -> str:
    """A conversation as the template has it, up to where the model's answer begins."""
    told = "".join(f"{START}{one['role']}\n{one['content']}{STOP}\n" for one in messages)
    return f"{told}{START}assistant\n"
