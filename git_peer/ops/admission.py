"""Admission: what a command says is looked at before anybody writes it down, for the log never forgets.

Peer.run and what is kept for `sync` pass here, and nothing else leads into the log; so a new command cannot forget it.
Every text of a command is looked at but those that are known to be none, so a new field cannot be forgotten either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from git_peer.core import text
from git_peer.core.delta.decide import Tell
from git_peer.core.errors import PeerError
from git_peer.core.log.command import Command, Me
from git_peer.core.target.target import Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from git_peer.core.secret import Found
    from git_peer.store.settings import Settings

C = TypeVar("C", bound=Command)

_SHORTEST = 12  # characters: no shorter text has a secret and what tells that it is one
_OF_ME = ("agent", "doing", "capabilities")  # what else is known of a run is no text of anybody's
# Fields that hold ids, hashes, percent-encoded paths or words of a fixed list.
_NO_TEXT = frozenset(
    "ident commit blobs deltas changed dirty works refs landed ids avoid status mode head debate seen saw delta"
    " supersedes onto work".split()
)
_OUTPUT = frozenset({"output"})  # what a command said: its result has to stand, so the secret alone is taken out
_ONE_LINE = frozenset({"reason", "force", "doing", "agent", "capabilities"})
_CLEANED = _ONE_LINE | _OUTPUT | {"note"}
# Words in the name of a variable whose value is a secret.
_SECRET_NAMES = tuple("TOKEN SECRET PASSWORD PASSWD PASSPHRASE APIKEY API_KEY ACCESS_KEY PRIVATE_KEY".split())


def admitted(command: C, settings: Settings, env: Mapping[str, str]) -> C:
    """`command` as it may be published; PeerError("not_allowed") where it carries a secret.

    `env`: the environment, for what it calls a secret is one. A command's output loses its secrets, and is published.
    """
    texts = list(_texts(command, ""))
    if not texts:
        return command
    replaced: dict[str, str] = {}
    if not (isinstance(command, Tell) and command.news.allowed):
        for where, name, value in texts:
            found = _secrets(value, settings, env)
            if found and name not in _OUTPUT:
                raise refusal(_called(command, where), found)
            if found:
                replaced[where] = _without(value, found)
    for where, name, value in texts:
        if name in _CLEANED and (cleaned := _clean(where, replaced.get(where, value), name)) != value:
            replaced[where] = cleaned
    return _with(command, replaced) if replaced else command


def redacted(text: str, settings: Settings, env: Mapping[str, str]) -> str:
    """What a command or a model said, with a mark in the place of each secret."""
    found = _secrets(text, settings, env)
    return _without(text, found) if found else text


def refusal(where: str, found: list[Found]) -> PeerError:
    """The refusal of a text with secrets. It never says them again."""
    kinds = sorted({one.kind for one in found})
    return PeerError(
        "not_allowed",
        f"{where} carries what looks like a secret ({', '.join(kinds)}), and the log never forgets",
        "leave it out; `peer.secretsAllow` says what is none in this project",
        secrets=kinds,
    )


# -- the texts of a command -----------------------------------------------------------------------
def _texts(value: Any, where: str, name: str = "") -> Iterator[tuple[str, str, str]]:
    """(where, the field's name, text) of everything in a command that can be somebody's text."""
    if isinstance(value, str):
        if value:
            yield where, name, value
    elif isinstance(value, Target):
        return  # a path, or a name that one speaks of
    elif isinstance(value, msgspec.Struct):
        for field in _OF_ME if isinstance(value, Me) else value.__struct_fields__:
            if field not in _NO_TEXT:
                yield from _texts(getattr(value, field), _below(where, field), field)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, _below(where, str(key)), name)
    elif isinstance(value, (tuple, list)):
        for at, inner in enumerate(value):
            yield from _texts(inner, f"{where}[{at}]", name)


def _below(where: str, field: str) -> str:
    return field if where in ("", "me", "wish", "news") else f"{where}.{field}"


def _with(value: Any, replaced: Mapping[str, str], where: str = "") -> Any:
    """The command with these texts in the places that _texts() names."""
    if isinstance(value, str):
        return replaced.get(where, value)
    if isinstance(value, Target):
        return value
    if isinstance(value, msgspec.Struct):
        fields = _OF_ME if isinstance(value, Me) else value.__struct_fields__
        new = {f: _with(getattr(value, f), replaced, _below(where, f)) for f in fields if f not in _NO_TEXT}
        return msgspec.structs.replace(value, **new)
    if isinstance(value, dict):
        return {key: _with(inner, replaced, _below(where, str(key))) for key, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(_with(inner, replaced, f"{where}[{at}]") for at, inner in enumerate(value))
    return value


def _clean(where: str, value: str, name: str) -> str:
    found = text.line(value) if name in _ONE_LINE else text.clean(value)
    if not found and value.strip():
        raise PeerError("invalid", f"`{where}` without a character that can be seen", "say it in plain text")
    return found


def _called(command: Command, where: str) -> str:
    """A field as people call it: of a plan's edits, whose it is."""
    place, inside, field = where.removeprefix("edits[").partition("].")
    if not inside or not where.startswith("edits["):
        return f"`{where}`"
    edit = command.edits[int(place)]  # type: ignore[attr-defined]
    field = field.removeprefix("spec.").removeprefix("changes.")
    whose = getattr(edit, "id", "").lstrip("~") or (getattr(edit, "name", "") if field != "name" else "")
    return f"`{field}`" + (f" of {text.quoted(whose, 64)}" if whose else "")


# -- looking --------------------------------------------------------------------------------------
def _secrets(value: str, settings: Settings, env: Mapping[str, str]) -> list[Found]:
    known = given(env)
    if len(value) < _SHORTEST and not any(one in value for one in known):
        return []
    from git_peer.core import secret  # late: most commands say nothing that needs it

    return secret.find(value, settings.get("secrets"), settings.get("secretsAllow"), known)


def _without(value: str, found: list[Found]) -> str:
    from git_peer.core import secret

    return secret.redacted(value, found)


def given(env: Mapping[str, str]) -> list[str]:
    """The values that an environment calls secret, as far as they are no words, numbers or paths."""
    return [
        value
        for name, value in env.items()
        if any(word in name.upper() for word in _SECRET_NAMES) and len(value) >= _SHORTEST and _is_secret(value)
    ]


def _is_secret(value: str) -> bool:
    mixed = any(char.isdigit() for char in value) and any(char.isalpha() for char in value)
    return (mixed or len(value) >= 16) and not value.startswith(("/", "./", "~")) and not value.isdigit()
