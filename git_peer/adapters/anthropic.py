"""Models of Anthropic's API, through its SDK, which is imported when a conversation begins."""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.ports import Answer, Progress, Tool, Usage

if TYPE_CHECKING:
    import anthropic
    from anthropic import APIRequest, CallNext

LARGEST = 16 * 1024 * 1024  # bytes of one answer's stream
_ENDS: dict[str, Literal["done", "refused", "cut"]] = {
    "refusal": "refused",
    "max_tokens": "cut",
    "model_context_window_exceeded": "cut",
}
_AGAIN = "nothing was written; try again later"


class Conversation:
    """A ports.Planner. `seconds` is for all of its calls together, the SDK's retries and their pauses too."""

    denied = "failed"  # the code of an error about the key or what it may use
    small = False
    late = ("unavailable", "plannerTimeout")  # that of one about the time, and the setting that gives more

    def __init__(self, model: str, max_tokens: int, seconds: float, retries: int) -> None:
        """PeerError("unavailable") where the package or a key is missing."""
        self.usage = Usage()
        self._model = model
        self._max_tokens = max_tokens
        self._seconds = seconds
        self._end = 0.0  # of all that it may take, on the monotonic clock: set by ask()
        self._sdk = _sdk()
        self._client = self._connected(retries)
        self._create = cast("Any", self._client.messages.with_streaming_response.create)  # loads the rest of the SDK
        self._system = ""
        self._tools: list[dict[str, Any]] = []
        self._messages: list[dict[str, Any]] = []
        self._call = ""  # id of the tool call that the last answer was
        self._forced = True

    def _connected(self, retries: int) -> anthropic.Anthropic:
        wrong: PeerError | None = None
        hook, sys.unraisablehook = sys.unraisablehook, lambda _: None  # a client half made complains when it goes
        try:
            client: anthropic.Anthropic = self._sdk.Anthropic(max_retries=retries, middleware=[self._attempt])
        except self._sdk.CredentialsError as why:
            wrong = PeerError("unavailable", f"no credentials for Anthropic's API: {text.line(str(why), 300)}", _KEY)
        except (ValueError, OSError) as why:
            told = f"no connection to Anthropic's API can be made: {text.line(str(why), 300)}"
            wrong = PeerError("unavailable", told, "look at the environment's proxies and certificates")
        finally:
            sys.unraisablehook = hook
        if wrong is not None:
            raise wrong
        if not (client.api_key or client.auth_token or client.credentials):
            raise PeerError("unavailable", "there is no key for Anthropic's API", _KEY)
        for secret in (client.api_key or "", client.auth_token or ""):
            if not secret.isascii() or not secret.isprintable() or " " in secret:  # an error about it would show it
                raise PeerError("unavailable", "the key for Anthropic's API has a character that no key has", _KEY)
        return client

    # -- talking ----------------------------------------------------------------------------------
    def ask(self, system: str, prompt: str, tools: Sequence[Tool], progress: Progress) -> Answer:
        """See ports.Planner."""
        return self.begin(system, [{"role": "user", "content": prompt}], tools, progress)

    def begin(self, system: str, messages: list[dict[str, Any]], tools: Sequence[Tool], progress: Progress) -> Answer:
        """The same from several turns on; without tools the answer is text, told as it comes."""
        self._system = system
        self._tools = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in tools
        ]
        self._messages = messages
        self._end = time.monotonic() + self._seconds
        return self._answer(progress)

    def correct(self, said: str, progress: Progress) -> Answer:
        """See ports.Planner."""
        content: dict[str, Any] = {"type": "text", "text": said}
        if self._call:
            content = {"type": "tool_result", "tool_use_id": self._call, "is_error": True, "content": said}
        self._messages.append({"role": "user", "content": [content]})
        return self._answer(progress)

    def _answer(self, progress: Progress) -> Answer:
        sdk = self._sdk
        try:
            try:
                return self._sent(progress)
            except sdk.BadRequestError:
                if not self._forced or not self._tools:
                    raise
                # Models that always think, and others, refuse to be made to call a tool: they are asked to.
                self._forced = False
                return self._sent(progress)
        except sdk.APIStatusError as why:
            raise _refusal(why, self._model, self.denied) from None
        except (sdk.APITimeoutError, TimeoutError):
            raise self._late() from None
        except sdk.APIConnectionError as why:
            cause = text.line(str(why.__cause__ or why), 200)
            raise PeerError("unavailable", f"cannot reach Anthropic's API: {cause}", _AGAIN) from None
        except sdk.AnthropicError as why:
            told = f"the SDK of Anthropic's API failed: {text.line(str(why), 300)}"
            raise PeerError("failed", told, _AGAIN) from None

    def _sent(self, progress: Progress) -> Answer:
        """One request, and its answer as it streams in."""
        more: dict[str, Any] = {}
        if self._system:
            more["system"] = self._system
        if self._tools:
            choice: dict[str, Any] = {"type": "auto", "disable_parallel_tool_use": True}
            if self._forced:
                name = {"name": self._tools[0]["name"]} if len(self._tools) == 1 else {}
                choice |= {"type": "tool" if name else "any", **name}
            more |= {"tools": self._tools, "tool_choice": choice}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a model's coming end is its user's to read about
            opened = self._create(
                model=self._model,
                max_tokens=self._max_tokens,
                messages=self._messages,
                stream=True,
                timeout=self._left(),
                **more,
            )
        message = _Message(self.usage, progress, tells=not self._tools)
        try:
            with opened as response:
                self.usage.calls += 1
                for event in self._sdk.Stream.raw_events(cast("Any", _Bounded(response.http_response, self._end))):
                    if event.event == "error":
                        raise _broken(event.data)
                    message.take(event.data)
        except (PeerError, self._sdk.AnthropicError, TimeoutError):
            raise
        except Exception as why:  # the HTTP library's own, whose name differs between releases of the SDK
            if not _is_of_http(why):
                raise
            if "timeout" in type(why).__name__.lower():
                raise TimeoutError from None
            raise _cut(text.line(str(why), 200)) from None
        if not message.whole:
            raise _cut("it ended in the middle")
        return self._understood(message)

    def _understood(self, message: _Message) -> Answer:
        blocks = message.blocks
        said = "\n".join(block["text"] for block in blocks if block.get("type") == "text")
        end = _ENDS.get(message.stop, "done")
        at = next((at for at, block in enumerate(blocks) if block.get("type") == "tool_use"), -1)
        call = blocks[at] if at >= 0 else None
        self._call = str(call["id"]) if call else ""
        unreadable, given = "", None
        if call is not None:
            raw = message.inputs.get(at, "")
            try:
                given = _plain(json.loads(raw, parse_constant=_no_number) if raw else call.get("input"))
            except (ValueError, RecursionError) as why:
                unreadable = text.line(str(why), 200)
            call["input"] = given if isinstance(given, dict) else {"unreadable": raw[:2000]}
        content = [block for block in blocks if block is call or block.get("type") != "tool_use"]
        content = [_plain(block) for block in content if block.get("text") != ""]
        self._messages.append({"role": "assistant", "content": content or [{"type": "text", "text": "(nothing)"}]})
        return Answer(
            tool=str(call["name"]) if call else "",
            input=given,
            text=(message.why or said) if end == "refused" else said,
            unreadable=unreadable,
            end=end,
        )

    # -- time ---------------------------------------------------------------------------------------
    def _left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _late(self) -> PeerError:
        told = f"the model has not answered within {self._seconds:.0f} s"
        hint = f"nothing was written; `git config peer.{self.late[1]}` gives it more time"
        return PeerError(self.late[0], told, hint)

    def _attempt(self, request: APIRequest, call_next: CallNext) -> Any:
        """One attempt of the SDK's: none begins past the end, and no pause is kept that would lead past it."""
        response = call_next(request.copy(timeout=self._left()))
        headers = response.http_response.headers
        pause = _seconds(headers.get("retry-after-ms"), 1000) or _seconds(headers.get("retry-after"), 1)
        if pause > self._end - time.monotonic():
            headers["x-should-retry"] = "false"
        return response


