"""The options of `git push`, and which of the git commands behind `git peer push` each of them is for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Option(NamedTuple):
    """One option of git's. `takes` is its value's name, "" for a flag; `bare`: the value may be left out."""

    name: str
    part: str
    short: str = ""
    takes: str = ""
    bare: bool = False
    help: str = ""


# What selects refs says it to git's dry run alone: that names them one by one, each with what it was.
CHOOSES, REACHES, SENDS, SHOWS = "chooses", "reaches", "sends", "shows"
GIT = (
    Option("all", CHOOSES, help="Push all branches."),
    Option("branches", CHOOSES, help="The same as --all."),
    Option("tags", CHOOSES, help="Push all tags, too."),
    Option("follow-tags", CHOOSES, help="Push the annotated tags of what is pushed, too."),
    Option("mirror", CHOOSES, help="Make the remote's refs those of this clone; refused where the log is."),
    Option("delete", CHOOSES, "d", help="Delete the refs."),
    Option("prune", CHOOSES, help="Delete branches there that are gone here; never the log's."),
    Option("force", CHOOSES, "f", help="Push what is not a fast-forward, too."),
    Option("force-with-lease", CHOOSES, takes="[=REF[:OID]]", bare=True, help="Force where the remote is as expected."),
    Option("force-if-includes", CHOOSES, help="Force only where what is there was seen here."),
    Option("receive-pack", REACHES, takes="PROGRAM", help="The program that the remote runs; also --exec."),
    Option("ipv4", REACHES, "4", help="Use IPv4 addresses only."),
    Option("ipv6", REACHES, "6", help="Use IPv6 addresses only."),
    Option("push-option", SENDS, "o", takes="OPT", help="An option for the server's hooks."),
    Option("signed", SENDS, takes="[=yes|no|if-asked]", bare=True, help="Sign the push."),
    Option("thin", SENDS, help="Send a thin pack (the default)."),
    Option("set-upstream", CHOOSES, "u", help="Remember the branches' upstreams."),
    Option("recurse-submodules", SHOWS, takes="check|on-demand|only|no", help="Look after what submodules have."),
    Option("repo", SHOWS, takes="REMOTE", help="The remote, where no argument names it."),
    Option("verify", SHOWS, help="--no-verify: your own pre-push hook does not run; locks are looked at all the same."),
    Option("atomic", SHOWS, help="All refs or none: so it is anyway."),
    Option("dry-run", SHOWS, "n", help="Check, and say what would be pushed."),
    Option("porcelain", SHOWS, help="Say it for scripts, as git does."),
    Option("progress", SHOWS, help="Show how far it is, also without a terminal."),
    Option("verbose", SHOWS, "v", help="Name what is up to date, too."),
)


class Options(NamedTuple):
    """What the user wants of a push."""

    chooses: tuple[str, ...] = ()
    reaches: tuple[str, ...] = ()
    sends: tuple[str, ...] = ()
    submodules: str = ""  # "" for what is configured
    hook: bool = True  # whether the user's pre-push hook runs
    progress: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any], progress: bool = False) -> Options:
        """From values by option's name (`_` for `-`): True, False, a text, or several; None for what was not said."""
        parts: dict[str, list[str]] = {part: [] for part in (CHOOSES, REACHES, SENDS, SHOWS)}
        for option in GIT:
            parts[option.part] += _spelled(option, given.get(option.name.replace("-", "_")))
        return cls(
            tuple(parts[CHOOSES]),
            tuple(parts[REACHES]),
            tuple(parts[SENDS]),
            given.get("recurse_submodules") or "",
            given.get("verify") is not False,
            progress,
        )


def _spelled(option: Option, value: Any) -> Iterable[str]:
    """An option as git takes it. --branches is younger than --all, and the same."""
    name = "all" if option.name == "branches" else option.name
    if isinstance(value, bool):
        yield f"--{name}" if value else f"--no-{name}" if name not in ("ipv4", "ipv6") else f"--{name}"
    elif value is not None:
        for one in (value,) if isinstance(value, str) else value:
            yield f"--{name}={one}" if one or not option.bare else f"--{name}"
