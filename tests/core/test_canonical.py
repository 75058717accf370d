"""Every clone writes the same bytes: what a record is made of does not show in its JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args, get_origin

import msgspec
import pytest

from git_peer.core.log.command import Command
from git_peer.core.log.state import Event, Kept, Record
from git_peer.core.plan.edits import Edit
from git_peer.core.rules import decide as commands
from git_peer.core.rules import fold


def _below(kind: type[Record]) -> Iterator[type[Record]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def _ambiguous(kind: type[Record]) -> bool:
    """Whether it has a default that another object may equal: a word, or a number that Python does not keep one of."""
    defaults = [field.default for field in msgspec.structs.fields(kind)]
    return any((isinstance(one, str) and one) or (isinstance(one, int) and one > 256) for one in defaults)


REGISTRIES = (commands, fold)  # with them all of the core is imported
EVERY = [kind for kind in _below(Record) if kind.__module__.startswith("git_peer.core.")]
ASKED = (Event, Command, Edit)  # an event is kept as its line; a command is no part of the log
KEPT = [kind for kind in EVERY if issubclass(kind, Kept) and kind is not Kept]


def test_records_with_such_defaults_are_kept_as_one_object() -> None:
    wrong = [kind.__name__ for kind in EVERY if _ambiguous(kind) and not issubclass(kind, (*ASKED, Kept))]
    assert [name for name in wrong if name not in ("Wish", "News")] == []  # parts of commands
    assert {"Task", "Phase", "Contract", "Lock"} <= {kind.__name__ for kind in KEPT}


@pytest.mark.parametrize("kind", KEPT, ids=lambda kind: kind.__name__)
def test_a_default_that_was_read_is_left_out_like_one_that_was_not_said(kind: type[Kept]) -> None:
    fields = msgspec.structs.fields(kind)
    wanted = {one.encode_name: _example(one) for one in fields if one.required}
    said = {one.encode_name: one.default for one in fields if type(one.default) in (str, int)}
    bare, read = (msgspec.json.decode(msgspec.json.encode(raw), type=kind) for raw in (wanted, wanted | said))
    assert msgspec.json.encode(read) == msgspec.json.encode(bare)


def _example(field: msgspec.structs.FieldInfo) -> object:
    """A value of a required field."""
    if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
        return {one.encode_name: _example(one) for one in msgspec.structs.fields(field.type) if one.required}
    if get_origin(field.type) is tuple:
        return []
    return "x" if field.type is str else 1 if field.type is int else next(iter(get_args(field.type)))
