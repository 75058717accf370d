"""The program: finds the command, imports only its file, and turns every end into an exit status."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from git_peer import __version__
from git_peer.cli._output import Call, Reply
from git_peer.core.errors import Malformed, PeerError

# command → (module, what it does); imported only when it is called, for `git peer --help` lists them all
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("setup", "Join the log of the remote, or start one here; install the hooks"),
    "uninstall": ("setup", "Take the hooks and settings out again"),
    "doctor": ("doctor", "Tell what is wrong here, and what to do"),
    "demo": ("demo", "A real run in a scratch folder"),
    "session": ("session", "Start, end or renew this session"),
    "peers": ("session", "Who is here"),
    "whoami": ("session", "Which session this is"),
    "status": ("status", "The state of things in short"),
    "inbox": ("inbox", "What waits for you, with the command that settles it"),
    "lock": ("lock", "Take locks on files, folders, globs or names"),
    "unlock": ("lock", "Give locks back"),
    "locks": ("lock", "What is locked"),
    "check": ("lock", "Whether paths may be changed by this session"),
    "sections": ("sections", "The functions, classes, headings or keys of a file, and who has which"),
    "conflicts": ("conflicts", "What would collide, before anybody commits it"),
    "verify": ("ci", "Whether a range of commits may land: for CI"),
    "landed": ("ci", "End the locks whose work has landed: for CI"),
    "plan": ("plan", "The plan: show, check, import, export"),
    "phase": ("phase", "The phases of the plan, and their merge points"),
    "task": ("task", "The tasks of the plan: add, claim, hand in, accept"),
    "contract": ("contract", "What tasks agree on"),
    "push-delta": ("delta", "Tell the others what they should know"),
    "deltas": ("delta", "What others have told, and whether it wants an answer"),
    "ack": ("delta", "Answer deltas"),
    "delta": ("delta", "The same, as push, list, show and ack"),
    "debate": ("debate", "Come to an agreement, or before a person"),
    "notes": ("notes", "What is noted on a commit: who made it, what was told, debated and tried about it"),
    "blame": ("notes", "Which session, task and debate each line of a file came from"),
    "sync": ("push", "Fetch, verify, arbitrate what is tentative"),
    "push": ("push", "Push code and log in one atomic push"),
    "log": ("history", "The history of events"),
    "watch": ("history", "Events as they come"),
    "fsck": ("history", "Verify the whole log"),
    "run": ("run", "Take tasks, solve them with a model, test them in a sandbox, hand them in"),
    "integrate": ("integrate", "Accept what is in review, merge what is finished, land it on one branch"),
    "gate": ("gate", "Judge a commit: tests, coverage, stubs, secrets, size, API, dependencies"),
    "go": ("go", "Plan a goal, have runners work on it, integrate"),
    "model": ("model", "The models that write: fetch, list and try them"),
    "sandbox": ("sandbox", "The sandbox that commands are run in: make its image, try its limits"),
    "server": ("server", "Check pushes in a repository that clones push to"),
    "brief": ("brief", "What an agent should know now, as text"),
    "agent": ("agent", "Set git-peer up for a coding agent, or take it out again"),
    "map": ("map", "Folders, languages and public symbols of what is committed"),
    "mcp": ("mcp", "Serve an agent's tools over the Model Context Protocol"),
    "hook": ("hook", "What git's hooks and agents call (plumbing)"),
    "completion": ("completion", "Tab completion for a shell"),
    "version": ("status", "The version of git-peer"),
    "help": ("status", "Help on a command"),
}
COMPLETE_VAR = "_GIT_PEER_COMPLETE"  # set by the shell functions of `git peer completion`
HIDDEN = frozenset({"hook"})


def _common(function: Callable[..., int | None]) -> Callable[..., int | None]:
    for option in (
        click.option("--as", "as_name", metavar="NAME", help="Act as the session NAME."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout."),
        click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
    ):
        function = option(function)
    return function


def _remember(ctx: click.Context, as_name: str | None, as_json: bool, quiet: bool) -> Call:
    call = ctx.find_root().obj
    assert isinstance(call, Call)
    call.name = call.name if as_name is None else as_name
    call.json = call.json or as_json
    call.quiet = call.quiet or quiet
    return call


def command(name: str | None = None, **attrs: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """A command: gets the Call first, returns a Reply or an exit status; --as, --json and -q may follow it."""

    def wrap(function: Callable[..., Any]) -> click.Command:
        def entry(as_name: str | None, as_json: bool, quiet: bool, **given: Any) -> int:
            ctx = click.get_current_context()
            call = _remember(ctx, as_name, as_json, quiet)
            gc.freeze()
            gc.enable()  # what was imported is looked through no more

            def action() -> int:
                reply = function(call, **given)
                return call.emit(reply) if isinstance(reply, Reply) else int(reply)

            return guard(call, action)

        entry.__doc__ = function.__doc__
        entry.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
        decorate: Callable[[Callable[..., Any]], click.Command] = click.command(name, **attrs)
        return decorate(_common(entry))

    return wrap


def group(name: str) -> Callable[[Callable[..., Any]], click.Group]:
    """A group of commands: --as, --json and -q may stand behind its name too."""

    def wrap(function: Callable[..., Any]) -> click.Group:
        def entry(as_name: str | None, as_json: bool, quiet: bool) -> None:
            _remember(click.get_current_context(), as_name, as_json, quiet)

        entry.__doc__ = function.__doc__
        decorate: Callable[[Callable[..., Any]], click.Group] = click.group(name, cls=Named)
        return decorate(_common(entry))

    return wrap


def guard(call: Call, action: Callable[[], int]) -> int:
    """Run a command; every way out of it is a status of the contract."""
    try:
        return action()
    except PeerError as why:
        return call.fail(why)
    except Malformed as why:
        hint = "`git peer doctor --fix` mends what can be mended"
        return call.fail(PeerError("untrusted", f"the log here is malformed: {why}", hint))
    except (KeyboardInterrupt, click.Abort):  # the second is ^C at a question
        return call.fail(PeerError("interrupted", "interrupted", ""))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as why:
        if os.environ.get("GIT_PEER_DEBUG"):
            raise
        from git_peer.store.files import refused_by_disk  # only where something went wrong

        disk = refused_by_disk(why)
        if disk:
            return call.fail(PeerError("failed", f"cannot write: {disk}", "is the disk full, or read-only?"))
        text = f"a bug in git-peer: {type(why).__name__}: {why}"
        return call.fail(PeerError("internal", text, "GIT_PEER_DEBUG=1 shows where; please report it"))


class Named(click.Group):
    """A group that says which of its commands may have been meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first argument names."""
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and self.get_command(ctx, name) is None:
            raise Unknown(ctx, name)
        return super().resolve_command(ctx, args)


class Unknown(click.UsageError):
    """A command that there is not, with a hint at what there is."""

    def __init__(self, ctx: click.Context, name: str) -> None:
        path = ctx.command_path
        super().__init__(f"{path} has no command {name!r}", ctx)
        self.hint = f"`{path.replace('git peer', 'git peer help', 1)}` says what there is"
        found = [f"`{path} {one}`" for one in _meant(ctx, name)]
        if found:
            self.hint = f"did you mean {' or '.join(found)}? {self.hint}"


def _meant(ctx: click.Context, name: str) -> list[str]:
    """A group's commands of a near name, or those of that very name further down: `task claim` for `claim`."""
    from git_peer.core import near

    group = ctx.command
    if not isinstance(group, click.Group):
        return []
    here = group.list_commands(ctx)
    below = [
        f"{one} {name}"
        for one in here
        if isinstance(inner := group.get_command(ctx, one), click.Group) and name in inner.list_commands(ctx)
    ]
    return below or near.near(name, here)