class _Message:
    """An answer's blocks, put together from the events of its stream; `inputs`: block → the JSON of its input."""

    def __init__(self, usage: Usage, progress: Progress, tells: bool) -> None:
        self.blocks: list[dict[str, Any]] = []
        self.inputs: dict[int, str] = {}
        self.stop = ""
        self.why = ""
        self.whole = False
        self._pieces: dict[int, list[str]] = {}
        self._usage = usage
        self._before = (usage.input_tokens, usage.output_tokens)
        self._progress = progress
        self._tells = tells  # what it says is the answer

    def take(self, data: str) -> None:
        """One event. PeerError("failed") for what is none."""
        if not data:
            return
        try:
            event = json.loads(data)
            kind = event["type"]
            if kind == "message_start":
                self._count(event["message"].get("usage") or {})
            elif kind == "content_block_start":
                self._begin(event)
            elif kind == "content_block_delta":
                self._add(event)
            elif kind == "content_block_stop":
                index = int(event["index"])
                self.inputs[index] = "".join(self._pieces.pop(index, []))
            elif kind == "message_delta":
                self.stop = str(event["delta"].get("stop_reason") or "")
                self.why = str((event["delta"].get("stop_details") or {}).get("explanation") or "")
                self._count(event.get("usage") or {})
            elif kind == "message_stop":
                self.whole = True
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as why:
            what = f"{type(why).__name__}: {why}"
            raise PeerError("failed", f"the API's answer is none: {text.line(what, 200)}", _AGAIN) from None

    def _begin(self, event: dict[str, Any]) -> None:
        if event["index"] != len(self.blocks):
            raise IndexError("a block out of turn")
        self.blocks.append(dict(event["content_block"]))

    def _add(self, event: dict[str, Any]) -> None:
        index, delta = int(event["index"]), event["delta"]
        block = self.blocks[index]
        if delta["type"] == "input_json_delta":
            self._pieces.setdefault(index, []).append(str(delta["partial_json"]))
            self._progress(str(delta["partial_json"]), self._usage.output_tokens)
            return
        for name in ("text", "thinking", "signature"):
            if delta["type"] == f"{name}_delta":
                block[name] = str(block.get(name) or "") + str(delta[name])
                told = str(delta[name]) if self._tells and name == "text" else ""
                self._progress(told, self._usage.output_tokens)

    def _count(self, usage: dict[str, Any]) -> None:
        """The counts are totals of the message so far; what was read from a cache is input too."""
        kinds = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        if any(usage.get(kind) for kind in kinds):
            self._usage.input_tokens = self._before[0] + sum(int(usage.get(kind) or 0) for kind in kinds)
        self._usage.output_tokens = self._before[1] + int(usage.get("output_tokens") or 0)
        self._progress("", self._usage.output_tokens)


