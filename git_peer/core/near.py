"""Near names: what somebody meant, perhaps, who named what there is not. Pure; asked only once something is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from git_peer.core import text
from git_peer.core.errors import PeerError

MOST = 3  # names that are suggested
_KNOWN = 2000  # names that are looked through
ALIKE = 0.6
_PART = 3  # characters from which one name inside another counts


def near(given: str, known: Iterable[str], alike: float = ALIKE) -> list[str]:
    """The few of `known` that are most like `given`, the likest first; case does not count.

    `alike`: the share of two names' characters, in order, from which one may have been meant by the other.
    """
    from difflib import SequenceMatcher  # most commands name what there is

    low = given.casefold()
    found: dict[str, tuple[float, str]] = {}
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(low[:200])
    for name in islice(dict.fromkeys(known), _KNOWN):
        other = name.casefold()
        matcher.set_seq1(other[:200])
        ratio = matcher.ratio() if matcher.real_quick_ratio() >= alike and matcher.quick_ratio() >= alike else 0.0
        if min(len(low), len(other)) >= _PART and (low in other or other in low):
            ratio = max(ratio, alike)
        if ratio >= alike:
            found.setdefault(other, (-ratio, name))
    return [name for _, name in sorted(found.values())[:MOST]]


def hint(given: str, known: Iterable[str], otherwise: str) -> str:
    """A hint for a name that there is not: the near ones as a question, then what else to do."""
    found = [text.line(name, 64) for name in near(given, known)]
    if not found:
        return otherwise
    meant = " or ".join(filter(None, [", ".join(found[:-1]), found[-1]]))
    return f"did you mean {meant}? {otherwise}".rstrip()


def begun(ids: Iterable[str], beginning: str, noun: str, otherwise: str) -> str:
    """The one id that begins so; PeerError("not_found") where there is none, or more than one."""
    known = list(ids)
    match = [one for one in known if one.startswith(beginning)] if beginning else []
    if len(match) != 1:
        many = "more than one" if match else "no"
        why = hint(beginning, () if match else known, otherwise)
        raise PeerError("not_found", f"{many} {noun}'s id begins with {text.line(beginning, 64)!r}", why)
    return match[0]
