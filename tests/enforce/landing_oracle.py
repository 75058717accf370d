"""Random histories of work on its way into main, and a model that knows every edit by its id: has the work landed?

Each line of a file is somebody's edit, which no text shows; 40 % of the lines are `}`, blank or the like. What brings
the holder's edits to main (a merge, a squash, a rebase, picks, parts) moves sets of ids, and a revert marks them. It
has landed exactly when all of its ids were brought. git-peer sees only commits and texts. Run at length:

    python -m tests.enforce.landing_oracle [HISTORIES] [SEED]
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pygit2

from git_peer.core.lock import landing_rule as rule
from git_peer.core.lock.landing_rule import Verdict
from git_peer.core.lock.record import Lock, Work
from git_peer.core.target.target import Target
from git_peer.ops import landing
from git_peer.ops.peer import Peer
from git_peer.ops.wiring import Parts
from tests.enforce.team import Team
from tests.world import World, sealed

REF = "refs/heads/main"
BRANCH = "feat/x"
HOLDER, HOST, OTHER = "holder@example.com", "host@example.com", "other@example.com"
DULL = ("}", "", "    return", "end", "{")


class Line(NamedTuple):
    """A line of a file. `ident` tells it from any other, `edit` is the edit that wrote it."""

    ident: int
    text: str
    edit: int = 0


class Edit(NamedTuple):
    """What somebody did in one place: lines that went, lines that came behind the line `after` (0: the top)."""

    ident: int
    path: str
    after: int
    gone: frozenset[int]
    lines: tuple[Line, ...]


Files = dict[str, tuple[Line, ...]]


@dataclass
class Model:
    """One history: main and a branch of the holder's, as lines and as commits of `git`."""

    git: pygit2.Repository
    rng: random.Random
    dull: float
    count: int = 0
    main: list[str] = field(default_factory=list)  # its tips, one after the other
    now: Files = field(default_factory=dict)
    base: Files = field(default_factory=dict)  # what the branch left
    files: Files = field(default_factory=dict)  # what it has
    fork: str = ""
    tip: str = ""
    work: list[Edit] = field(default_factory=list)
    landed: set[int] = field(default_factory=set)  # edits of the holder that its own operations brought
    story: list[str] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)

    # -- texts --------------------------------------------------------------------------------------
    def number(self) -> int:
        self.count += 1
        return self.count

    def line(self, edit: int = 0) -> Line:
        ident = self.number()
        text = self.rng.choice(DULL) if self.rng.random() < self.dull else f"line {ident}"
        return Line(ident, text, edit)

    def edit(self, files: Files, path: str, free: Sequence[int] = ()) -> Edit:
        """A new edit of a file, near none of the lines `free`."""
        ident, rows = self.number(), files[path]
        far = [at for at in range(len(rows) + 1) if not any(row.ident in free for row in rows[max(0, at - 3) : at + 5])]
        at = self.rng.choice(far) if far else len(rows)
        gone = rows[at : at + self.rng.choice((0, 0, 1, 2))]
        lines = tuple(
            self.line(ident) for _ in range(self.rng.choice((1, 1, 2, 3)) if gone else 1 + self.rng.randrange(3))
        )
        if gone and self.rng.random() < 0.25:
            lines = ()
        return Edit(ident, path, rows[at - 1].ident if at else 0, frozenset(row.ident for row in gone), lines)

    @staticmethod
    def applied(files: Files, edits: Iterable[Edit]) -> Files:
        """The files with edits put in."""
        made = dict(files)
        for edit in edits:
            rows = list(made[edit.path])
            at = next((n + 1 for n, row in enumerate(rows) if row.ident == edit.after), 0)
            rows[at:at] = edit.lines
            made[edit.path] = tuple(row for row in rows if row.ident not in edit.gone)
        return made

    @staticmethod
    def text(rows: Iterable[Line]) -> bytes:
        return "".join(f"{row.text}\n" for row in rows).encode()

    # -- commits ------------------------------------------------------------------------------------
    def commit(
        self, files: Files, parents: Sequence[str], author: str, message: str, raw: dict[str, bytes] | None = None
    ) -> str:
        texts = {path: self.text(rows) for path, rows in files.items()} | (raw or {})
        tree = self.git.TreeBuilder()
        for path, text in texts.items():
            tree.insert(path, self.git.create_blob(text), 0o100644)
        who = pygit2.Signature("x", author, 1_700_000_000 + self.number(), 0)
        ids = [pygit2.Oid(hex=one) for one in parents]
        return str(self.git.create_commit(None, who, who, message, tree.write(), ids))

    def goes_on(
        self, files: Files, author: str, message: str, also: Sequence[str] = (), raw: dict[str, bytes] | None = None
    ) -> None:
        """main gets a commit."""
        self.main.append(self.commit(files, [self.main[-1], *also], author, message, raw))
        self.now = files
        self.story.append(f"{self.main[-1][:8]} {message!r} by {author}")

    def title(self) -> tuple[str, str]:
        """(author, message) of a landing: it may say whose it is, or not at all."""
        return self.rng.choice(
            [
                (HOLDER, "Better (#1)"),
                (HOST, f"Merge {BRANCH} (#1)"),
                (HOST, "Better\n\nPeer-Session: holder"),
                (HOST, "Better (#1)"),
            ]
        )