class Lazy(Named):
    """The top group: knows every command's name and imports its file when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every command that this release has."""
        return [name for name in COMMANDS if name not in HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"git_peer.cli.{COMMANDS[cmd_name][0]}")
        found = getattr(module, cmd_name.replace("-", "_") + "_command", None)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in --help, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(
    cls=Lazy,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": None},
)
@click.version_option(__version__, "-V", "--version", message="git-peer version %(version)s")
@click.option("--literal", is_flag=True, hidden=True, help="Texts are taken as they stand, also `-` and `@FILE`.")
@click.option("--look", is_flag=True, hidden=True, help="Whoever reads fetches the log first, where its copy is old.")
@_common
@click.pass_context
def cli(ctx: click.Context, as_name: str | None, as_json: bool, quiet: bool, literal: bool, look: bool) -> Any:
    """Coordinate several coding agents, and the people beside them, on one repository, without a server."""
    call = _remember(ctx, as_name, as_json, quiet)
    call.literal, call.looks = literal, look
    if ctx.invoked_subcommand is None:
        helps = cli.get_command(ctx, "help")
        assert helps is not None
        status = ctx.invoke(helps, as_name=None, as_json=False, quiet=False, names=())
        step = _first_step()
        if step and not call.json:
            call.progress(f"note: {step}")
        return status
    return None


