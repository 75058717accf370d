"""Settings that are edited as text: what goes in comes out byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_peer.agents import jsontext
from git_peer.agents.entries import HOOKS
from git_peer.agents.parts import BlockPart, HooksPart
from git_peer.agents.servers import CLAUDES, JsonServer

PARTS = [HooksPart(Path("x"), hooks) for hooks in HOOKS.values()]
OTHER: dict[str, Any] = {"matcher": "Bash", "hooks": [{"type": "command", "command": "echo mine"}]}
TEXTS = [
    "{}",
    "{}\n",
    "{ }",
    "{\n}\n",
    "{\n\n}",
    '{"a":1}',
    '{"a": 1}\n',
    '{\n  "a": 1\n}\n',
    '{\n\t"a": 1,\n\t"hooks": {}\n}\n',
    '{\r\n  "a": 1\r\n}\r\n',
    '{"hooks":{}}',
    '{"hooks": {"Stop": []}}',
    '{"hooks": {"Stop": [], "SessionStart": [ ]}, "z": [1, 2]}\n',
    '{\n    "hooks": {\n        "PreToolUse": []\n    }\n}',
    json.dumps({"hooks": {"PreToolUse": [OTHER], "Stop": [OTHER, OTHER]}, "permissions": {"allow": ["Bash(ls)"]}}),
    json.dumps({"hooks": {"PreToolUse": [OTHER], "BeforeTool": [OTHER]}, "b": "\u2028 ü"}, indent=2) + "\n",
    json.dumps({"hooks": {"PreToolUse": [OTHER]}}, indent=4, separators=(",", " : ")),
    '  \n{"a": {"b": [[], {}, "}", "\\""]}}  \n',
]


@pytest.mark.parametrize("part", PARTS, ids=list(HOOKS))
@pytest.mark.parametrize("text", TEXTS)
def test_in_and_out(part: HooksPart, text: str) -> None:
    """What was there stays as it was; again it is the same; and out again it is byte for byte what it was."""
    made = part.put(text)
    assert made != text
    assert part.put(made) == made
    assert part.take(made) == text
    before, after = json.loads(text), json.loads(made)
    hooks = after.pop("hooks")
    assert {key: value for key, value in before.items() if key != "hooks"} == after
    assert [key for key in before if key != "hooks"] == list(after)
    for event, groups in before.get("hooks", {}).items():
        assert hooks[event][: len(groups)] == groups
    for event, group in part.hooks.groups():
        assert group in hooks[event]


SERVERS = [JsonServer(Path("x")), JsonServer(Path("x"), mark=CLAUDES), JsonServer(Path("x"), "servers")]
SERVER_TEXTS = [
    '{"mcpServers":{}}',
    '{\n  "mcpServers": {}, "servers": { }\n}\n',
    json.dumps({"mcpServers": {"a": {"command": "a"}}, "servers": {"b": {"command": "b"}}}),
    json.dumps(
        {"x": 1, "mcpServers": {"a": {"command": "a", "args": "git-peer mcp"}}, "servers": {"b": 1}}, indent="\t"
    ),
]


@pytest.mark.parametrize("part", SERVERS, ids=["shared", "claude", "vscode"])
@pytest.mark.parametrize("text", [*TEXTS, *SERVER_TEXTS])
def test_a_server_in_and_out(part: JsonServer, text: str) -> None:
    made = part.put(text)
    before, after = json.loads(text), json.loads(made)
    assert after[part.key].pop("peer")["command"] == "git-peer"
    assert after.pop(part.key) == before.pop(part.key, {})
    assert after == before
    assert part.is_in(made)
    assert not part.is_in(text)
    assert part.put(made) == made
    assert part.take(made) == text
    assert part.take(text) == text
    assert part.take(part.put(None)) is None


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"mcpServers": {"peer": {"command": "git-peer", "args": 3}}}'])
def test_a_server_in_a_file_that_is_no_help(text: str) -> None:
    """It is refused when the server is to go in, and left alone otherwise."""
    for part in SERVERS[:2]:
        assert part.take(text) == text
        assert not part.is_in(text)
        with pytest.raises(jsontext.Bad):
            part.put(text)


@pytest.mark.parametrize("part", PARTS, ids=list(HOOKS))
def test_a_file_of_its_own(part: HooksPart) -> None:
    made = part.put(None)
    assert part.put(made) == made
    assert part.take(made) is None


@pytest.mark.parametrize("text", TEXTS)
def test_two_agents_in_one_file(text: str) -> None:
    """Each takes out its own, in either order."""
    one, two = PARTS[:2]
    both = two.put(one.put(text))
    assert two.take(one.take(both) or "") == text
    assert one.take(two.take(both) or "") == text


@pytest.mark.parametrize("part", PARTS, ids=list(HOOKS))
def test_what_a_user_added_stays(part: HooksPart) -> None:
    """Before ours, behind them and among them; only ours go."""
    event = part.hooks.groups()[0][0]
    made = json.loads(part.put('{"hooks": {}}'))
    made["hooks"][event].append(OTHER)
    made["hooks"][event].insert(0, OTHER)
    made["hooks"][event][1]["hooks"].append(OTHER["hooks"][0])
    made["mine"] = True
    left = json.loads(part.take(json.dumps(made, indent=2)) or "{}")
    assert left["mine"] is True
    assert [hook for group in left["hooks"][event] for hook in group["hooks"]] == OTHER["hooks"] * 3
    assert "git-peer" not in json.dumps(left)


def test_an_older_release_s_are_replaced() -> None:
    part = PARTS[0]
    old = part.put("{}\n").replace("|| :", "|| true").replace('"timeout": 10', '"timeout": 5')
    assert part.put(old) == part.put("{}\n")
    assert part.take(old) == "{}\n"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "1", "// c\n{}", '{"a": 1,}', "\ufeff{}", '{"hooks": []}', '{"hooks": {"Stop": {}}}', "[" * 9000],
)
def test_what_cannot_be_edited_is_refused(text: str) -> None:
    with pytest.raises(jsontext.Bad):
        PARTS[0].put(text)


_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), _VALUES, max_size=4), st.sampled_from([None, 1, 2, 4, "\t"]))
def test_any_settings(value: dict[str, Any], indent: int | str | None) -> None:
    value = {key: one for key, one in value.items() if key != "hooks"}
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    for part in PARTS:
        assert part.take(part.put(text)) == text


@pytest.mark.parametrize("text", ["", "x", "x\n", "x\n\n", "\n", "a\r\nb\r\n", "a\r\nb", "# T\n\ntext\n"])
def test_block(text: str) -> None:
    codex, other = BlockPart(Path("x"), "codex"), BlockPart(Path("x"), "other")
    made = codex.put(text)
    assert made.startswith(text)
    assert codex.put(made) == made
    assert codex.take(made) == text
    both = other.put(made)
    assert both.count("git-peer:begin") == 1
    assert other.take(both) == made
    assert other.take(codex.take(both) or "") == text
    assert other.take(made) == made
    below = made + "below\n"
    ended = "" if text.endswith("\n") or not text else "\r\n" if "\r\n" in text else "\n"
    assert codex.take(below) == f"{text}{ended}below\n"  # never on the end of a line that was there before


def test_block_alone() -> None:
    codex, other = BlockPart(Path("x"), "codex"), BlockPart(Path("x"), "other")
    made = codex.put(None)
    assert codex.take(made) is None
    assert other.take(codex.take(other.put(made)) or "") is None