def _near(edits: Iterable[Edit], files: Files) -> list[int]:
    """The lines that edits touch, with those beside them."""
    found: list[int] = []
    for edit in edits:
        found += [edit.after, *edit.gone, *(line.ident for line in edit.lines)]
        rows = [row.ident for row in files[edit.path]]
        at = rows.index(edit.after) if edit.after in rows else 0
        found += rows[max(0, at - 1) : at + 4]
    return found


def others(model: Model) -> None:
    """Somebody changes main, apart from where the holder does."""
    path = model.rng.choice(list(model.now))
    edit = model.edit(model.now, path, _near(model.work, model.now))
    model.goes_on(model.applied(model.now, [edit]), OTHER, "other work")


def history(model: Model) -> None:
    """Work on a branch, and what happens to main meanwhile and afterwards."""
    rng = model.rng
    paths = ["a", "b"][: rng.choice((1, 1, 2))]
    start: Files = {path: tuple(model.line() for _ in range(rng.randint(6, 30))) for path in (*paths, "c")}
    model.now = start
    model.main.append(model.commit(start, [], OTHER, "start"))
    others(model)
    fork, base = model.main[-1], model.now
    branch, at = base, fork
    for _ in range(rng.randint(1, 4)):
        edit = model.edit(branch, rng.choice(paths), _near(model.work, branch))
        branch = model.applied(branch, [edit])
        model.work.append(edit)
        at = model.commit(branch, [at], HOLDER, "work")
    model.fork, model.tip, model.files, model.base = fork, at, branch, base
    for _ in range(rng.randint(2, 6)):
        step(model)


