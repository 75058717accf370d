"""When work has landed: the pure rule, against git's own merges and by its tables."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from git_peer.core.lock import landing_rule as rule
from git_peer.core.lock.landing_rule import Edit, Lines, Merged, Search, Step
from git_peer.core.lock.push_rule import Content
from git_peer.store.git import landing as texts

PATH = "src/a.py"


class Store:
    """Blobs by their content; the mode of each is that of a plain file unless said otherwise."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    def put(self, raw: bytes, mode: str = "100644") -> Content:
        self._blobs[raw.hex()] = raw
        return mode, raw.hex()

    def lines(self, content: Content) -> Lines | None:
        if content is None or not content[0].startswith("100"):
            return None
        return texts.split(self._blobs[content[1]])

    def edits(self, old: Content, new: Content) -> Sequence[Edit]:
        assert old is not None
        assert new is not None
        return texts.edits(self._blobs[old[1]], self._blobs[new[1]])


def _mutated(rng: random.Random, lines: Sequence[bytes]) -> list[bytes]:
    found = list(lines)
    for _ in range(rng.randint(1, 3)):
        at, way = rng.randint(0, len(found)), rng.random()
        if way < 0.4:
            found[at:at] = [rng.choice([b"}\n", b"\n", b"x%d\n" % rng.randint(0, 6)]) for _ in range(rng.randint(1, 2))]
        elif way < 0.7:
            del found[at : at + rng.randint(1, 2)]
        else:
            found[at : at + 1] = [b"y%d\n" % rng.randint(0, 6)]
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_hunk_is_in_a_text_as_git_merges_it(seed: int, tmp_path: Path) -> None:
    """Whatever the texts: it is there exactly where `git merge-file` changes nothing."""
    rng, store, seen = random.Random(seed), Store(), [0, 0]
    while sum(seen) < 100:
        base = [rng.choice([b"}\n", b"\n", b"a%d\n" % rng.randint(0, 9)]) for _ in range(rng.randint(0, 8))]
        work = store.put(b"".join(_mutated(rng, base)))
        search = Search({PATH: (store.put(b"".join(base)), work)}, store)
        for number, hunk in enumerate(search.hunks.get(PATH, ())):
            applied = [*base[: hunk.start], *hunk.lines, *base[hunk.end :]]
            there = _mutated(rng, applied if rng.random() < 0.6 else base) if rng.random() < 0.9 else applied
            for name, text in (("ours", there), ("base", base), ("theirs", applied)):
                (tmp_path / name).write_bytes(b"".join(text))
            args = ["git", "merge-file", "-p", "-q", *(str(tmp_path / name) for name in ("ours", "base", "theirs"))]
            ran = subprocess.run(args, capture_output=True, check=False)
            nothing = ran.returncode == 0 and ran.stdout == b"".join(there)
            content = store.put(b"".join(there))
            if content != work:  # all of the work is there, however git would align it
                assert search.holds(PATH, number, content) == nothing, (base, hunk, there)
                seen[nothing] += 1
    assert min(seen) > 5


# -- whole histories --------------------------------------------------------------------------------
OLD = b"".join(b"line %d\n" % number for number in range(12))
NEW = OLD.replace(b"line 2\n", b"line two\n").replace(b"line 9\n", b"line nine\n")
HALF = OLD.replace(b"line 2\n", b"line two\n")
OTHERS = b"at the top\n" + OLD


def _told(
    steps: Sequence[tuple[bytes | None, bool]], old: bytes | None = OLD, new: bytes | None = NEW, mode: str = "100644"
) -> rule.Verdict:
    """The verdict where the path comes to have these contents, one after the other."""
    store = Store()

    def put(raw: bytes | None, how: str = "100644") -> Content:
        return None if raw is None else store.put(raw, how)

    search = Search({PATH: (put(old), put(new, mode))}, store)
    tally, at = search.empty(), put(old)
    search.begin(tally, "start", lambda path: at)
    for number, (raw, ours) in enumerate(steps):
        after = put(raw, mode if raw == new else "100644")
        search.follow(tally, [Step(f"c{number}", {PATH: (at, after)}, ours)])
        at = after
    return search.verdict(tally, lambda path: at)


