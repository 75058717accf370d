"""git peer model pull|list|check."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from git_peer.cli._output import Call, Reply, remark, table
from git_peer.cli.main import command, group
from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.ops import models


@group("model")
def model_command() -> None:
    """The models that write: pull, list, check."""


@command("pull")
@click.argument("name", default=models.DEFAULT)
def pull(call: Call, name: str) -> Reply:
    """Fetch a model from the Hugging Face hub: a NAME of `model list`, or OWNER/REPO/FILE (default: qwen2.5-1.5b).

    What was interrupted goes on where it stopped. The file counts only when its SHA-256 is the hub's.
    """
    if name in models.KNOWN:
        repo, file = models.KNOWN[name].repo, models.KNOWN[name].file
    else:
        owner, _, rest = name.partition("/")
        repo, _, file = rest.partition("/")
        repo = f"{owner}/{repo}"
        if not file.endswith(".gguf"):
            hint = "`git peer model list` names some; others are OWNER/REPO/FILE.gguf"
            raise PeerError("usage", f"not a model of the hub: {text.line(name, 200)}", hint)

    def say(what: str) -> None:
        if not call.quiet:
            remark(what)

    path = models.fetch(repo, file, say, sys.stderr.isatty() and not call.quiet)
    called = next(key for key, found in models.here().items() if found == path)
    size = path.stat().st_size
    return Reply(
        {"model": {"name": called, "path": str(path), "bytes": size}},
        f"{called} is at {path}. `git peer model check {called}` tries it.",
    )


@command("list")
def list_(call: Call) -> Reply:
    """The models that are here, and those that `model pull` knows by name."""
    here = models.here()
    found: list[dict[str, Any]] = []
    for name in dict.fromkeys([*models.KNOWN, *here]):
        path, known = here.get(name), models.KNOWN.get(name)
        found.append(
            {
                "name": name,
                "here": path is not None,
                "path": str(path) if path else None,
                "bytes": path.stat().st_size if path else None,
                "source": f"{known.repo}/{known.file}" if known else None,
            }
        )
    rows = []
    for one in found:
        known = models.KNOWN.get(one["name"])
        size = one["bytes"] / 1e9 if one["here"] else known.size if known else 0.0
        rows.append([one["name"], "here" if one["here"] else "-", f"{size:.1f} GB", one["path"] or one["source"]])
    return Reply({"models": found}, table(rows, ["NAME", "", "SIZE", "WHERE"]))


@command("check")
@click.argument("name", default="")
def check(call: Call, name: str) -> Reply:
    """Load a model, have it read and write something, and tell how fast it is and what memory it takes.

    NAME is what `--model` takes: a file, a name of `model list`, a server, or `anthropic:NAME`.
    """
    from git_peer.runner import speed

    settings = call.parts().settings
    start = time.monotonic()
    model = models.open_model(name, settings)
    try:
        loaded = time.monotonic() - start
        found = speed.measure(model, settings.get("runnerTimeout"))
        data: dict[str, Any] = {
            "model": model.name,
            "context": model.context,
            "load_seconds": round(loaded, 2),
            "prompt_tokens": found.prompt_tokens,
            "prompt_tokens_per_second": _rounded(found.prompt_rate),
            "tokens": found.tokens,
            "tokens_per_second": _rounded(found.rate),
            "memory": speed.memory(),
        }
    finally:
        model.close()
    rows = [
        ["model", text.line(model.name, 100)],
        ["context", f"{model.context:,} tokens"],
        ["ready after", f"{loaded:.1f} s"],
        ["reads", f"{_told(found.prompt_rate)} ({found.prompt_tokens:,} of them)"],
        ["writes", f"{_told(found.rate)} ({found.tokens:,} of them)"],
        ["memory", f"{data['memory'] / 1e9:.2f} GB of this process"],
    ]
    return Reply(data, [f"{what:<12} {told}" for what, told in rows])


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 1)


def _told(rate: float | None) -> str:
    return "too little to tell" if rate is None else f"{rate:,.1f} tokens a second"


for _one in (pull, list_, check):
    model_command.add_command(_one)
