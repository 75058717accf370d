"""Random histories of a locked file, and a naive model that knows who wrote what: does a push change what is another's?

The model never merges text. A file is a row of slots that lie far apart; who changed a slot in which commit is on
record, and what a push may make of a slot follows from that alone. git-peer sees only commits. Run at length:

    python -m tests.enforce.push_oracle [HISTORIES] [SEED]
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pygit2

from git_peer.core.session import record as sessions
from git_peer.ops.makers import as_session
from git_peer.ops.peer import Peer
from git_peer.ops.span import Span
from git_peer.ops.wiring import Parts
from git_peer.store.git.history import History
from tests.enforce.team import HELD, Member, Team
from tests.world import World, sealed

SLOTS = 4
OTHER = "docs/guide.md"
HOLDER, PUSHER, THIRD = "alice", "bob", "carol"

Row = tuple[str, ...]  # of a file: what stands in each slot
FIRST: Row = tuple("0" * SLOTS)
PART, LINES = (1, 3), "18-33"  # slots that are locked where lines are, and the lines around them
Files = dict[str, Row]


@dataclass
class Made:
    """A commit of the model: whose it is, its parents, its files."""

    ident: str
    who: str
    parents: tuple[str, ...]
    files: Files


@dataclass
class Case:
    """An update of main, and what the model says of it. `story` tells how it came about."""

    old: str
    new: str
    allowed: bool
    tips: list[str]  # where the holder stands
    story: list[str]


def written(row: Row) -> str:
    """The file of a row."""
    text = "".join(f"{'above ' * 3}{n}.{m}\n" for n in range(1) for m in range(3))
    for number, value in enumerate(row):
        text += "".join(f"line {number}.{m} of the file\n" for m in range(8)) + f"slot {value}\n"
    return text


@dataclass
class Model:
    """Commits, branches, and what happens to them. `git` gets all of it as real objects."""

    git: pygit2.Repository
    rng: random.Random
    record: Path
    recorded: bool  # the holder works in this clone: its commits are on record here
    part: tuple[int, int] = (0, SLOTS)  # the slots that are locked
    commits: dict[str, Made] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    count: int = 0

    # -- objects ------------------------------------------------------------------------------------
    def make(self, who: str, parents: Iterable[str], files: Files, how: str = "commit", of: str = "-") -> str:
        """A commit, on record as its maker's."""
        self.count += 1
        tree = self.git.TreeBuilder()
        for path, row in files.items():
            folder, name = path.split("/")
            inner = self.git.TreeBuilder()
            inner.insert(name, self.git.create_blob(written(row).encode()), 0o100644)
            tree.insert(folder, inner.write(), 0o040000)
        sign = pygit2.Signature(who, f"{who}@example.com", 1_700_000_000 + self.count, 0)
        ids = [pygit2.Oid(hex=parent) for parent in parents]
        ident = str(self.git.create_commit(None, sign, sign, f"{self.count}", tree.write(), ids))
        self.commits[ident] = Made(ident, who, tuple(parents), dict(files))
        if who != HOLDER or self.recorded:
            place = {HOLDER: "worktrees/alice", PUSHER: ".", THIRD: "worktrees/carol"}[who]
            self.lines.append(f"{ident} {place} {who} - - {1_700_000_000 + self.count} {how} {of} -")
        return ident

    def ancestors(self, ident: str) -> set[str]:
        """A commit and all before it."""
        found, todo = set(), [ident]
        while todo:
            at = todo.pop()
            if at not in found:
                found.add(at)
                todo += self.commits[at].parents
        return found

    def bases(self, one: str, other: str) -> list[str]:
        """The best common ancestors of two commits."""
        both = self.ancestors(one) & self.ancestors(other)
        return [c for c in both if not any(c in self.ancestors(d) for d in both if d != c)]

    def held(self, commit: str) -> Row:
        """What is locked of the locked file, in a commit."""
        return self.commits[commit].files[HELD][slice(*self.part)]

    # -- what people do -----------------------------------------------------------------------------
    def value(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def edit(self, who: str, branch: str, path: str) -> None:
        """One slot or two get a new value."""
        at = self.branches[branch]
        row = list(self.commits[at].files[path])
        for slot in self.rng.sample(range(SLOTS), self.rng.choice((1, 1, 2))):
            row[slot] = self.value()
        self.branches[branch] = self.make(who, [at], {**self.commits[at].files, path: tuple(row)})
        self.story.append(f"{who} edits {path} on {branch}")

    def merged(self, ours: str, theirs: str, resolve: str) -> Files | None:
        """Slot by slot; None for more than one base, or a conflict that `resolve` (ours, theirs, "") leaves."""
        bases = self.bases(ours, theirs)
        if len(bases) != 1:
            return None
        made: Files = {}
        for path in self.commits[ours].files:
            rows = [self.commits[one].files[path] for one in (bases[0], ours, theirs)]
            row = []
            for base, mine, other in zip(*rows, strict=True):
                if other in (base, mine):
                    row.append(mine)
                elif mine == base:
                    row.append(other)
                elif resolve:
                    row.append(mine if resolve == "ours" else other)
                else:
                    return None
            made[path] = tuple(row)
        return made

    def merge(self, who: str, branch: str, other: str) -> None:
        """A merge by one of the ways that there are, or a fast-forward."""
        ours, theirs = self.branches[branch], self.branches[other]
        if theirs in self.ancestors(ours):
            return
        way = self.rng.choice(["clean"] * 5 + ["ours", "theirs", "-Xours", "-Xtheirs", "evil", "kept", "ff"])
        if way == "ff" and ours in self.ancestors(theirs):
            self.branches[branch] = theirs
            self.story.append(f"{who} fast-forwards {branch} to {other}")
            return
        files = self.merged(ours, theirs, {"-Xours": "ours", "-Xtheirs": "theirs"}.get(way, ""))
        if way == "ours":
            files = self.commits[ours].files
        elif way == "theirs":
            files = self.commits[theirs].files
        elif files is None:
            return
        elif way == "evil" and who != HOLDER:
            row = list(files[HELD])
            row[self.rng.randrange(SLOTS)] = self.value()
            files = {**files, HELD: tuple(row)}
        elif way == "kept":  # merge --no-commit, and checkout HEAD -- file
            files = {**files, HELD: self.commits[ours].files[HELD]}
        self.branches[branch] = self.make(who, [ours, theirs], files)
        self.story.append(f"{who} merges {other} into {branch} ({way})")

    def squash(self, who: str, branch: str, other: str) -> None:
        ours, theirs = self.branches[branch], self.branches[other]
        files = self.merged(ours, theirs, "")
        if files is not None and files != self.commits[ours].files:
            self.branches[branch] = self.make(who, [ours], files)
            self.story.append(f"{who} squashes {other} onto {branch}")

    def picked(self, who: str, onto: str, commit: str, how: str) -> str | None:
        """A commit once more, on another one."""
        made = self.commits[commit]
        if len(made.parents) != 1:
            return None
        before, at = self.commits[made.parents[0]].files, self.commits[onto].files
        files = dict(at)
        for path, row in made.files.items():
            if any(r != b and a not in (b, r) for b, r, a in zip(before[path], row, at[path], strict=True)):
                return None
            files[path] = tuple(r if r != b else a for b, r, a in zip(before[path], row, at[path], strict=True))
        if files == at:
            return onto
        new = self.make(who, [onto], files, how, commit)
        if how == "rebase":
            self.lines.append(f"> rebase {commit} {new}")
        self.commits[new].who = made.who  # its patch is the same
        return new

    def pick(self, who: str, branch: str, other: str) -> None:
        new = self.picked(who, self.branches[branch], self.branches[other], "cherry-pick")
        if new is not None:
            self.branches[branch] = new
            self.story.append(f"{who} picks the tip of {other} onto {branch}")

    def rebase(self, who: str, branch: str, onto: str) -> None:
        """Linear branches only."""
        at, below = self.branches[branch], self.ancestors(self.branches[onto])
        todo = []
        while at not in below:
            todo.append(at)
            if len(self.commits[at].parents) != 1:
                return
            at = self.commits[at].parents[0]
        head: str | None = self.branches[onto]
        for commit in reversed(todo):
            head = self.picked(who, head, commit, "rebase") if head is not None else None
        if head is not None:
            self.branches[branch] = head
            self.story.append(f"{who} rebases {branch} onto {onto}")

    def revert(self, who: str, branch: str) -> None:
        """The newest commit of a branch is taken back, by a commit or by moving the branch."""
        at = self.branches[branch]
        if len(self.commits[at].parents) != 1:
            return
        (parent,) = self.commits[at].parents
        if self.rng.random() < 0.5:
            self.branches[branch] = self.make(who, [at], self.commits[parent].files)
            self.story.append(f"{who} reverts the tip of {branch}")
        elif branch != "main":
            self.branches[branch] = parent
            self.story.append(f"{who} resets {branch} by one")

    # -- the truth ----------------------------------------------------------------------------------
    def allowed(self, old: str, new: str, tips: Iterable[str]) -> bool:
        """Whether an update of main leaves every slot of the locked file to its holder.

        A slot is its holder's to change. Where the holder's own commits in the push changed it, it must come out as
        the last of them left it; where they did not, as it was, or as the holder has it now (a squash).
        """
        news = [self.commits[c] for c in self.ancestors(new) - self.ancestors(old)]
        mine = [one for one in news if one.who == HOLDER and self._on_record(one.ident, tips)]
        last = [
            one
            for one in mine
            if self._touches(one)
            and not any(one.ident in self.ancestors(o.ident) for o in mine if o is not one and self._touches(o))
        ]
        was, now = self.held(old), self.held(new)
        owed = [one for one in last if not self._is_in(old, one.ident)]
        if owed:
            return now in self._with(was, old, [one.ident for one in owed])
        if now == was:
            return True
        # What its holder stands on counts too, whoever made it.
        line = {c for tip in tips for c in self.ancestors(tip) - self.ancestors(old) if self.commits[c].who == HOLDER}
        line.update(tips)
        return any(now in self._with(was, old, [one]) for one in line)

    def _on_record(self, commit: str, tips: Iterable[str]) -> bool:
        return self.recorded or any(commit in self.ancestors(tip) for tip in tips)

    def _touches(self, one: Made) -> bool:
        return any(self.held(p) != self.held(one.ident) for p in one.parents)

    def _changes(self, old: str, commit: str) -> list[dict[int, tuple[str, str]]]:
        """Slot → (before, after) of what a commit has that it had not where it parted from `old`, for each base."""
        row = self.held(commit)
        return [
            {n: (b, r) for n, (b, r) in enumerate(zip(self.held(base), row, strict=True)) if b != r}
            for base in self.bases(old, commit)
        ]

    def _is_in(self, old: str, commit: str) -> bool:
        """Whether all that a commit changed stood on main at once, now or at a time since they parted."""
        for base in self.bases(old, commit):
            since = self.ancestors(old) - self.ancestors(base)
            for change in self._changes(old, commit):
                rows = [self.held(c) for c in since]
                if not change or any(all(row[n] == after for n, (_, after) in change.items()) for row in rows):
                    return True
        return False

    def _with(self, was: Row, old: str, commits: list[str]) -> set[Row]:
        """What the file is with the commits' changes put in; nothing where two of them, or main's, are at odds."""
        rows: set[Row] = {was}
        for number, commit in enumerate(commits):
            # What an earlier one has brought is no conflict.
            ways = self._changes(old, commit)
            for before in commits[:number]:
                ways += self._changes(before, commit)
            rows = {made for row in rows for way in ways for made in _put(row, way)}
        return rows


def _put(row: Row, change: dict[int, tuple[str, str]]) -> Iterator[Row]:
    made = list(row)
    for number, (before, after) in change.items():
        if row[number] not in (before, after):
            return
        made[number] = after
    yield tuple(made)


def history(model: Model) -> Iterator[Case]:
    """A history of a few steps, and the pushes in it; main goes on as the model says."""
    rng = model.rng
    files = {HELD: FIRST, OTHER: FIRST}
    root = model.make(PUSHER, [], files)
    model.branches = dict.fromkeys(("main", "hers", "his", "more"), root)
    for _ in range(rng.randint(4, 16)):
        branch = rng.choice(("hers", "his", "his", "more"))
        who = HOLDER if branch == "hers" else rng.choice((PUSHER, PUSHER, THIRD)) if branch == "his" else PUSHER
        other = rng.choice([name for name in model.branches if name != branch])
        step = rng.choice(("edit", "edit", "edit", "merge", "merge", "squash", "pick", "rebase", "revert", "push"))
        if step == "edit":
            honest = branch == "hers" or rng.random() < 0.25
            model.edit(who, branch, rng.choice((HELD, HELD, OTHER)) if honest else OTHER)
        elif step == "merge":
            model.merge(who, branch, other)
        elif step in ("squash", "pick") and branch != "hers":
            getattr(model, step)(who, branch, other)
        elif step == "rebase" and (model.recorded or branch != "hers"):
            model.rebase(who if rng.random() < 0.7 else PUSHER, branch, other)
        elif step == "revert":
            model.revert(who, branch)
        elif step == "push":
            yield from _push(model, branch)
    yield from _push(model, rng.choice(("his", "more")))


def _push(model: Model, branch: str) -> Iterator[Case]:
    old, new = model.branches["main"], model.branches[branch]
    if branch == "hers":  # its holder's own, which goes forward
        if old in model.ancestors(new):
            model.branches["main"] = new
            model.story.append("alice pushes hers to main")
        return
    if new == old:
        return
    tips = [model.branches["hers"]]
    allowed = model.allowed(old, new, tips)
    story = [*model.story, f"bob pushes {branch} to main"]
    model.record.write_text("".join(f"{line}\n" for line in model.lines))
    yield Case(old, new, allowed, tips, story)
    if allowed:
        model.branches["main"] = new
        model.story = story


def verdict(peer: Peer, case: Case) -> bool:
    """Whether git-peer lets an update of main through."""
    span = Span(peer, History(peer.repo), case.old, case.new)
    holder = sessions.get(peer.state, HOLDER)
    assert holder is not None

    def look() -> None:  # as the remote has her branch
        span.look_closer([case.old])
        span.stands_on(as_session(holder), case.tips)

    return not span.judged(look)


def in_a_shallow_clone(peer: Peer, model: Model, case: Case) -> str:
    """What is wrong with the verdict where the past before some commit of main is not to be had; "" for nothing.

    Less may be known to be free then, but nothing more is; and what leaves the file as it was goes forward as ever.
    """
    before = model.ancestors(case.old)
    end = model.rng.choice(sorted(before))
    boundary = peer.repo.common / "shallow"
    boundary.write_text(f"{end}\n")
    try:
        said = verdict(peer, case)
    finally:
        boundary.unlink()
    if said and not case.allowed:
        return "let through in a shallow clone"
    news = model.ancestors(case.new) - before
    was = model.held(case.old)
    forward = case.old in model.ancestors(case.new) and all(model.held(one) == was for one in news)
    return "refused, falsely, in a shallow clone" if forward and not said else ""


class Report(NamedTuple):
    """What came out: stories that git-peer judged otherwise than the model; pushes judged, and to be refused."""

    wrong: list[str]
    judged: int
    refused: int


def compare(team: Team, numbers: Iterable[int], seed: int, recorded: bool, lines: bool = False) -> Report:
    """Judge the pushes of these histories by both. See team_of() for `recorded` and `lines`."""
    before, told, judged, refused = os.getcwd(), [], 0, 0
    os.environ["GIT_PEER_SESSION"] = PUSHER
    os.chdir(team.bob.at.path)
    try:
        peer = Parts().peer()
        for number in numbers:
            rng = random.Random(f"{seed} {number}")
            part = PART if lines else (0, SLOTS)
            model = Model(peer.repo.git, rng, peer.clone.folder / "commits", recorded, part)
            for case in history(model):
                judged += 1
                refused += not case.allowed
                what = ""
                if verdict(peer, case) != case.allowed:
                    what = "refused, falsely" if case.allowed else "let through"
                elif rng.random() < 0.25:
                    what = in_a_shallow_clone(peer, model, case)
                if what:
                    kind = ("on record" if recorded else "not on record") + (", lines" if lines else "")
                    ends = f"{case.old[:8]}..{case.new[:8]}"
                    story = "\n  ".join(case.story)
                    told.append(f"{what} (seed {seed}, history {number}, {kind}, {ends}):\n  {story}")
    finally:
        os.chdir(before)
        del os.environ["GIT_PEER_SESSION"]
    return Report(told, judged, refused)


def team_of(world: World, recorded: bool, lines: bool) -> Team:
    """alice holds HELD, or `lines` of it, from a work tree of bob's clone (`recorded`), or from her own."""
    if not recorded and not lines:
        return Team.of(world, held=True)
    team = Team.of(world)
    if lines:
        team.bob.at.write(HELD, written(FIRST))
        team.bob.git("commit", "-qam", "first", "--no-verify")
        team.bob.git("push", "-q", "--no-verify", "origin", "HEAD:main")
        team.alice.git("pull", "-q", "origin", "main")
    alice = Member(team.bob.at.worktree(HOLDER, f"wt-{HOLDER}"), HOLDER) if recorded else team.alice
    alice.lock(f"{HELD}:{LINES}" if lines else HELD)
    team.bob.peer("sync")
    return team


def run(folder: Path, count: int, seed: int, lines: bool = False) -> Report:
    """Half of the histories with a holder of this clone, half with one of another."""
    found = Report([], 0, 0)
    for recorded in (True, False):
        inner = folder / ("here" if recorded else "elsewhere")
        inner.mkdir(parents=True)
        team = team_of(World(inner), recorded, lines)
        one = compare(team, range(recorded, count, 2), seed, recorded, lines)
        found = Report([*found.wrong, *one.wrong], found.judged + one.judged, found.refused + one.refused)
    return found


def main(argv: list[str]) -> int:
    """Histories at length; exit status 1 where one is judged wrongly."""
    count, seed = (int(argv[0]) if argv else 2000), (int(argv[1]) if len(argv) > 1 else random.randrange(10**6))
    with tempfile.TemporaryDirectory(prefix="git-peer-oracle-") as folder:
        env = sealed(Path(folder) / "home")
        os.environ.clear()
        os.environ.update(env)
        whole = run(Path(folder) / "whole", count, seed)
        part = run(Path(folder) / "part", count, seed, lines=True)
        found = Report([*whole.wrong, *part.wrong], whole.judged + part.judged, whole.refused + part.refused)
    sys.stdout.write("".join(f"{one}\n" for one in found.wrong))
    told = f"{found.judged} pushes, {found.refused} to be refused, {len(found.wrong)} judged wrongly"
    sys.stdout.write(f"{count} histories, seed {seed}: {told}\n")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
