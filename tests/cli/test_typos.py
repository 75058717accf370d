"""What names a thing that there is not is refused, with what is near; the commands are walked for all such places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import pytest

from git_peer.cli.main import cli
from tests.cli.asking import ask, complaint, refused, snapshot
from tests.world import Clone

# What a parameter of that metavar, or of that name, names. Whatever is in neither table is a text, a number, a path, a
# time or a new name.
THINGS = {"ID", "ID...", "[ID...]", "SESSION", "PHASE", "CONTRACT", "KIND", "REV", "RANGE", "NAME@VERSION",
          "NAME[@VERSION]", "[COMMAND]", "REMOTE"}  # fmt: skip
NAMED = {("lock", "task"), ("push-delta", "names"), ("debate start", "contract"), ("contract show", "name"),
         ("contract remove", "name"), ("phase rename", "phase"), ("init", "remote"), ("session end", "name"),
         ("agent install", "name"), ("agent remove", "name"), ("debate start", "sides"), ("model check", "name"),
         ("task add", "provides"), ("task edit", "provides"), ("task add", "uses"), ("task edit", "uses"),
         ("blame", "rev"), ("push-delta", "tasks")}  # fmt: skip
NEW = {("task add", "ident"), ("phase add", "ident"), ("session start", "agent")}  # one chooses it: nothing is named
LATER = {("integrate", "into")}  # a branch that it makes

TELL = ("push-delta", "--type", "discovery", "--summary", "s")
OPEN = ("debate", "start", "--topic", "t", "--position", "p")
# (command, parameter) → how it is got wrong, the code, what the hint has
TYPOS: dict[tuple[str, str], tuple[tuple[str, ...], str, str]] = {
    ("ack", "idents"): (("ack", "ffff"), "not_found", "git peer deltas"),
    ("agent install", "name"): (("agent", "install", "cluade-code"), "usage", "claude-code?"),
    ("agent remove", "name"): (("agent", "remove", "codx"), "usage", "codex?"),
    ("check", "rev"): (("check", "--rev", "mian..HEAD"), "usage", "main?"),
    ("contract approve", "name"): (("contract", "approve", "logn@1"), "not_found", "login?"),
    ("contract change", "name"): (("contract", "change", "logn@1", "--definition", "d"), "not_found", "login?"),
    ("contract remove", "name"): (("contract", "remove", "logn"), "not_found", "login?"),
    ("contract show", "name"): (("contract", "show", "logn"), "not_found", "login?"),
    ("debate escalate", "ident"): (("debate", "escalate", "ffff"), "not_found", "git peer debate list"),
    ("debate resolve", "ident"): (
        ("debate", "resolve", "ffff", "--decision", "d", "--as-human"), "not_found", "git peer debate list"
    ),
    ("debate respond", "ident"): (("debate", "respond", "ffff", "--message", "m"), "not_found", "git peer debate list"),
    ("debate respond", "proposal"): (
        ("debate", "respond", "DEBATE", "--accept", "--proposal", "ffff"), "not_found", "git peer debate show"
    ),
    ("debate run", "ident"): (("debate", "run", "ffff", "--model", "m"), "not_found", "git peer"),
    ("debate show", "ident"): (("debate", "show", "ffff"), "not_found", "git peer debate list"),
    ("debate start", "contract"): ((*OPEN, "--with", "ana", "--contract", "logn"), "not_found", "login?"),
    ("debate start", "delta"): ((*OPEN, "--delta", "ffff"), "not_found", "git peer deltas"),
    ("debate start", "sides"): ((*OPEN, "--with", "anna"), "not_found", "ana?"),
    ("delta ack", "idents"): (("delta", "ack", "ffff"), "not_found", "git peer deltas"),
    ("delta list", "after"): (("delta", "list", "--after", "ffff"), "not_found", "git peer deltas"),
    ("delta show", "ident"): (("delta", "show", "ffff"), "not_found", "git peer deltas"),
    ("delta list", "ident"): (("delta", "list", "--id", "ffff"), "not_found", "git peer deltas"),
    ("deltas", "ident"): (("deltas", "--id", "ffff"), "not_found", "git peer deltas"),
    ("deltas", "after"): (("deltas", "--after", "ffff"), "not_found", "git peer deltas"),
    ("gate", "baseline"): (("gate", "--baseline", "mian"), "usage", "main?"),
    ("help", "names"): (("help", "lokc"), "usage", "git peer lock"),
    ("init", "remote"): (("init", "--remote", "orign"), "not_found", "origin?"),
    ("integrate", "phase"): (("integrate", "--phase", "biuld"), "not_found", "build?"),
    ("locks", "ids"): (("locks", "--id", "ffff"), "not_found", "git peer locks"),
    ("lock", "task"): (("lock", "x", "--task", "t99"), "not_found", "git peer task list"),
    ("log", "after"): (("log", "--after", "ffff"), "not_found", "git peer log"),
    ("log", "by"): (("log", "--by", "anna"), "not_found", "ana?"),
    ("log", "kinds"): (("log", "--kind", "lcok"), "usage", "lock?"),
    ("model check", "name"): (("model", "check", "absent"), "not_found", "git peer model list"),
    ("notes", "rev"): (("notes", "mian"), "usage", "main?"),
    ("blame", "rev"): (("blame", "README.md", "--rev", "mian"), "usage", ""),
    ("phase remove", "phase"): (("phase", "remove", "biuld"), "not_found", "build?"),
    ("phase rename", "phase"): (("phase", "rename", "biuld", "Later"), "not_found", "build?"),
    ("phase sync", "phase"): (("phase", "sync", "biuld"), "not_found", "build?"),
    ("plan answer", "ident"): (("plan", "answer", "ffff", "x"), "not_found", "git peer plan questions"),
    ("plan questions", "who"): (("plan", "questions", "--for", "anna"), "not_found", "ana?"),
    ("push", "remote"): (("push", "orign", "main"), "not_found", "origin?"),
    ("push", "repo"): (("push", "--repo", "orign"), "not_found", "origin?"),
    ("push-delta", "commit"): ((*TELL, "--commit", "mian"), "usage", "main?"),
    ("push-delta", "names"): ((*TELL, "--contract", "logn"), "not_found", "login?"),
    ("push-delta", "supersedes"): ((*TELL, "--supersedes", "ffff"), "not_found", "git peer deltas"),
    ("push-delta", "tasks"): ((*TELL, "--task", "t99"), "not_found", "git peer task list"),
    ("push-delta", "to"): ((*TELL, "--to", "anna"), "not_found", "ana?"),
    ("run", "ids"): (("run", "t99", "--exec", "true", "--sandbox", "none"), "not_found", "git peer task list"),
    ("session end", "name"): (("session", "end", "anna"), "not_found", "ana?"),
    ("task assign", "session"): (("task", "assign", "t1", "anna"), "not_found", "ana?"),
    ("task add", "after"): (("task", "add", "X", "--after-task", "t99"), "not_found", "git peer task list"),
    ("task add", "parent"): (("task", "add", "X", "--parent", "t99"), "not_found", "git peer task list"),
    ("task add", "phase"): (("task", "add", "X", "--phase", "biuld"), "not_found", "build?"),
    ("task add", "provides"): (("task", "add", "X", "--provides", "logn"), "not_found", "login?"),
    ("task add", "uses"): (("task", "add", "X", "--uses", "logn"), "not_found", "login?"),
    ("task edit", "after"): (("task", "edit", "t1", "--after-task", "t99"), "not_found", "git peer task list"),
    ("task edit", "parent"): (("task", "edit", "t1", "--parent", "t99"), "not_found", "git peer task list"),
    ("task edit", "phase"): (("task", "edit", "t1", "--phase", "biuld"), "not_found", "build?"),
    ("task edit", "provides"): (("task", "edit", "t1", "--provides", "logn"), "not_found", "login?"),
    ("task edit", "uses"): (("task", "edit", "t1", "--uses", "logn"), "not_found", "login?"),
    ("task list", "phase"): (("task", "list", "--phase", "biuld"), "not_found", "build?"),
    ("task move", "phase"): (("task", "move", "t1", "biuld"), "not_found", "build?"),
    ("task result", "rev"): (("task", "result", "t1", "--passed", "--commit", "mian"), "usage", "main?"),
    ("task review", "rev"): (("task", "review", "t1", "--commit", "mian"), "usage", "main?"),
    ("unlock", "ids"): (("unlock", "--id", "ffff"), "not_found", "git peer locks"),
    ("verify", "revision"): (("verify", "mian..HEAD"), "usage", "main?"),
    ("watch", "after"): (("watch", "--after", "ffff", "--count", "1"), "not_found", "git peer log"),
    ("watch", "kinds"): (("watch", "--for", "lock.tak", "--count", "1"), "usage", "lock.take"),
}  # fmt: skip
_MORE = {
    "task progress": ("5",), "task split": ("X",), "task move": ("build",), "task edit": ("--title", "X"),
    "task drop": ("--note", "r"), "task block": ("--note", "r"), "task result": ("--passed",),
    "task reject": ("--note", "n"),
}  # fmt: skip
SAME = {"delta push": "push-delta"}  # the same options by another name


def leaves(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """(its name, the command) of every command that does something."""
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for inner in command.list_commands(ctx):
            found = command.get_command(ctx, inner)
            assert found is not None
            yield from leaves(found, f"{name} {inner}".strip())
    else:
        yield name, command


def naming() -> Iterator[tuple[str, str]]:
    """(command, parameter) of every parameter that names a thing."""
    for name, command in leaves(cli):
        for param in command.params:
            shown = param.metavar or (param.human_readable_name if isinstance(param, click.Argument) else "")
            place = (SAME.get(name, name), str(param.name))
            if param.name != "as_name" and (shown in THINGS or place in NAMED) and place not in NEW | LATER:
                yield place


def typo(place: tuple[str, str]) -> tuple[tuple[str, ...], str, str]:
    """How a parameter is got wrong; that of a task's id is alike everywhere."""
    if place in TYPOS:
        return TYPOS[place]
    command, param = place
    assert command.startswith("task "), f"no typo of {place} is tried"
    assert param == "ident", f"no typo of {place} is tried"
    return (*command.split(), "t99", *_MORE.get(command, ())), "not_found", "git peer task list"


