"""Writes the man page, and the help sections of docs/commands.md, from the program itself.

`python -m git_peer.cli.man` prints git-peer.1; with the name of a page it brings that page's help sections up to
date in place. A help section stands between `<!-- help: lock -->` and `<!-- /help -->`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import click

from git_peer import __version__
from git_peer.cli.main import COMMANDS, cli
from git_peer.core import duration
from git_peer.core.errors import EXIT
from git_peer.store.settings import SETTINGS, lasting, seconds

_COMMON = frozenset({"as_name", "as_json", "quiet"})
_SECTION = re.compile(r"(<!-- help: ([a-z -]+) -->\n).*?(<!-- /help -->)", re.DOTALL)
_STATUS = {
    0: "Done, or yes", 1: "Refused, or no", 3: "Try again later", 4: "Not set up here, or not to be trusted",
    70: "A bug in git-peer", 129: "The command line is wrong", 130: "Interrupted",
}  # fmt: skip

_ROFF = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "^": "\\(ha", "~": "\\(ti"}

_ABOUT = """\
Lets several coding agents, and the people beside them, work on one repository at the same time without a server.
Who works on what is recorded in a log of its own, a branch without code. What one session has locked, others cannot
commit or push: hooks that `git peer init` installs beside yours refuse it.

With a remote the remote decides who gets a lock, so it holds across machines. Without one the log lives in the clone
and holds for all of its work trees.
"""

_TARGETS = """\
What can be locked, relative to the current directory: a file (`src/auth.py`, which need not exist yet), a folder
(`src/`), a glob (`'src/**/*.py'`: `*` stops at a slash, `**` does not), lines of a file as it is in the work tree
(`src/auth.py:10-45`), a section of a file (`src/auth.py::Store.get`; `git peer sections` lists them), or a name
(`@deploy`). An existing file is never taken for a glob or for lines. `:(top)`, `:(literal)` and `:(glob)` mean what
they mean to git; a file called `@deploy` is `./@deploy`.
"""

_ENVIRONMENT = {
    "GIT_PEER_SESSION": "The name of this session. Without it a coding agent's session is named after its own id and "
    "the work tree, and a person's after user, host and work tree.",
    "CLAUDECODE, GEMINI_CLI, CODEX_SESSION_ID, CODEX_THREAD_ID, CODEX_SANDBOX, CODEX_CI": "Set by coding agents for "
    "what they run: locks last 30 minutes instead of 8 hours, the priority is at most 5, and another's lock cannot be "
    "broken.",
    "GIT_PEER_DEBUG": "Shows the traceback of a bug.",
    "NO_COLOR": "No colour, also on a terminal.",
}

_FILES = {
    ".git-peer.toml": "A project's settings, versioned with it.",
    "$GIT_COMMON_DIR/peer/": "What this clone keeps beside the log. `git peer uninstall` deletes it.",
    "refs/peer/coordination": "The log as this clone has verified it.",
}

_EXAMPLES = (
    ("git peer init", "Set up this clone: join the remote's log, or start one here."),
    ("git peer lock src/auth.py --reason 'new token format'", "Take a file; others cannot commit it."),
    ("git peer check --staged", "Whether the commit at hand would be let through."),
    ("git peer push", "Land the work, and unlock what it finishes."),
)


@dataclass(frozen=True)
class Usage:
    """How a command is called: its words, what follows them, its help's paragraphs, and (option, help) pairs."""

    words: str
    arguments: str
    text: tuple[str, ...]
    options: tuple[tuple[str, str], ...]

    @property
    def line(self) -> str:
        """The command line in short."""
        return " ".join(part for part in ("git peer", self.words, self.arguments) if part)


# -- reading the program --------------------------------------------------------------------------
def usages() -> Iterator[Usage]:
    """Every command, the hidden ones too, in the order of the command list."""
    context = click.Context(cli, info_name="git peer")
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield from _below(command, name)


def _below(command: click.Command, words: str) -> Iterator[Usage]:
    if not isinstance(command, click.Group):
        yield _usage(command, words)
        return
    context = click.Context(command, info_name=words)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from _below(inner, f"{words} {name}")


def _usage(command: click.Command, words: str) -> Usage:
    own = [param for param in command.params if param.name not in _COMMON]
    options = tuple((_spelled(param), param.help or "") for param in own if isinstance(param, click.Option))
    arguments = [_argument(param) for param in own if isinstance(param, click.Argument)]
    shown = " ".join((["[OPTIONS]"] if options else []) + arguments)
    paragraphs = re.split(r"\n\s*\n", (command.help or "").strip())
    return Usage(words, shown, tuple(" ".join(one.split()) for one in paragraphs), options)


def _argument(param: click.Argument) -> str:
    text = param.metavar or (param.name or "").upper()
    if param.nargs == -1 and "..." not in text:
        text += "..."
    return text if param.required or text.startswith("[") else f"[{text}]"


def _spelled(option: click.Option) -> str:
    names = ", ".join(sorted(option.opts, key=lambda name: (name.startswith("--"), name)))
    if option.is_flag or option.count:
        return names
    value = option.metavar or option.type.name.upper()
    return f"{names}[={value}]" if isinstance(option.flag_value, str) else f"{names} {value}"


