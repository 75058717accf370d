"""TEXT is a string, `-` or `@FILE` on a command line, and nowhere else; what is named is read as far as is sensible."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from mcp import ClientSession

from tests.cli.asking import ask, refused, sound
from tests.mcp.client import over_stdio
from tests.world import Clone, require, start

INSIDE = "what stands in the file"


def reason(clone: Clone, *args: str, **more: Any) -> str:
    """The reason of a lock, as it stands in the log."""
    (view,) = ask(clone, *args[:-1], "lock", "README.md", "--reason", args[-1], as_="ana", **more)["locks"]
    return str(view["reason"])


def test_what_is_read(local: Clone) -> None:
    """A file, stdin, nothing; after --literal, and where there is no `@`, the text itself."""
    local.write("why", "  because\n")
    assert reason(local, "@why") == "because"
    assert reason(local, "-", stdin=b"by stdin\n") == "by stdin"
    assert reason(local, "user@example.com") == "user@example.com"
    assert reason(local, "--literal", "@why") == "@why"
    assert reason(local, "--literal", "-", stdin=b"by stdin\n") == "-"


def test_what_a_command_says(local: Clone) -> None:
    """`@<(command)` of a shell is a pipe, and is read to its end."""
    require("bash")
    script = "git-peer --json lock README.md --reason @<(sleep 0.1; echo through; echo a pipe)"
    (view,) = sound(start(("bash", "-c", script), local.path).finish(0))["locks"]
    assert view["reason"] == "through a pipe"


def test_what_cannot_be_read(local: Clone) -> None:
    """One error that says what it is; nothing that never ends, and nothing is written."""
    local.write("latin", b"caf\xe9")
    local.write("huge", "a" * (3 << 20))
    before = local.git("rev-parse", "refs/peer/coordination").line
    for name, code, why in (
        ("@/dev/full", "usage", "it is no file"),
        ("@/dev/zero", "usage", "it is no file"),
        ("@src", "usage", "it is a folder"),
        ("@gone", "usage", "No such file"),
        ("@", "usage", "No such file"),
        ("@latin", "usage", "byte 3 is no UTF-8"),
        ("@huge", "invalid", "over 1 MiB"),
    ):
        error = refused(local, code, "lock", "README.md", "--reason", name, as_="ana")["error"]
        assert why in error["message"], error
    for args in (("--pathspec-from-file", "/dev/full"), ("--pathspec-from-file", "src")):
        refused(local, "usage", "lock", *args, as_="ana")
    refused(local, "usage", "plan", "import", "/dev/full", as_="ana")
    assert local.git("rev-parse", "refs/peer/coordination").line == before


def test_a_pipe_that_nobody_ends(local: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader is there, the writer says nothing: an error after a while, not a process for ever."""
    from git_peer.core.errors import PeerError
    from git_peer.ops import reading

    monkeypatch.setattr(reading, "PATIENCE", 0.2)
    fifo = str(local.path / "fifo")
    os.mkfifo(fifo)
    handle = os.open(fifo, os.O_RDWR)
    try:
        with pytest.raises(PeerError, match="did not end"):
            reading.file(fifo)
    finally:
        os.close(handle)


def test_over_mcp_a_text_is_a_text(local: Clone) -> None:
    """Every tool, every string that it takes but ids: `@FILE` is not read, and stands in the log where it may."""
    local.write("secret.txt", INSIDE)
    file = f"@{local.path}/secret.txt"
    ask(local, "task", "add", "first", as_="ana")
    told = ask(local, "push-delta", "--type", "decision", "--summary", "s", as_="ana")["delta"]["id"]
    opened = ask(local, "debate", "start", "--topic", "t", "--position", "p", as_="ana")["debate"]["id"]
    real = {"task": "t1", "debate": opened, "ids": [told], "action": "progress", "type": "decision", "severity": "info",
            "paths": ["src/api.py"], "percent": 10}  # fmt: skip
    ids = set(
        "phase parent depends_on provides uses contracts to sides delta contract commit verdict skills check".split()
    )

    async def use(session: ClientSession) -> dict[str, str]:
        said = {}
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        for name in sorted(tools, key=lambda name: (name != "claim_task", name != "update_task", name)):
            fields = tools[name].input_schema.get("properties", {})
            given = {field: real[field] for field in fields if field in real}
            texts = [f for f, schema in fields.items() if f not in {*real, *ids} and '"string"' in json.dumps(schema)]
            said_by = {field: [file] if '"array"' in json.dumps(fields[field]) else file for field in texts}
            answer = await session.call_tool(name, given | said_by)
            said[name] = answer.model_dump_json()
        for reason in ("-", "--json", "@-"):
            await session.call_tool("lock_file", {"paths": ["README.md"], "reason": reason})
        return said

    said = over_stdio(local, use)
    log = local.git("log", "--format=%B", "refs/peer/coordination").out
    assert INSIDE not in log + "".join(said.values())
    for name in ("lock_file", "create_task", "update_task", "push_delta", "start_debate", "respond_debate", "ack_delta",
                 "create_phase"):  # fmt: skip
        assert '"is_error":false' in said[name].replace("isError", "is_error"), said[name]
    for field in ("doing", "reason", "title", "description", "accept", "note", "summary", "body", "topic", "position",
                  "message", "name"):  # fmt: skip
        assert f'"{field}":"{file}"' in log, field
    for reason in ("-", "--json", "@-"):
        assert f'"reason":"{reason}"' in log
