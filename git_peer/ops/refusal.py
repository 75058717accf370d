"""What is said of a push or a check that changes what others have locked: who, which paths, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.lock import fence as fences
from git_peer.core.lock import push_rule as rule
from git_peer.core.lock import rule as verdict
from git_peer.core.session import naming
from git_peer.core.text import count, line, quoted
from git_peer.hooks import gate
from git_peer.ops.destination import HEADS
from git_peer.store.clone import times

SHOWN = 10  # refused paths that are named
UNDONE = "undone"  # BEHIND, and forced
DELETED = "deleted"  # the branch itself would go, whatever it has


def refs_of(found: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(one["ref"] for one in found))


def warning(ref: str, found: Sequence[Mapping[str, Any]]) -> str:
    """What is said of a push to a branch that is not gated."""
    name = ref.removeprefix(HEADS)
    return f"{in_words(found)}: {name} is pushed, but this cannot land while that is so"


def refusal(found: Sequence[dict[str, Any]], remote: str = "") -> PeerError:
    """The refusal of a push or a check that these violations make; it names the paths, the first ten of many."""
    first = found[0]
    behind = [one for one in found if one.get("how") == rule.BEHIND]
    if len(behind) == len(found) and remote:
        name = str(first["ref"]).removeprefix(HEADS)
        who = ", ".join(dict.fromkeys(_holder(one) for one in found))
        text = f"you are behind {remote}: fetch first; forcing {name} would undo what {who} landed on {_paths(found)}"
        return PeerError("locked", text, f"git pull --rebase {remote} {name}", violations=found)
    gone = [one for one in found if one.get("how") == DELETED]
    if len(gone) == len(found):
        name = str(first["ref"]).removeprefix(HEADS)
        text = f"{name} on {remote} cannot be deleted while others hold locks: {in_words(found)}"
        return PeerError("locked", text, "wait until they have landed or unlocked: `git peer locks`", violations=found)
    if first["why"] == "fenced":
        hint = "bring in what was landed there and lock it again"
        return PeerError("fenced", in_words(found), hint, violations=found)
    if first["why"] == verdict.REQUIRED:
        hint = f"take it first: git peer lock {_path(first)}"
        return PeerError("not_allowed", in_words(found), hint, violations=found)
    if first["lock"] is None:
        ident = str(first["debate"])[:8]
        hint = f"`git peer debate show {ident}`; a person decides it with `git peer debate resolve`"
        return PeerError("disputed", in_words(found), hint, violations=found)
    holder = first["lock"]["session"]
    hint = f"ask {holder}, or land the rest from another branch"
    if "ref" not in first:  # somebody asked; nothing is being pushed
        hint = f"ask {holder}, or change something else; `git peer locks` shows what is taken"
    busy = next((one for one in found if one["why"] == "locked" and gate.is_busy(str(one["path"]))), None)
    if busy is not None:
        hint = f"ask {holder}; {gate.sharing(str(busy['path']))}"
    if any(one.get("how") == UNDONE for one in found):
        hint = f"fetch first: forcing this would undo what {holder} has landed"
    elif any(one.get("how") == rule.BURIED for one in found):
        hint = f"the push has work of {holder} in it, and not as {holder} made it: let {holder} merge, and take that"
    return PeerError("locked", in_words(found), hint, violations=found)


def in_words(found: Sequence[Mapping[str, Any]]) -> str:
    """Violations in one sentence: each lock once, with its paths."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    shown: dict[str, None] = {}
    for one in found:
        if one["path"] in shown or len(shown) < SHOWN:
            shown[one["path"]] = None
            key = (one["lock"] or {}).get("id") or one.get("debate") or f"fence of {one.get('holder')}"
            groups.setdefault(str(key), []).append(one)
    more = len({one["path"] for one in found}) - len(shown)
    return "; ".join(map(_stated, groups.values())) + (f"; and {count(more, 'more path')}" if more else "")


def _stated(group: Sequence[Mapping[str, Any]]) -> str:
    first, lock = group[0], group[0]["lock"]
    path = _path(first)
    rest = [_path(one) for one in group[1:]]
    beside = f", as {'is' if len(rest) == 1 else 'are'} {', '.join(rest)}" if rest else ""
    if first["why"] == "fenced":
        return (
            f"{path}{''.join(f', {one}' for one in rest)}: the lock was lost{fences.how_it_ended(first.get('lost'))}; "
            f"{first['holder']} has held it since"
        )
    if first["why"] == verdict.REQUIRED:
        return f"{path}{''.join(f', {one}' for one in rest)}: {'they want' if rest else 'it wants'} a lock (peer-lock)"
    if lock is None:
        return f"{path} is in dispute{beside}, in debate {str(first['debate'])[:8]}: {quoted(first['topic'], 80)}"
    reason = f": {line(lock['reason'], 200)}" if lock["reason"] else ""
    where = naming.where(lock["session"], lock["host"], lock["worktree"])
    place = f", at {line(where, 80)}" if where else ""
    how = f"{lock['mode']}{gate.part(lock)}, {times.lapse(lock['expires_at'], lock['live'])}{place}"
    return f"{path} is locked by {lock['session']}{beside} ({how}){reason}"


def _holder(one: Mapping[str, Any]) -> str:
    return str(one["lock"]["session"] if one["lock"] else one.get("holder") or "others")


def _paths(found: Sequence[Mapping[str, Any]]) -> str:
    paths = list(dict.fromkeys(map(_path, found)))
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(paths[:SHOWN]) + more


def _path(one: Mapping[str, Any]) -> str:
    """The path of a violation as git shows it."""
    path = str(one["path"])
    return gate.quoted(layout.unpercent(path) if one.get("path_encoding") else path)
