"""The bounds and the grammar of every field of every event: checked once, before the rules look at any of it.

What is in here no release of git-peer has ever broken in honest use, so that a log which honest software wrote stays
valid. docs/format.md says the same in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec

from git_peer.core.errors import Malformed
from git_peer.core.log.record import is_log_id
from git_peer.core.log.state import Event
from git_peer.core.plan.record import is_id
from git_peer.core.session import naming
from git_peer.core.session.clock import LAST_SECOND
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target

NUMBER = 2**53 - 1  # what every reader of JSON can hold
LEASE = 10**9  # seconds
PRIORITY = 10
REF = 4096  # bytes of a ref's or a branch's name

_OBJECT = re.compile("(?:[0-9a-f]{40}|[0-9a-f]{64})")
_CONTROL = re.compile("[\0-\x1f\x7f]")

_STANDS = re.compile("(?:[0-7]{6} (?:[0-9a-f]{40}|[0-9a-f]{64}))?")  # what stands at a path, or nothing

Rule = Callable[[Any], bool]


def _name(value: object) -> bool:
    return isinstance(value, str) and naming.is_name(value)


def _ident(value: object) -> bool:
    return isinstance(value, str) and is_id(value)


def _log_ident(value: object) -> bool:
    return isinstance(value, str) and is_log_id(value)


def _clone(value: object) -> bool:
    return value == "" or _ident(value)  # a copied clone had none until it first wrote


def _object(value: object) -> bool:
    return isinstance(value, str) and _OBJECT.fullmatch(value) is not None


def _stands(value: object) -> bool:
    return isinstance(value, str) and _STANDS.fullmatch(value) is not None


def _ref(value: object) -> bool:
    return (
        isinstance(value, str)
        and len(value.encode("utf-8", "surrogatepass")) <= REF
        and not value.startswith("-")
        and _CONTROL.search(value) is None
    )


def _up_to(most: int, least: int = 0) -> Rule:
    return lambda value: isinstance(value, int) and least <= value <= most


def _never(value: object) -> bool:
    return False


_LEASE, _PRIORITY = _up_to(LEASE, 1), _up_to(PRIORITY)
_EVERY: dict[str, Rule] = {"id": _ident, "by": _name, "sid": _ident, "at": _up_to(LAST_SECOND), "v": _up_to(NUMBER, 1)}
_OF_LOCK: dict[str, Rule] = {"lock": _ident, "holder": _name}
_OF_WORK: dict[str, Rule] = {
    "commit": _object, "base": _object, "branch": _ref, "clone": _clone, "paths": _stands, "blobs": _object,
}  # fmt: skip

# Kind → field → what each of its values has to be. A field with a default may also have that. What is not here is text
# of any kind, a number of 0 to NUMBER, or a target.
_RULES: dict[str, dict[str, Rule]] = {
    "log.create": {"log": _log_ident, "format": _up_to(2**31 - 1, 1), "integration": _ref},
    "log.integration": {"branch": _ref},
    "log.format": {"format": _up_to(2**31 - 1, 1)},
    "log.void": {"settles": _object},
    "log.repair": {"good": _object, "voids": _object},
    "session.start": {"clone": _clone, "branch": _ref, "head": _object, "ttl": _LEASE, "takeover": _ident},
    "session.renew": {"branch": _ref, "head": _object},
    "session.end": {"name": _name, "ended": _ident},
    "session.lapse": {"name": _name, "lapsed": _ident},
    "lock.take": {
        "ttl": _LEASE,
        "priority": _PRIORITY,
        "head": _object,
        "blobs": _object,
        "maps": _ident,
        "onto": _object,
    },
    "lock.work": {**_OF_LOCK, **_OF_WORK},
    "lock.pend": {**_OF_LOCK, **_OF_WORK},
    "lock.land": {**_OF_LOCK, "commit": _object, "clone": _clone},
    "lock.renew": {"lock": _ident, "ttl": _LEASE, "priority": _PRIORITY},
    "lock.release": {"lock": _ident, "landed": _object},
    "lock.expire": _OF_LOCK,
    "lock.break": _OF_LOCK,
    "lock.preempt": {**_OF_LOCK, "priority": _PRIORITY},
    "lock.wait": {"priority": _PRIORITY, "patience": _LEASE},
    "lock.unwait": {"wait": _ident},
    "push.land": {"ref": _ref, "old": _object, "new": _object, "kept": _ident},
    "task.assign": {"session": _name, "to": _ident},
    "phase.close": {"dead": _name},
    "delta.push": {"tasks": _ident, "contracts": _ident, "to": _name},
    "delta.ack": {"delta": _ident},
    "delta.supersede": {"delta": _ident, "new": _ident},
    "delta.settle": {"delta": _ident, "debate": _ident, "gone": _name},
    "delta.lapse": {"delta": _ident},
    "debate.open": {"sides": _name, "delta": _ident, "contract": _ident},
    "debate.turn": {"debate": _ident, "proposal": _ident},
    "debate.escalate": {"debate": _ident},
    "debate.resolve": {"debate": _ident, "proposal": _ident, "tasks": _ident},
    "debate.lapse": {"debate": _ident},
    "question.ask": {"to": _name},
    "question.answer": {"question": _ident},
    "question.close": {"question": _ident},
}
_KEYS = ("dead", "gone", "maps")  # maps whose keys are what the rule is for


def check(event: Event) -> None:
    """Malformed where a field of `event` is not what a field of its name may be."""
    kind = str(event.__struct_config__.tag)
    if not event.least() <= event.v <= event.newest():
        raise Malformed(f"{kind} of version {event.v}")
    rules = {**_EVERY, **_RULES.get(kind, {})}
    if event.v < 2:
        rules["spans"] = _never
    _check_fields(event, rules, kind)


def _check_fields(record: msgspec.Struct, rules: Mapping[str, Rule], kind: str) -> None:
    defaults = _defaults(type(record))
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if value is None or (name in defaults and value == defaults[name]):
            continue
        _check(value, rules.get(name), rules, f"{kind}: {name}", name in _KEYS)


def _check(value: Any, rule: Rule | None, rules: Mapping[str, Rule], where: str, by_key: bool = False) -> None:
    if isinstance(value, Target):
        targets.check(value)
        if value.spans and "spans" in rules:
            raise Malformed(f"{where} cannot have spans")
    elif isinstance(value, (str, int)):
        fits = rule(value) if rule is not None else isinstance(value, str) or 0 <= value <= NUMBER
        if not fits:
            raise Malformed(f"{where} cannot be {_shown(value)}")
    elif isinstance(value, Mapping):
        for key, one in value.items():
            if by_key and rule is not None and not rule(key):
                raise Malformed(f"{where} cannot have {_shown(key)}")
            _check(one, None if by_key else rule, rules, where)
    elif isinstance(value, msgspec.Struct):
        _check_fields(value, rules, where)
    else:
        for one in value:
            _check(one, rule, rules, where)


@cache
def _defaults(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Field → its default, where it has one that is not made anew."""
    return {f.name: f.default for f in msgspec.structs.fields(kind) if f.default is not msgspec.NODEFAULT}


def _shown(value: object) -> str:
    """A stranger's value inside an error: short, and without a character that is obeyed."""
    said = ascii(value)
    return said if len(said) <= 80 else f"{said[:77]}…"