def _first_step() -> str:
    """What to do where git-peer is not set up; "" where it is."""
    from git_peer.ops.wiring import Parts

    try:
        parts = Parts()
    except PeerError as why:  # no repository, or a broken one
        return f"{why.message}; `git init` makes one, and then `git peer init` sets git-peer up"
    if parts.clone.is_set_up:
        return ""
    return "git-peer is not set up in this repository; `git peer init` sets it up"


def _help(ctx: click.Context | None) -> str:
    """The command that tells how another one is called."""
    below = f" {ctx.command_path.removeprefix('git peer ')}" if ctx and ctx.parent else ""
    return f"`git peer help{below}` shows how"


def _said(why: click.UsageError, argv: list[str]) -> tuple[str, str]:
    """What is wrong with a command line, in a line as all of ours, and the hint."""
    helps, param = _help(why.ctx), why.param if isinstance(why, click.BadParameter) else None
    path = why.ctx.command_path if why.ctx is not None else "git peer"
    if isinstance(why, Unknown):
        return why.message, why.hint
    if isinstance(why, click.NoSuchOption):
        return f"{path} has no option {why.option_name}", _near_option(why, argv, helps)
    if param is None:
        return _plain(why.format_message()), helps
    name, kind = _name(param), param.type
    if isinstance(why, click.MissingParameter):
        some = f"{name} is one of {', '.join(map(str, kind.choices))}; " if isinstance(kind, click.Choice) else ""
        return f"{path} needs {name}", f"{some}{helps}"
    if isinstance(kind, click.Choice):
        from git_peer.core import near

        given = why.message.partition("'")[2].partition("' is not one of")[0]
        return f"{name}: {_plain(why.message)}", near.hint(given, map(str, kind.choices), helps)
    return f"{name}: {_plain(why.message)}", helps


def _plain(message: str) -> str:
    """A message of click's without its capital and full stop."""
    return f"{message[:1].lower()}{message[1:].rstrip('.')}"


def _name(param: click.Parameter) -> str:
    """A parameter as help calls it."""
    if isinstance(param, click.Argument):
        return param.human_readable_name.strip("[]").removesuffix("...")
    return max(param.opts, key=len)


def _near_option(why: click.NoSuchOption, argv: list[str], helps: str) -> str:
    """A hint at the options that may have been meant; `-reason` is read as `-r` and more."""
    from git_peer.core import near

    options = [one for param in why.ctx.command.params for one in param.opts] if why.ctx is not None else []
    given = next((arg for arg in argv if arg.startswith(why.option_name)), why.option_name)
    return near.hint(f"--{given.lstrip('-').partition('=')[0]}", [one for one in options if one[:2] == "--"], helps)


def main(args: list[str] | None = None) -> int:
    """Run the program; the exit status."""
    argv = sys.argv[1:] if args is None else args
    flags = argv[: argv.index("--")] if "--" in argv else argv
    call = Call(json="--json" in flags)
    try:
        status = cli.main(argv, prog_name="git peer", standalone_mode=False, obj=call, complete_var=COMPLETE_VAR)
        return status if isinstance(status, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as why:  # its message is the whole help
        return call.fail(PeerError("usage", "a command is missing", _help(why.ctx)))
    except click.UsageError as why:
        return call.fail(PeerError("usage", *_said(why, argv)))
    except click.ClickException as why:
        return call.fail(PeerError("usage", why.format_message()))
    except (KeyboardInterrupt, click.Abort):
        return call.fail(PeerError("interrupted", "interrupted", ""))
