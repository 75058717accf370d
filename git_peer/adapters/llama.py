"""A model in this process: a GGUF file, loaded once, by llama-cpp-python."""

from __future__ import annotations

import codecs
import contextlib
import re
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import llama_cpp
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from git_peer.adapters import cores, gbnf
from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.ports import Message, Progress, Said, Usage

BATCH = 128  # tokens evaluated at once: as fast as more, and ^C is heeded after each
_KEPT = 200_000  # tokens of texts that are remembered: whoever fits a prompt counts the same parts again and again
_MARK = "\ue000{}\ue001"  # stands for a text while the template is filled in
# What it logs is dropped, by a function of C: one of Python's would run in the middle of it, and lose a ^C. It is the
# library's as a whole, and is called when a model goes, too: so it is here for as long as the process is.
_SILENCE = llama_cpp.llama_log_callback("".format)
_MARKS = re.compile("\ue000([0-9]+)\ue001")


class Llama:
    """A ports.Model. Not for several threads at once: it has one memory, whose beginning it keeps between calls."""

    def __init__(self, path: Path, context: int, workers: int = 0, places: Path | None = None) -> None:
        """Load it for at most `context` tokens, and no more than it was trained for.

        `workers` threads compute; 0: its share of the cores beside the other models in the folder `places`.

        PeerError: not_found, invalid where it is no model that can be talked to, unavailable where memory is short.
        """
        if not path.is_file():
            raise PeerError("not_found", f"there is no model at {path}", "`git peer model list` shows what is here")
        self.name = path.stem
        self.usage = Usage()
        self._path = path
        llama_cpp.llama_log_set(_SILENCE, None)
        self._place = cores.Place(places) if places is not None and not workers else None
        self._pace = cores.Pace(workers or self._share())
        self._threads = self._pace.now
        self._llama = self._loaded(context, self._threads)
        trained = self._llama._model.n_ctx_train()
        if trained < context:
            self._llama.close()
            self._llama = self._loaded(trained, self._threads)
        self.context: int = min(context, trained, self._llama.n_ctx())  # the last one is rounded up
        self._template = self._formatter()
        self._tokens: dict[str, list[int]] = {}  # the longest unused first
        self._held = 0
        self._grammars: dict[str, Any] = {}
        self._evaluated = 0
        self._llama.eval = self._eval
        self._stop: set[None] = set()
        # Asked before every step of a calculation: a set is C's too, and the None that it is asked for means stop.
        self._asked = llama_cpp.ggml_abort_callback(self._stop.__contains__)
        llama_cpp.llama_set_abort_callback(self._llama.ctx, self._asked, None)

    def _loaded(self, context: int, workers: int) -> Any:
        try:
            return llama_cpp.Llama(
                str(self._path),
                n_ctx=context,
                n_batch=BATCH,
                n_ubatch=BATCH,
                n_threads=workers,
                n_threads_batch=workers,
                type_k=llama_cpp.GGML_TYPE_F16,
                type_v=llama_cpp.GGML_TYPE_F16,
                verbose=False,
            )
        except ValueError as why:
            if "context" in str(why):
                raise PeerError(
                    "unavailable",
                    f"no room for {context:,} tokens beside {self._path.name}: {text.line(str(why), 200)}",
                    "`git config peer.runnerContext N` asks for fewer",
                ) from None
            raise PeerError(
                "invalid", f"{self._path} cannot be loaded", "is it a whole GGUF file? `git peer model pull` gets one"
            ) from None
        except MemoryError:
            raise PeerError("unavailable", f"no memory for {self._path.name}", "take a smaller model") from None
        except Exception as why:  # noqa: BLE001 - it reads the chat template, whatever a stranger wrote there
            raise self._unfit(why) from None

    def _share(self) -> int:
        """This model's part of the cores: at least one."""
        return max(1, cores.usable() // (self._place.taken() if self._place is not None else 1))

    def _keep_pace(self) -> None:
        """Compute with as many threads as the machine has time for."""
        if self._threads != self._pace.now:
            self._threads = self._pace.now
            llama_cpp.llama_set_n_threads(self._llama.ctx, self._threads, self._threads)

    def _formatter(self) -> Any:
        written = self._llama.metadata.get("tokenizer.chat_template")
        if not written:
            raise PeerError(
                "invalid", f"{self._path.name} has no chat template", "take a model that follows instructions"
            )
        model = self._llama._model
        ids = (model.token_eos(), model.token_bos())
        eos, bos = ("" if token == -1 else model.token_get_text(token) for token in ids)
        try:
            return Jinja2ChatFormatter(written, eos_token=eos, bos_token=bos)
        except Exception as why:  # noqa: BLE001 - whatever a stranger's template does
            raise self._unfit(why) from None

    def _unfit(self, why: object) -> PeerError:
        told = f"the chat template of {self._path.name} fails: {text.line(str(why), 200)}"
        return PeerError("invalid", told, "take another model")

    # -- tokens ---------------------------------------------------------------------------------------
    def _pieces(self, said: str, special: bool) -> list[int]:
        """The tokens of a text. Only in a template do the names of special ones stand for these."""
        key = f"{special:d}{said}"
        found = self._tokens.pop(key, None)
        if found is None:
            found = self._llama.tokenize(said.encode("utf-8", "replace"), add_bos=False, special=special)
            self._held += len(found)
            while self._held > _KEPT and self._tokens:
                self._held -= len(self._tokens.pop(next(iter(self._tokens))))
        self._tokens[key] = found
        return found

    def _prompt(self, messages: Sequence[Message]) -> list[int]:
        """The template's own words around the texts, which cannot end a turn or begin one."""
        shown = [{"role": one.role, "content": _MARK.format(at)} for at, one in enumerate(messages)]
        try:
            filled = self._template(messages=shown).prompt
        except Exception as why:  # noqa: BLE001 - the same
            raise self._unfit(why) from None
        parts = _MARKS.split(filled)
        if sorted(parts[1::2], key=int) != [str(at) for at in range(len(messages))]:
            raise self._unfit("it does not show every message once")
        found: list[int] = []
        for at, part in enumerate(parts):
            found += self._pieces(messages[int(part)].content if at % 2 else part, special=not at % 2)
        return found

    def count(self, messages: Sequence[Message]) -> int:
        """See ports.Model; exact."""
        return len(self._prompt(messages))

    # -- talking --------------------------------------------------------------------------------------
    def say(
        self,
        messages: Sequence[Message],
        most: int,
        seconds: float,
        progress: Progress,
        schema: dict[str, Any] | None = None,
        seed: int = 0,
        temperature: float = 0.0,
    ) -> Said:
        """See ports.Model. PeerError("invalid") for a prompt that leaves no room for an answer."""
        prompt = self._prompt(messages)
        most = min(most, self.context - len(prompt))
        if most < 1:
            raise PeerError(
                "invalid",
                f"a prompt of {len(prompt):,} tokens is too long: prompt and answer have {self.context:,} together",
                "`git config peer.runnerContext N` allows more, where the model can",
            )
        grammar = self._grammar(schema) if schema is not None else None
        self._evaluated = 0
        self.usage.calls += 1
        if self._place is not None:
            self._pace.allow(self._share())
            self._keep_pace()
        told: list[str] = []
        taken = 0
        fresh = 0
        end: Literal["done", "cut"] = "cut"
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._llama.set_seed(seed)
        try:
            with self._within(seconds):
                for token in self._llama.generate(prompt, temp=temperature, grammar=grammar):
                    fresh = fresh or self._evaluated
                    if llama_cpp.llama_vocab_is_eog(self._llama._model.vocab, token):
                        end = "done"
                        break
                    taken += 1
                    piece = decoder.decode(self._llama.detokenize([token]))
                    told.append(piece)
                    progress(piece, taken)
                    if taken == most:
                        break
        finally:
            self.usage.input_tokens += len(prompt)
            self.usage.output_tokens += taken
        told.append(decoder.decode(b"", final=True))
        return Said("".join(told), end, len(prompt), taken, fresh)

    def _eval(self, tokens: Sequence[int]) -> None:
        """Count what is evaluated; stop between two tokens, too."""
        if self._stop:
            raise RuntimeError
        self._evaluated += len(tokens)
        busy, wall = time.process_time(), time.monotonic()
        llama_cpp.Llama.eval(self._llama, tokens)
        if self._place is not None:
            self._pace.took(time.process_time() - busy, time.monotonic() - wall)
            self._keep_pace()

    @contextlib.contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """End what is calculated when the time is up."""
        self._stop.clear()
        start = time.monotonic()
        timer = threading.Timer(seconds, self._stop.add, (None,))
        timer.daemon = True
        timer.start()
        try:
            yield
        except RuntimeError as why:
            self._llama.reset()
            if not self._stop:
                told = f"{self._path.name} failed: {text.line(str(why), 200)}"
                raise PeerError("failed", told, "`git peer model check` tries it") from None
            raise PeerError(
                "failed",
                f"{self.name} had not answered after {time.monotonic() - start:.0f} s",
                "`git config peer.runnerTimeout TIME` gives it more time",
            ) from None
        except BaseException:
            self._llama.reset()  # half a batch may be in its memory
            raise
        finally:
            timer.cancel()
            self._stop.clear()

    def _grammar(self, schema: dict[str, Any]) -> Any:
        """A grammar that llama.cpp has read before: one that it cannot read would end the process later."""
        written = gbnf.grammar(schema)
        if written not in self._grammars:
            tried = llama_cpp.llama_sampler_init_grammar(self._llama._model.vocab, written.encode(), b"root")
            if not tried:
                raise PeerError("unsupported", "llama.cpp cannot read the grammar of this JSON schema", "")
            llama_cpp.llama_sampler_free(tried)
            self._grammars[written] = llama_cpp.LlamaGrammar.from_string(written, verbose=False)
        return self._grammars[written]

    def close(self) -> None:
        """See ports.Model."""
        self._llama.close()
        if self._place is not None:
            self._place.close()