class _Bounded:
    """A response whose body ends, whatever a server sends: by size and by time."""

    def __init__(self, response: Any, end: float) -> None:
        self._response = response
        self._end = end

    def iter_bytes(self) -> Iterator[bytes]:
        """The body in pieces."""
        size = 0
        for piece in self._response.iter_bytes():
            size += len(piece)
            if size > LARGEST:
                raise PeerError("failed", f"an answer of over {LARGEST >> 20} MiB", "ask for less at once")
            if time.monotonic() > self._end:
                raise TimeoutError
            yield piece


# -- what goes wrong --------------------------------------------------------------------------------
_KEY = "set ANTHROPIC_API_KEY"


def _sdk() -> Any:
    try:
        import anthropic
    except ImportError:
        raise PeerError(
            "unavailable", "the package `anthropic` is not installed", "pip install 'git-peer[planner]'"
        ) from None
    return anthropic


def _refusal(why: anthropic.APIStatusError, model: str, denied: str) -> PeerError:
    """What the API said no with, after the SDK's retries."""
    status, kind = why.status_code, str(why.type or "")
    said = text.line(str(why.api_message or why.message or ""), 300)
    told = f"Anthropic's API answered {status}: {said}"
    if status == 401 or kind == "authentication_error":
        return PeerError(denied, told, "is ANTHROPIC_API_KEY right?")
    if status == 402 or kind == "billing_error" or "credit balance" in said.lower() or "spend" in str(why.error_code):
        return PeerError(denied, told, "the account's credit or spending limit is used up")
    if status == 403:
        return PeerError(denied, told, "may this key use that model?")
    if status == 404:
        return PeerError("failed", told, f"is {model} a model? `--model NAME` names another")
    if status == 429:
        return PeerError("unavailable", told, "the account's rate limit is used up for now; try again later")
    if status >= 500 or status in (408, 409):
        return PeerError("unavailable", told, _AGAIN)
    return PeerError("failed", told, "nothing was written")


def _broken(data: str) -> PeerError:
    """An error that the API sent in the middle of its answer."""
    try:
        error = json.loads(data)["error"]
        kind, said = str(error["type"]), text.line(str(error["message"]), 300)
    except (ValueError, KeyError, TypeError, RecursionError):
        kind, said = "", text.line(data, 300)
    if kind in ("authentication_error", "permission_error", "billing_error", "invalid_request_error"):
        return PeerError("failed", f"Anthropic's API broke off: {said}", "nothing was written")
    return PeerError("unavailable", f"Anthropic's API broke off: {said}", _AGAIN)


def _cut(why: str) -> PeerError:
    return PeerError("unavailable", f"the connection to Anthropic's API broke off: {why}", _AGAIN)


def _is_of_http(why: Exception) -> bool:
    return type(why).__module__.split(".")[0].startswith(("httpx", "httpcore"))


def _seconds(value: str | None, unit: int) -> float:
    try:
        return float(value or 0) / unit
    except ValueError:  # a date
        from email.utils import mktime_tz, parsedate_tz

        parsed = parsedate_tz(value)
        return mktime_tz(parsed) - time.time() if parsed else 0.0


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _plain(value: Any) -> Any:
    """A value of JSON as it can be sent again: half a character has no bytes."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