@pytest.fixture
def team(pair: tuple[Clone, Clone]) -> Clone:
    """A clone with a plan, a contract, a debate, and the sessions ana and bob."""
    one, _ = pair
    ask(one, "session", "start", as_="ana")
    ask(one, "phase", "add", "Build", as_="bob")
    ask(one, "task", "add", "One", "--phase", "build", as_="bob")
    ask(one, "contract", "add", "login", "--type", "free", "--definition", "d", as_="bob")
    return one


def test_every_parameter_that_names_a_thing_is_tried() -> None:
    assert set(TYPOS) <= set(naming())
    for place in naming():
        typo(place)


@pytest.mark.parametrize("at", range(4))
def test_a_typo_is_refused(team: Clone, at: int) -> None:
    """Each with its code and what is near, by a log that was fetched; nothing is written anywhere."""
    debate = ask(team, *OPEN, "--with", "ana", as_="bob")["debate"]["id"]
    ask(team, "task", "claim", "t1", as_="bob")
    before, there = snapshot(team.path, ".git"), team.world.refs()
    for place in sorted(set(naming()))[at::4]:
        args, code, near = typo(place)
        told = refused(team, code, *(debate if arg == "DEBATE" else arg for arg in args), as_="bob")
        assert near in told["error"]["hint"], (place, told)
    assert snapshot(team.path, ".git") == before
    assert team.world.refs() == there


