"""Every command that the program, its docs or its man page suggest is one that exists, with options that it has."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from git_peer.cli.main import cli

ROOT = Path(__file__).parents[2]
PACKAGE = sorted((ROOT / "git_peer").rglob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "plugin").rglob("*.md"))]
ABSENT = ROOT / "docs" / "not-yet.md"  # says what there is not
_SPAN = re.compile(r"[`'](git peer [^`'\n]*)[`']")
_WHOLE = re.compile(r"^git peer [a-z][^:]*$")  # a hint that is a command and nothing else
_FENCE = re.compile(r"^ *```[a-z]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"^(?:[\w-]+\$ |\$ )?(git peer .*)$", re.MULTILINE)
_HOLE = "\0"  # what an f-string puts in


def problem(said: str) -> str:
    """What is wrong with `git peer …` as a text has it; "" where nothing is."""
    said = said.rstrip("\\")  # of a shell that quotes the mark behind it
    said = re.sub(r"\s(#|&&|\|\||>|;|\||→).*", "", said.replace("\\\n", " ")).strip(" .")
    try:
        words = shlex.split(said.replace("…", "").replace("'", '"') if said.count("'") % 2 else said)[2:]
    except ValueError:
        words = said.split()[2:]
    command: click.Command = cli
    ctx = click.Context(cli)
    for at, word in enumerate(words):
        if isinstance(command, click.Group) and not word.startswith("-"):
            if _HOLE in word or word.isupper() or word[0] in "[<(…":
                return ""  # any command
            names = re.split(r"[|,]", word.strip(","))
            found = [command.get_command(ctx, name) for name in names]
            if None in found or found[0] is None:
                return f"there is no command {' '.join(words[: at + 1])}"
            command = found[0]
        elif word.startswith(("-", "[-")) and word.strip("[]-"):
            option = re.split(r"[=\[\]|]", word.strip("[],.;:"))[0]
            has = {name for param in (*command.params, *cli.params) for name in (*param.opts, *param.secondary_opts)}
            if option not in has | {"--help", "-h", "--version", "-V"} and not _is_short(option, has):
                return f"{' '.join(words[:at])} has no option {option}"
    return ""


def _is_short(option: str, has: set[str]) -> bool:
    """`-n5`: a short option with its value."""
    return not option.startswith("--") and option[:2] in has


def said_by_program() -> Iterator[tuple[str, str]]:
    """(where, command) of every command in the package's texts."""
    for path in PACKAGE:
        for node in ast.walk(ast.parse(path.read_text())):
            text = _text(node)
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            for match in _SPAN.finditer(text):
                yield where, match[1]
            if _WHOLE.match(text):
                yield where, text


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else _HOLE for part in node.values)
    return ""


def said_by_pages() -> Iterator[tuple[str, str]]:
    """The same of the docs: spans, and lines of shell blocks."""
    for path in PAGES:
        if path == ABSENT:
            continue
        text = path.read_text()
        for block in _FENCE.finditer(text):
            for line in _LINE.finditer(block[1].replace("\\\n", " ")):
                yield f"{path.relative_to(ROOT)}", line[1]
        for match in re.finditer(r"`(git\s+peer [^`]*)`", _FENCE.sub("", text)):
            yield f"{path.relative_to(ROOT)}", " ".join(match[1].split())


def test_it_finds_what_is_wrong() -> None:
    assert problem("git peer lokc a") == "there is no command lokc"
    assert problem("git peer task asign t1 ana") == "there is no command task asign"
    assert problem("git peer lock --sharde a") == "lock has no option --sharde"
    assert problem("git peer lock --shared a --ttl=5m") == ""
    assert problem(f"git peer task show {_HOLE}") == ""


@pytest.mark.parametrize("source", [said_by_program, said_by_pages], ids=["program", "pages"])
def test_what_is_suggested_exists(source: object) -> None:
    assert callable(source)
    found = list(source())
    assert len(found) > 100
    wrong = [f"{where}: {said!r}: {why}" for where, said in found if (why := problem(said))]
    assert wrong == []
