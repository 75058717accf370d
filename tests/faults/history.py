"""What must hold of a log and of the answers that its writers got."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.forks import Forks
from tests.world import Clone, Result


def sound(forks: Forks, *clones: Clone) -> None:
    """The object stores and the logs of these clones are whole, and the clones go on."""
    for clone in clones:
        said = clone.git("fsck", "--no-dangling", "--connectivity-only", check=False)
        assert (said.status, said.err.strip()) == (0, ""), str(said)
        found = forks.peer(clone, "fsck", "--json").json()
        assert found["problems"] == [], found


def takes(forks: Forks, clone: Clone) -> dict[str, list[str]]:
    """Path → the ids of the locks that the log's whole history granted on it."""
    found: dict[str, list[str]] = {}
    for row in forks.peer(clone, "log", "--kind", "lock.take", "--json").objects():
        found.setdefault(row["target"]["path"], []).append(row["id"])
    return found


def code(answer: Result) -> str:
    """The error code of an answer in JSON; "" where it has none."""
    try:
        return str(answer.json()["error"]["code"])
    except (AssertionError, KeyError):
        return ""


def violations(path: str, answers: Sequence[Result]) -> list[str]:
    """How the answers of contenders for one exclusive lock break the promise that exactly one gets it."""
    granted = [answer for answer in answers if answer.status == 0]
    refused = [answer for answer in answers if answer.status == 1 and code(answer) == "locked"]
    found = []
    if len(granted) != 1:
        found.append(f"{path}: granted to {len(granted)}")
    odd = [answer for answer in answers if answer not in granted and answer not in refused]
    found.extend(f"{path}: neither granted nor refused as locked\n{answer}" for answer in odd[:3])
    return found


def winners(answers: Sequence[Result]) -> list[str]:
    """The ids of the locks that these answers grant."""
    return [lock["id"] for answer in answers if answer.status == 0 for lock in answer.json()["locks"]]
