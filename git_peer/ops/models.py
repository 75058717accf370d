"""Which model is meant: a GGUF file, the name of one that was fetched, a server's, or Anthropic's."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from git_peer.core import text
from git_peer.core.errors import PeerError

if TYPE_CHECKING:
    from git_peer.ports import Model, Planner
    from git_peer.store.settings import Settings

INSTALL = "pip install 'git-peer[runner]'"
ANTHROPIC = "anthropic:"


@dataclass(frozen=True)
class Known:
    """A file of the Hugging Face hub, under a name that is easier to say. `size`: GB, about."""

    repo: str
    file: str
    size: float


DEFAULT = "qwen2.5-1.5b"
KNOWN = {
    DEFAULT: Known("Qwen/Qwen2.5-1.5B-Instruct-GGUF", "qwen2.5-1.5b-instruct-q8_0.gguf", 1.9),
    "qwen2.5-coder-1.5b": Known("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "qwen2.5-coder-1.5b-instruct-q8_0.gguf", 1.9),
    "qwen2.5-coder-3b": Known("Qwen/Qwen2.5-Coder-3B-Instruct-GGUF", "qwen2.5-coder-3b-instruct-q8_0.gguf", 3.6),
    "qwen2.5-coder-7b": Known("Qwen/Qwen2.5-Coder-7B-Instruct-GGUF", "qwen2.5-coder-7b-instruct-q4_k_m.gguf", 4.7),
    "qwen2.5-coder-14b": Known("Qwen/Qwen2.5-Coder-14B-Instruct-GGUF", "qwen2.5-coder-14b-instruct-q4_k_m.gguf", 9.0),
}


def folder() -> Path:
    """Where fetched models are, for every repository of this user."""
    given = os.environ.get("XDG_DATA_HOME", "")
    data = Path(given) if os.path.isabs(given) else Path("~/.local/share").expanduser()
    return data / "git-peer" / "models"


def here() -> dict[str, Path]:
    """The models that were fetched, by name: a known one's, else that of the file."""
    names = {one.file: name for name, one in KNOWN.items()}
    found = sorted(folder().glob("*.gguf"))
    return {names.get(path.name, path.stem): path for path in found if path.is_file()}


def is_remote(spec: str) -> bool:
    """Whether a `--model` names one that is not in this process."""
    return spec.startswith((ANTHROPIC, "http://", "https://"))


def open_model(spec: str, settings: Settings) -> Model:
    """The model that a `--model` names; "" is the one of the settings, or else the default.

    PeerError: not_found, invalid, unavailable (a library or a server is missing), not_allowed (a key is).
    """
    spec = spec or settings.get("runnerModel") or DEFAULT
    if spec.startswith(ANTHROPIC):
        return _anthropic(spec.removeprefix(ANTHROPIC), settings)
    if spec.startswith(("http://", "https://")):
        return _server(spec, settings)
    return _llama(_file(spec), settings)


def open_planner(kind: str, spec: str, settings: Settings, most: int, seconds: int) -> Planner:
    """The planner of a kind: `llama`, by a model as open_model() takes it, or `anthropic`. `most`: tokens an answer."""
    if kind == "llama":
        from git_peer.adapters.forms import FormPlanner

        form = settings.get("plannerForm")
        small = form == "small" or (form == "auto" and not is_remote(spec or settings.get("runnerModel")))
        return FormPlanner(open_model(spec, settings), most, seconds, small)
    from git_peer.adapters.anthropic import Conversation

    return Conversation(spec or settings.get("plannerModel"), most, seconds, settings.get("plannerRetries"))


def fetch(repo: str, file: str, say: Callable[[str], None], bar: bool) -> Path:
    """Bring a file of the hub here, where models are; `bar` shows one on stderr. PeerError as hub.fetch() has it."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        from git_peer.adapters import hub
    except ImportError as why:
        raise PeerError("unavailable", f"{why.name} is not installed", INSTALL) from None
    return hub.fetch(repo, file, folder(), say, bar)


def check(settings: Settings) -> dict[str, str] | None:
    """The doctor's check `model`: {name, status, detail, hint}; None where none is named and none was fetched.

    It loads nothing and asks no server.
    """
    spec = settings.get("runnerModel")
    if not spec and not here():
        return None
    found = {"name": "model", "status": "ok", "detail": text.line(spec, 200), "hint": ""}
    if is_remote(spec):
        return found
    try:
        path = _file(spec or DEFAULT)
    except PeerError as why:
        return found | {"status": "warn", "detail": f"{why.message}; only a runner needs it", "hint": why.hint}
    if find_spec("llama_cpp") is None:
        return found | {"status": "warn", "detail": f"{path}, and no llama-cpp-python to load it", "hint": INSTALL}
    return found | {"detail": str(path)}


def _file(spec: str) -> Path:
    found = here()
    if spec in found:
        return found[spec]
    for path in (folder() / spec, folder() / f"{spec}.gguf"):
        if "/" not in spec and path.is_file():
            return path
    path = Path(spec).expanduser()
    if path.is_file():
        return path
    if spec in KNOWN:
        size = KNOWN[spec].size
        raise PeerError("not_found", f"{spec} is not here yet", f"`git peer model pull {spec}` fetches it ({size} GB)")
    told = text.line(spec, 200)
    raise PeerError("not_found", f"{told} is no model", "`git peer model list` names those that are here")


def _missing(what: str, why: Exception) -> PeerError:
    return PeerError("unavailable", f"{what} cannot be used: {text.line(str(why), 200)}", INSTALL)


def _llama(path: Path, settings: Settings) -> Model:
    try:
        from git_peer.adapters.llama import Llama
    except (ImportError, RuntimeError, OSError) as why:  # the last two: its compiled part cannot be loaded
        raise _missing("llama-cpp-python", why) from None
    model: Model = Llama(path, settings.get("runnerContext"), settings.get("runnerThreads"), folder() / ".running")
    return model


def _server(spec: str, settings: Settings) -> Model:
    base, _, name = spec.partition("#")
    try:
        from git_peer.adapters.openai import Server
    except ImportError as why:
        raise _missing("httpx2", why) from None
    return Server(base, name, settings.get("runnerContext"), os.environ.get("OPENAI_API_KEY", ""))


def _anthropic(name: str, settings: Settings) -> Model:
    from git_peer.adapters.anthropic_text import Text

    if not name:
        raise PeerError("usage", "anthropic: and no model behind it", "--model anthropic:NAME")
    return Text(name, settings.get("runnerContext"))