def step(model: Model) -> None:
    """One thing that happens to main."""
    rng = model.rng
    left = [edit for edit in model.work if edit.ident not in model.landed]
    untouched = not model.landed and "same" not in model.flags and "gone" not in model.flags
    ways = ["others", "others"]
    if untouched:
        ways += ["squash", "squash", "merge", "rebase", "ours", "same", "moved", "formatted", "side", "resolved"]
    if left and "same" not in model.flags and "gone" not in model.flags and "odd" not in model.flags:
        ways += ["part", "part"]
    if model.landed and len(model.landed) == len(model.work) and "gone" not in model.flags:
        ways += ["revert"]
    if "same" in model.flags and "gone" not in model.flags:
        ways += ["back"]
    way = rng.choice(ways)
    author, message = model.title()
    everything = model.applied(model.now, model.work)
    if way == "others":
        others(model)
        return
    model.story.append(way)
    if way == "squash":
        model.goes_on(everything, author, message)
    elif way == "merge":
        model.goes_on(everything, HOST, message, [model.tip])
    elif way == "resolved":
        path = model.work[0].path
        model.goes_on(everything, HOST, message, [model.tip], {path: model.text(everything[path]) + b"resolved\n"})
        model.flags |= {"odd", "gone"}
    elif way == "side":  # a branch that squashed the work takes main in, and main is set forward to it
        old = model.main[-1]
        made = model.commit(model.applied(model.base, model.work), [model.fork], author, message)
        model.main.append(model.commit(everything, [made, old], HOST, "main into side"))
        model.now = everything
    elif way == "rebase":
        for edit in model.work:
            model.goes_on(model.applied(model.now, [edit]), HOLDER, "work")
    elif way == "part":
        part = rng.sample(left, rng.randint(1, len(left)))
        part = [edit for edit in model.work if edit in part]
        model.goes_on(model.applied(model.now, part), author, message)
        model.landed |= {edit.ident for edit in part}
        if author == HOST and message == "Better (#1)":
            model.flags.add("unsigned")
        return
    elif way == "ours":
        model.goes_on(model.now, HOST, message, [model.tip])
        model.flags.add("odd")
        model.flags.add("buried")
        return
    elif way == "same":  # another session makes the very same, for reasons of its own
        for path in sorted(
            {edit.path for edit in model.work}
        ):  # all of it in one commit would be taken for the holder's
            part = [edit for edit in model.work if edit.path == path]
            model.goes_on(model.applied(model.now, part), OTHER, "another's")
        model.flags.add("same")
        return
    elif way in ("back", "revert"):
        _undo(model, OTHER if way == "back" else HOST)
        model.flags.add("gone")
        return
    elif way == "moved":
        path = model.work[0].path
        model.goes_on(model.now, author, message, raw={f"{path}.moved": model.text(model.files[path])})
        model.flags |= {"odd", "alike"}
        return
    elif way == "formatted":
        path = model.work[0].path
        raw = b"".join(b"\t" + line for line in model.text(everything[path]).splitlines(True))
        model.goes_on(everything, author, message, raw={path: raw})
        model.flags |= {"odd", "alike", "gone"}
    if author == HOST and message == "Better (#1)" and way in ("squash", "side"):
        model.flags.add("unsigned")
    model.landed |= {edit.ident for edit in model.work}


def _undo(model: Model, who: str) -> None:
    """Take the holder's edits out of main again: what they removed comes back."""
    base, ids = model.base, {line.ident for edit in model.work for line in edit.lines}
    undone = {path: tuple(row for row in rows if row.ident not in ids) for path, rows in model.now.items()}
    for edit in reversed(model.work):
        rows, old = list(undone[edit.path]), list(base[edit.path])
        lost = [row for row in old if row.ident in edit.gone and row not in rows]
        if lost:
            before = old.index(lost[0]) - 1
            anchor = old[before].ident if before >= 0 else 0
            at = next((n + 1 for n, row in enumerate(rows) if row.ident == anchor), 0)
            rows[at:at] = lost
        undone = {**undone, edit.path: tuple(rows)}
    model.goes_on(undone, who, "take it back")


# -- judging ----------------------------------------------------------------------------------------
@dataclass
class Found:
    """What a run came to."""

    histories: int = 0
    ended: int = 0
    landed: int = 0
    never: list[str] = field(default_factory=list)  # landed, with a word of whose it is, and not seen
    early: list[str] = field(default_factory=list)
    apart: list[str] = field(default_factory=list)  # another answer at another cadence
    hows: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return (
            f"{self.histories} histories, {self.landed} landed, {self.ended} ended; "
            f"too early {len(self.early)}, never {len(self.never)}, not the same at another cadence {len(self.apart)}; "
            + ", ".join(f"{how} {count}" for how, count in sorted(self.hows.items()))
        )


def judged(peer: Peer, model: Model, cadence: Sequence[int]) -> Verdict:
    """What git-peer makes of it, looking after so many commits each; it stops where the lock ends."""
    look = landing.Look(peer, 60)
    look._memory = {}
    base, files = model.base, model.files
    paths = {}
    for path in base:
        old, new = (str(model.git.create_blob(model.text(side[path]))) for side in (base, files))
        if old != new:
            paths[path] = (f"100644 {old}", f"100644 {new}")
    work = Work(commit=model.tip, base=model.fork, branch=BRANCH, authors=(HOLDER,), paths=paths)
    lock = Lock(
        id="k", target=Target(kind="dir", path=""), mode="exclusive", state="pending", sid="s", session="holder",
        priority=1, token=1, ttl=1, at=1, onto=model.fork, work=work,
    )  # fmt: skip
    told = Verdict(rule.PENDING)
    for at in cadence:
        told = look._on(lock, work, REF, model.main[at])
        if told.how in rule.ENDS:
            return told
        look._memory, look._kept = look._kept, {}  # as the next look reads them again
    return told


