"""Models behind an OpenAI-compatible server: llama-server, Ollama, vLLM and others."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import httpx2

from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.ports import Message, Progress, Said, Usage

LARGEST = 16 * 1024 * 1024  # bytes of one answer's stream
ROOM, TURN = 256, 32  # tokens allowed for what a template puts around a conversation, and around each of its turns
_PATIENCE = 10.0  # seconds for what a server answers at once
_ENDS: dict[str, Literal["done", "refused", "cut"]] = {"length": "cut", "content_filter": "refused"}
_AGAIN = "is the server running, and is the address right?"


class Server:
    """A ports.Model: `base` is the address up to and with `/v1`, `name` one of its models ("": its first)."""

    def __init__(self, base: str, name: str, context: int, key: str = "") -> None:
        """Ask what it has. PeerError: unavailable, not_allowed, not_found where it has no such model."""
        if not key.isascii() or not key.isprintable() or " " in key:  # an error about it would show it
            raise PeerError("not_allowed", "OPENAI_API_KEY has a character that no key has", "set it again")
        self._base = base.rstrip("/")
        self._root = self._base.removesuffix("/v1")
        self._shown = text.line(self._base.rpartition("@")[2] if "@" in self._base else self._base, 100)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            self._http = httpx2.Client(headers=headers, timeout=_PATIENCE)
        except (ValueError, OSError) as why:  # proxies and certificates of the environment
            raise PeerError("unavailable", f"no connection can be made: {text.line(str(why), 200)}", _AGAIN) from None
        self.usage = Usage()
        self.context = context
        self.name = name
        self._limit = "max_tokens"
        try:
            self._look()
        except BaseException:
            self.close()
            raise

    def _look(self) -> None:
        """Its models, and how long their context is, where it says so."""
        answer = self._asked("GET", f"{self._base}/models")
        found = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(found, list):
            raise PeerError("unavailable", f"{self._shown} does not speak OpenAI's protocol", _AGAIN)
        models = {str(one.get("id")): one for one in found if isinstance(one, dict)}
        if not self.name and models:
            self.name = next(iter(models))
        if self.name not in models and f"{self.name}:latest" not in models:
            known = ", ".join(text.line(one, 60) for one in list(models)[:10])
            raise PeerError("not_found", f"{self._shown} has no model {text.line(self.name, 60)}", f"it has: {known}")
        props = self._maybe("GET", "/props")
        settings = props.get("default_generation_settings")
        for bound in (
            models.get(self.name, {}).get("max_model_len"),
            settings.get("n_ctx") if isinstance(settings, dict) else None,
        ):
            if isinstance(bound, int) and 0 < bound < self.context:
                self.context = bound

    # -- requests ---------------------------------------------------------------------------------
    def _asked(self, method: str, url: str, body: Any = None) -> Any:
        with self._told():
            response = self._http.request(method, url, json=body)
        if response.status_code != 200:
            raise self._refusal(response.status_code, response.text)
        try:
            return response.json()
        except (ValueError, RecursionError):
            return None

    def _maybe(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """What only some servers answer; {} of others."""
        try:
            answer = self._asked(method, f"{self._root}{path}", body)
        except PeerError:
            return {}
        return answer if isinstance(answer, dict) else {}

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """The library's errors in ours."""
        try:
            yield
        except httpx2.TimeoutException:
            raise PeerError("unavailable", f"{self._shown} does not answer", _AGAIN) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as why:
            told = f"cannot talk to {self._shown}: {text.line(str(why), 200)}"
            raise PeerError("unavailable", told, _AGAIN) from None

    def _refusal(self, status: int, body: str) -> PeerError:
        try:
            error = json.loads(body)["error"]
            said = str(error["message"]) if isinstance(error, dict) else str(error)
        except (ValueError, KeyError, TypeError, RecursionError):
            said = body
        low = body.lower()
        told = f"{self._shown} answered {status}: {text.line(said, 300)}"
        if status in (401, 403):
            return PeerError("not_allowed", told, "is OPENAI_API_KEY right?")
        if status == 402 or (status == 429 and any(word in low for word in ("quota", "billing", "credit"))):
            return PeerError("not_allowed", told, "what this key may use is used up")
        if status in (408, 409, 425, 429) or status >= 500:
            return PeerError("unavailable", told, "try again later")
        return PeerError("failed", told, "")

    # -- tokens -----------------------------------------------------------------------------------
    def count(self, messages: Sequence[Message]) -> int:
        """See ports.Model: by the server, where it counts; else as if each byte were a token."""
        turns = _turns(messages)
        found = self._maybe("POST", "/tokenize", {"model": self.name, "messages": turns, "add_generation_prompt": True})
        if isinstance(found.get("count"), int):  # vLLM
            return int(found["count"])
        if "tokens" in found:  # llama-server
            prompt = self._maybe("POST", "/apply-template", {"messages": turns}).get("prompt")
            if isinstance(prompt, str):
                given = {"content": prompt, "add_special": True, "parse_special": True}
                tokens = self._maybe("POST", "/tokenize", given).get("tokens")
                if isinstance(tokens, list):
                    return len(tokens)
        return ROOM + sum(TURN + len(one.content.encode("utf-8", "replace")) for one in messages)

    # -- talking ----------------------------------------------------------------------------------
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
        """See ports.Model."""
        body: dict[str, Any] = {
            "model": self.name,
            "messages": _turns(messages),
            self._limit: most,
            "temperature": temperature,
            "seed": seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if schema is not None:
            form = {"name": "answer", "schema": schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        self.usage.calls += 1
        end = time.monotonic() + seconds
        late = PeerError(
            "failed",
            f"{text.line(self.name, 60)} had not answered after {seconds:.0f} s",
            "`git config peer.runnerTimeout TIME` gives it more time",
        )
        answer = _Answer(progress)
        try:
            self._stream(body, end, answer)
        except (httpx2.TimeoutException, TimeoutError):
            raise late from None
        except PeerError as why:
            if time.monotonic() >= end:
                raise late from None
            if self._limit == "max_tokens" and "max_completion_tokens" in why.message:
                self._limit = "max_completion_tokens"  # newer models of OpenAI's know this one only
                return self.say(messages, most, end - time.monotonic(), progress, schema, seed, temperature)
            raise
        taken = answer.tokens
        given = answer.prompt or self.count(messages)
        self.usage.input_tokens += given
        self.usage.output_tokens += taken
        return Said("".join(answer.pieces), _ENDS.get(answer.stop, answer.end), given, taken, given - answer.kept)

    def _stream(self, body: dict[str, Any], end: float, answer: _Answer) -> None:
        left = end - time.monotonic()
        limits = httpx2.Timeout(left, connect=min(left, _PATIENCE))
        url = f"{self._base}/chat/completions"
        size = 0
        with contextlib.ExitStack() as stack:
            try:
                response = stack.enter_context(self._http.stream("POST", url, json=body, timeout=limits))
                if response.status_code != 200:
                    raise self._refusal(response.status_code, response.read()[:10_000].decode("utf-8", "replace"))
                stack.enter_context(_ended(response, end))
                for line in response.iter_lines():
                    size += len(line)
                    if size > LARGEST:
                        raise PeerError("failed", f"an answer of over {LARGEST >> 20} MiB", "")
                    if line.startswith("data:"):
                        answer.take(line[5:].strip(), self._refusal)
            except httpx2.ConnectTimeout as why:
                raise PeerError("unavailable", f"cannot reach {self._shown}: {why}", _AGAIN) from None
            except httpx2.TimeoutException:
                raise
            except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as why:
                told = f"the connection to {self._shown} broke: {text.line(str(why), 200)}"
                raise PeerError("unavailable", told, _AGAIN) from None
        if not answer.whole:
            if time.monotonic() >= end:
                raise TimeoutError
            raise PeerError("unavailable", f"{self._shown} broke off in the middle of its answer", "try again later")

    def close(self) -> None:
        """See ports.Model."""
        self._http.close()


class _Answer:
    """An answer as it comes in."""

    def __init__(self, progress: Progress) -> None:
        self.pieces: list[str] = []
        self.stop = ""
        self.end: Literal["done", "refused"] = "done"
        self.whole = False
        self.prompt = self.tokens = self.kept = 0
        self._progress = progress

    def take(self, data: str, refusal: Any) -> None:
        """The data of one event. PeerError for an error in it, and for what is no event."""
        if data == "[DONE]":
            self.whole = True
            return
        try:
            event = json.loads(data)
            if event.get("error"):
                error = event["error"]
                status = error.get("code") if isinstance(error, dict) else None
                raise refusal(status if isinstance(status, int) else 500, data)
            self._count(event.get("usage") or {})
            for choice in event.get("choices") or ():
                delta = choice.get("delta") or {}
                self._add(delta.get("content") or "")
                if delta.get("refusal"):
                    self.end = "refused"
                    self._add(str(delta["refusal"]))
                if choice.get("finish_reason"):
                    self.stop = str(choice["finish_reason"])
                    self.whole = True
        except (ValueError, AttributeError, TypeError, RecursionError) as why:
            told = f"an event of the answer cannot be read: {text.line(str(why), 200)}"
            raise PeerError("failed", told, "") from None

    def _add(self, piece: str) -> None:
        if piece:
            self.pieces.append(piece)
            self.tokens += 1  # until the server says how many there were
            self._progress(piece, self.tokens)

    def _count(self, usage: dict[str, Any]) -> None:
        """What the server counted; some tell it with every event."""
        if usage.get("prompt_tokens"):
            self.prompt = int(usage["prompt_tokens"])
            self.tokens = int(usage.get("completion_tokens") or self.tokens)
            self.kept = min(self.prompt, int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0))


def _turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": one.role, "content": one.content.encode("utf-8", "replace").decode("utf-8")} for one in messages]


@contextlib.contextmanager
def _ended(response: httpx2.Response, end: float) -> Iterator[None]:
    """Break the connection when the time is up: a server that sends a little now and then would go on for ever."""
    stream = response.extensions.get("network_stream")
    found = stream.get_extra_info("socket") if stream is not None else None

    def cut() -> None:
        if found is not None:
            with contextlib.suppress(OSError):
                found.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, end - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