def test_names_come_back(team: Clone) -> None:
    """Who was here once, or is in no copy of this clone yet, may be named."""
    ask(team, "session", "end", "ana", as_="ana")
    ask(team, "task", "assign", "t1", "ana", as_="bob")
    ask(team, *TELL, "--to", "ana", as_="bob")
    other = Clone(team.world, team.path.parent / "b")
    ask(other, "session", "start", as_="new")
    assert ask(team, *TELL, "--to", "new", as_="bob")["delta"]["to"] == ["new"]
    assert [row["by"] for row in team.peer("--json", "log", "--by", "ana", as_="bob").objects()][-1] == "ana"
    assert team.peer("log", "--by", "ana", "--kind", "debate").out == ""
    refused(team, "not_found", *TELL, "--offline", "--to", "anna", as_="bob")


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (("lokc", "a"), "did you mean `git peer lock`"),
        (("claim", "t1"), "did you mean `git peer task claim`?"),
        (("release", "t1"), "did you mean `git peer task release`?"),
        (("task", "asign", "t1"), "did you mean `git peer task assign`?"),
        (("help", "task", "asign"), "did you mean `git peer task assign`?"),
        (("completion", "bsh"), "did you mean bash"),
        (("task", "list", "--status", "tood"), "did you mean todo?"),
        (("nosuchthing",), "`git peer help` says what there is"),
        (("task", "nosuchthing"), "`git peer help task` says what there is"),
    ],
)
def test_unknown_commands_and_choices(local: Clone, args: tuple[str, ...], hint: str) -> None:
    assert hint in refused(local, "usage", *args)["error"]["hint"]
    complaint(local.peer(*args, status=129))