def run(folder: Path, histories: int, seed: int, dull: float = 0.4, show: bool = False) -> Found:
    """Judge so many histories."""
    team = Team.of(World(folder))
    parts = Parts(name="alice", start=str(team.alice.at.path))
    peer = parts.peer()
    found, began = Found(), time.monotonic()
    for number in range(histories):
        rng = random.Random(f"{seed}.{number}")
        model = Model(parts.repo.git, rng, dull if rng.random() < 0.7 else 0.0)
        history(model)
        first = model.main.index(model.fork)
        every = list(range(first, len(model.main)))
        once = judged(peer, model, every[-1:])
        often = judged(peer, model, every)
        some = judged(peer, model, sorted({*rng.sample(every, rng.randint(1, len(every))), every[-1]}))
        _weigh(found, model, number, (once, often, some))
        if show and number and number % 500 == 0:
            print(f"{time.monotonic() - began:.0f} s: {found}", flush=True)
    return found


def _weigh(found: Found, model: Model, number: int, answers: Sequence[Verdict]) -> None:
    once = answers[0]
    found.histories += 1
    found.hows[once.how] += 1
    whole = {edit.ident for edit in model.work} <= model.landed
    found.landed += whole
    story = f"history {number}: {[one.how for one in answers]} {sorted(model.flags)}\n  " + "\n  ".join(model.story)
    for one in answers:
        ends = one.how in rule.ENDS
        # The same content by another ends it at a look while it stands; and so does work that comes to nothing.
        allowed = whole or (one.how == rule.OTHER and "same" in model.flags) or one.how == rule.NOTHING
        if ends and not allowed and not (one.how == rule.OTHER and _is_there(model)):
            found.early.append(story)
            break
    found.ended += once.how in rule.ENDS
    signed = "unsigned" not in model.flags and "odd" not in model.flags
    if whole and once.how not in rule.ENDS and (signed or "gone" not in model.flags) and "alike" not in model.flags:
        found.never.append(story)
    # What was there for a while only may be seen by who looked then.
    if "gone" not in model.flags and len({one.how in rule.ENDS for one in answers}) > 1:
        found.apart.append(story)


def _is_there(model: Model) -> bool:
    """Whether git finds nothing to merge of the work in what main has: dull lines of others may be just the same."""
    tree = model.git[model.main[-1]].peel(pygit2.Tree)
    with tempfile.TemporaryDirectory(prefix="git-peer-oracle-") as folder:
        for path, old in model.base.items():
            ours = tree[path].peel(pygit2.Blob).data
            sides = {"ours": ours, "base": model.text(old), "theirs": model.text(model.files[path])}
            for name, text in sides.items():
                (Path(folder) / name).write_bytes(text)
            ran = subprocess.run(
                ["git", "merge-file", "-p", "-q", *sides], cwd=folder, capture_output=True, check=False
            )
            if ran.returncode or ran.stdout != ours:
                return False
    return True


def main(words: Sequence[str]) -> int:
    """Run at length; 1 where something is wrong."""
    histories, seed = (int(words[n]) if len(words) > n else value for n, value in ((0, 10_000), (1, 1)))
    with tempfile.TemporaryDirectory(prefix="git-peer-oracle-") as folder:
        env = sealed(Path(folder) / "home")
        os.environ.clear()
        os.environ.update(env)
        (Path(folder) / "world").mkdir()
        found = run(Path(folder) / "world", histories, seed, show=True)
    print("\n".join([*found.early[:5], *found.apart[:5], *found.never[:5], str(found)]))
    return 1 if found.early or found.apart else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