@pytest.mark.parametrize(
    ("steps", "how", "commit"),
    [
        ([], rule.PENDING, ""),
        ([(OTHERS, False)], rule.PENDING, ""),
        ([(NEW, True)], rule.LANDED, "c0"),
        ([(b"at the top\n" + NEW, True)], rule.LANDED, "c0"),
        ([(HALF, True)], rule.PARTLY, "c0"),
        ([(HALF, True), (OTHERS.replace(b"line 2\n", b"line two\n"), False), (b"at the top\n" + NEW, True)],
         rule.LANDED, "c2"),
        ([(NEW, False)], rule.OTHER, "c0"),  # another's, and it stands
        ([(NEW, False), (OLD, False)], rule.PENDING, ""),  # another's, who took it back
        ([(NEW, False), (NEW.replace(b"line 1\n", b"line one\n"), False)], rule.OTHER, "c0"),  # built upon
        ([(NEW, False), (NEW.replace(b"line two", b"line 2"), False)], rule.PARTLY, "c0"),
        ([(NEW, True), (OLD, False)], rule.LANDED, "c0"),  # ours, and somebody reverted it
        ([(NEW.replace(b"line two", b"line  two"), True)], rule.LOOK, "c0"),
        ([(NEW.replace(b"two\n", b"two\r\n").replace(b"nine\n", b"nine\r\n"), True)], rule.LOOK, "c0"),
    ],
)  # fmt: skip
def test_what_became_of_two_hunks(steps: Sequence[tuple[bytes | None, bool]], how: str, commit: str) -> None:
    told = _told(steps)
    assert (told.how, told.commit) == (how, commit)
    assert told.reverted == (steps == [(NEW, True), (OLD, False)])


@pytest.mark.parametrize(
    ("old", "new", "steps", "how"),
    [
        (None, NEW, [(NEW, True)], rule.LANDED),
        (None, NEW, [(NEW + b"more\n", True)], rule.LOOK),
        (OLD, None, [(None, True)], rule.LANDED),
        (OLD, None, [(HALF, True)], rule.PENDING),
        (OLD, OLD, [], rule.NOTHING),
        (b"\0old", b"\0new", [(b"\0new", True)], rule.LANDED),
        (b"\0old", b"\0new", [(b"\0newer", True)], rule.PENDING),
    ],
)
def test_what_is_compared_as_a_whole(
    old: bytes | None, new: bytes | None, steps: Sequence[tuple[bytes | None, bool]], how: str
) -> None:
    assert _told(steps, old, new).how == how


def test_a_mode_is_work() -> None:
    assert _told([(OLD + b"x\n", True)], OLD, OLD, "100755").how == rule.PENDING
    assert _told([(OLD, True)], OLD, OLD, "100755").how == rule.LANDED


def test_what_stands_already_is_nobodys() -> None:
    """Where the look begins the content is there: that ends the lock, as the same by another."""
    store = Store()
    old, new = store.put(OLD), store.put(NEW)
    search = Search({PATH: (old, new)}, store)
    tally = search.empty()
    search.begin(tally, "start", lambda path: new)
    assert search.verdict(tally, lambda path: new) == (rule.OTHER, "start", 2, 2, False)


def test_several_paths_that_cross_at_one_commit() -> None:
    """Who made it, and under what title, says nothing then."""
    store = Store()
    old, new, other = store.put(OLD), store.put(NEW), store.put(HALF)
    search = Search({"a": (old, new), "b": (old, other)}, store)

    def after(*steps: Step) -> rule.Verdict:
        tally = search.empty()
        search.follow(tally, steps)
        return search.verdict(tally, lambda path: old)  # all of it was reverted since

    back = Step("c2", {"a": (new, old), "b": (other, old)})
    assert after(Step("c0", {"a": (old, new), "b": (old, other)}), back).how == rule.LANDED
    assert after(Step("c0", {"a": (old, new)}), Step("c1", {"b": (old, other)})).how == rule.OTHER
    assert after(Step("c0", {"a": (old, new)}), Step("c1", {"b": (old, other)}), back).how == rule.PENDING


def test_a_file_that_moved() -> None:
    """Its very blob at another path: only its holder knows."""
    store = Store()
    old, new = store.put(OLD), store.put(NEW)
    search = Search({"a": (old, new)}, store)
    tally = search.empty()
    search.follow(tally, [Step("c0", {"b": (None, new)}, True)])
    assert search.verdict(tally, lambda path: old).how == rule.LOOK


@pytest.mark.parametrize(
    ("before", "after", "clean", "how"),
    [
        ("old", "work", {"work"}, rule.LANDED),
        ("theirs", "both", {"both"}, rule.LANDED),
        ("theirs", "else", {"both"}, rule.CHANGED),
        ("theirs", "resolved", set(), rule.CHANGED),
        ("theirs", "theirs", {"both"}, rule.BURIED),
        ("theirs", "theirs", set(), rule.BURIED),
        ("work", "work", {"work"}, rule.LANDED),
    ],
)
def test_a_merge_of_the_very_commits(before: str, after: str, clean: set[str], how: str) -> None:
    one = Merged(("100644", "work"), ("100644", before), ("100644", after), {("100644", x) for x in clean}, None)
    assert rule.of_merge("m", [one]).how == how