def test_alone_it_helps(local: Clone) -> None:
    assert local.peer().out == local.peer("help").out
    assert ask(local) == ask(local, "help")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("src/aip.py", "there is no file src/aip.py yet: did you mean api.py"),
        ("brand-new.txt", "there is no file brand-new.txt yet"),
        ("scr/", "there is no folder scr/ yet: did you mean src?"),
        ("scr/**/*.py", "there is no scr/ yet: did you mean src?"),
        ("src/api.py", None), ("src/", None), ("src/*.py", None), ("*.py", None), ("@deploy", None),
    ],
)  # fmt: skip
def test_a_lock_on_what_is_not_there_says_so(local: Clone, target: str, said: str | None) -> None:
    """It is granted all the same: a file may be locked before it is written."""
    found: list[dict[str, Any]] = ask(local, "lock", target, as_="bob")["notices"]
    told = [one["message"] for one in found if one["code"] == "absent"]
    assert len(told) == (said is not None)
    assert all(one.startswith(said or "") for one in told)


def test_a_file_that_was_deleted_here_is_no_typo(local: Clone) -> None:
    (local.path / "src/api.py").unlink()
    assert ask(local, "lock", "src/api.py", as_="bob")["notices"] == []


def test_a_setting_that_there_is_not(local: Clone) -> None:
    local.git("config", "peer.gateBranch", "main")
    local.write(".git-peer.toml", "[runner]\nmodle = 'x'\n")
    told = [one["message"] for one in ask(local, "status")["notices"] if one["code"] == "setting"]
    assert sorted(told) == [
        ".git-peer.toml has an unknown setting: runner.modle (did you mean model?)",
        "unknown setting: peer.gatebranch (did you mean gateBranches?)",
    ]


@pytest.mark.parametrize(
    ("args", "message", "hint"),
    [
        (("push-delta",), "git peer push-delta needs --type", "--type is one of discovery, contract_change, "),
        (("delta", "show"), "git peer delta show needs ID", "`git peer help delta show` shows how"),
        (("ack",), "git peer ack needs ID", "`git peer help ack` shows how"),
        (("completion",), "git peer completion needs SHELL", "SHELL is one of bash, zsh; "),
        (("lock", "-reason", "x"), "git peer lock has no option -r", "did you mean --reason"),
        (("lock", "--reasn=x", "a"), "git peer lock has no option --reasn", "did you mean --reason"),
        (("lock", "--ttl", "5x", "a"), "--ttl: not a time: '5x' (90s, 30m, 4h)", "`git peer help lock` shows how"),
        (("lock", "--ttl"), "option '--ttl' requires an argument", "`git peer help` shows how"),
        (("task", "progress", "t1", "150"), "PERCENT: 150 is not in the range 0<=x<=100", "shows how"),
        (("version", "x"), "got unexpected extra argument (x)", "`git peer help version` shows how"),
        (("lock", "../x"), "'../x' is outside the repository", "name what is inside this work tree"),
        (("check", "../x"), "'../x' is outside the repository", "name what is inside this work tree"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_one_line(local: Clone, args: tuple[str, ...], message: str, hint: str) -> None:
    """In the words of all other errors, whatever click says."""
    told = refused(local, "usage", *args)["error"]
    assert told["message"] == message
    assert hint in told["hint"]
    complaint(local.peer(*args, status=129))


def test_a_log_without_such_events_says_so(local: Clone) -> None:
    told = local.peer("log", "nosuch.txt")
    assert (told.out, told.err) == ("", "note: no event matches; `git peer sync` fetches newer ones\n")
    assert local.peer("-q", "log", "nosuch.txt").err == ""


@pytest.mark.parametrize("option", ["--since", "--until"])
@pytest.mark.parametrize("wrong", ["yesteday", "2 horus ago", "2026-13-45", "..", "3 fortnights ago"])
def test_a_date_that_is_none(local: Clone, option: str, wrong: str) -> None:
    """git means now by whatever it cannot read, and the answer would be empty."""
    refused(local, "usage", "log", option, wrong)


@pytest.mark.parametrize(
    "right",
    ["yesterday", "2 hours ago", "2.weeks", "30m", "4h", "2026-01-31", "2026-01-31T10:00:00Z", "2026-01-31 10:00 +0200",
     "last friday", "Mon Jan 5 2026", "noon yesterday", "1 sec ago", "@1700000000", "10am today", "3 months ago"],
)  # fmt: skip
def test_a_date_that_is_one(local: Clone, right: str) -> None:
    local.peer("log", "--since", right)