def common() -> list[tuple[str, str]]:
    """The options that every command takes, with their help."""
    return [(_spelled(p), p.help or "") for p in cli.params if isinstance(p, click.Option) and p.name in _COMMON]


def setting(name: str) -> tuple[str, str]:
    """(`peer.<name>`, what it is, with its default)."""
    reader, default, about = SETTINGS[name]
    shown = default
    if reader in (seconds, lasting):
        shown = duration.shown(default)
    elif isinstance(default, bool):
        shown = str(default).lower()
    about = about[:1].upper() + about[1:]
    return f"peer.{name}", f"{about} (default: {shown})." if default not in (
        "",
        0,
        (),
    ) or default is False else f"{about}."


def statuses() -> list[tuple[str, str]]:
    """(exit status, its meaning and the error codes that have it)."""
    codes = {
        status: ", ".join(code for code, own in EXIT.items() if own == status) for status in sorted({0, *EXIT.values()})
    }
    return [
        (str(status), f"{_STATUS[status][:1].upper()}{_STATUS[status][1:]}" + (f": {names}." if names else "."))
        for status, names in codes.items()
    ]


# -- the man page ---------------------------------------------------------------------------------
def _escaped(text: str) -> str:
    text = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("^", "\\(ha").replace("~", "\\(ti")
    )
    return f"\\&{text}" if text.startswith(".") else text


def _prose(text: str) -> str:
    """Running text: what stands in backticks becomes bold."""
    parts = text.split("`")
    return "".join(f"\\fB{_escaped(part)}\\fR" if number % 2 else _escaped(part) for number, part in enumerate(parts))


def _paragraphs(text: str) -> str:
    joined = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()))
    return "\n.PP\n".join(_prose(part) for part in joined)


def _tagged(term: str, text: str) -> str:
    return f".TP\n\\fB{_escaped(term)}\\fR\n{_prose(text)}"


def _command(usage: Usage) -> Iterator[str]:
    yield f'.SS "{_escaped(" ".join(part for part in (usage.words, usage.arguments) if part))}"'
    yield "\n.PP\n".join(_prose(text) for text in usage.text)
    yield from (_tagged(term, text) for term, text in usage.options)


def page() -> str:
    """The man page, as roff."""
    out = [
        r'.\" Written by `python -m git_peer.cli.man`. Change the program, not this file.',
        f'.TH GIT\\-PEER 1 "" "git\\-peer {_escaped(__version__)}" "git\\-peer manual"',
        ".nh\n.ad l\n.SH NAME",
        f"git\\-peer \\- {_prose((cli.help or '').strip().rstrip('.').split(': ')[-1].lower())}",
        ".SH SYNOPSIS",
        "\\fBgit peer\\fR [\\fB\\-\\-as\\fR NAME] [\\fB\\-\\-json\\fR] [\\fB\\-q\\fR] <command> [<args>]",
        ".SH DESCRIPTION", _paragraphs(_ABOUT),
        ".SH COMMANDS",
    ]  # fmt: skip
    for usage in usages():
        out.extend(_command(usage))
    sections = (
        ("OPTIONS OF EVERY COMMAND", common()), ("EXIT STATUS", statuses()),
        ("CONFIGURATION", [setting(name) for name in SETTINGS]),
        ("ENVIRONMENT", list(_ENVIRONMENT.items())), ("FILES", list(_FILES.items())), ("EXAMPLES", list(_EXAMPLES)),
    )  # fmt: skip
    out += [".SH TARGETS", _paragraphs(_TARGETS)]
    for title, rows in sections:
        out.append(f'.SH "{title}"')
        out.extend(_tagged(term, text) for term, text in rows)
    out += [".SH SEE ALSO", ".BR git (1),", ".BR git\\-worktree (1),", ".BR githooks (5)"]
    return "\n".join(out) + "\n"


# -- help sections --------------------------------------------------------------------------------
def section(usage: Usage) -> str:
    """A command's help as a block of Markdown."""
    width = max((len(term) for term, _ in usage.options), default=0)
    rows = [f"  {term.ljust(width)}  {text}" for term, text in usage.options]
    block = "\n".join([usage.line, *rows])
    prose = "\n\n".join(fill(text, 120, break_long_words=False, break_on_hyphens=False) for text in usage.text)
    return f"{prose}\n\n```\n{block}\n```\n"


def refreshed(text: str) -> str:
    """A page with its help sections as the program has them now; LookupError for one of no command."""
    known = {usage.words: section(usage) for usage in usages()}

    def current(found: re.Match[str]) -> str:
        if found[2] not in known:
            raise LookupError(f"no command {found[2]}")
        return f"{found[1]}{known[found[2]]}{found[3]}"

    return _SECTION.sub(current, text)


def main(args: list[str]) -> int:
    """Print the man page, or refresh the pages that `args` name."""
    if not args:
        sys.stdout.write(page())
    for name in args:
        path = Path(name)
        path.write_text(refreshed(path.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
