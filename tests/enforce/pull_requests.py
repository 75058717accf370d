"""A day in a team that lands everything by pull request, played for real: docs/pull-requests.md is its transcript.

Five sessions in five clones; a server that protects main, and merges, squashes and rebases by itself. Written anew by

    python -m tests.enforce.pull_requests docs/pull-requests.md
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.world import Clone, World, sealed

NAMES = ("ana", "ben", "cleo", "dan", "eve")
FILES = {
    f"src/{name}.py": "".join(f"line {n}\n" for n in range(1, 31)) for name in ("api", "auth", "jobs", "mail", "web")
}
_VOLATILE = (
    (re.compile(r"\((\d{1,2} \w{3} )?\d\d:\d\d\) +"), "(12:00)  "),
    (re.compile(r"\((\d{1,2} \w{3} )?\d\d:\d\d\)"), "(12:00)"),
    (re.compile(r"\b\w+:(ana|ben|cleo|dan|eve)\b"), r"host:\1"),
    (re.compile(r"\b(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8}\b"), "00000000"),
)
_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_ID = re.compile(r"\b[0-9a-f]{12}(?:[0-9a-f]{4}|[0-9a-f]{28})?\b")
_HEAD = """# A day with pull requests

A lock lives until its work has landed: through review, squashes by the host, and deleted branches. This is a day of
five people, each in a clone of their own; the server protects main and merges by itself. `make test` plays it, and what
you read is what it printed. Times and ids are replaced.

"""


@dataclass
class Day:
    """The clones, and what was said so far."""

    world: World
    host: Clone
    clones: dict[str, Clone]
    lines: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, world: World) -> Day:
        """Set up: a log on the remote, and main protected against everybody but the host."""
        host = world.clone("host")
        for path, text in FILES.items():
            host.write(path, text)
        host.commit("files")
        host.git("push", "-q", "origin", "main")
        clones = {name: world.clone(name) for name in NAMES}
        for number, (name, clone) in enumerate(clones.items()):
            clone.git("config", "user.email", f"{name}@example.com")
            clone.peer("init", *(() if number else ("--remote", "origin")))
        hook = world.remote / "hooks" / "pre-receive"
        hook.write_text('#!/bin/sh\nwhile read -r old new ref; do\n  [ "$ref" != refs/heads/main ] || [ "$HOST" ] || '
                        '{ echo "main is protected: open a pull request" >&2; exit 1; }\ndone\n')  # fmt: skip
        hook.chmod(0o755)
        host.git("config", "user.email", "noreply@host.example")
        return cls(world, host, clones)

    # -- what people do -----------------------------------------------------------------------------
    def say(self, text: str) -> None:
        """A paragraph, or a heading."""
        self.lines += [text, ""]

    def types(self, who: str, *commands: str, status: int = 0) -> str:
        """Commands that somebody types, shown with what they said; all of it."""
        shown, heard = [], []
        for command in commands:
            words = shlex.split(command)
            clone, env = self.clones[who], {"GIT_PEER_SESSION": who}
            if words[:2] == ["git", "peer"]:
                ran = clone.peer(*words[2:], env=env, status=None)
            else:
                ran = clone.git(*words[1:], env=env, check=False)
            said = [line for line in (ran.out + ran.err).splitlines() if _tells(line)]
            shown += [f"{who}$ {command}", *map(_plain, said)]
            heard += said
            if command == commands[-1]:
                assert ran.status == status, f"{who}$ {command}\n{ran}"
        self.lines += ["```", *shown, "```", ""]
        return "\n".join(heard)

    def edits(self, who: str, path: str, *lines: int) -> None:
        """Change lines of a file, and commit that."""
        clone = self.clones[who]
        text = clone.read(path)
        for line in lines:
            text = text.replace(f"line {line}\n", f"line {line} by {who}\n")
        clone.write(path, text)
        clone.git("commit", "-q", "-a", "-m", f"{who}: {path}", env={"GIT_PEER_SESSION": who})

    # -- what the host does -------------------------------------------------------------------------
    def lands(self, how: str, branch: str, title: str, files: Iterable[str] = (), delete: bool = True) -> None:
        """The button on a pull request."""
        git = self.host.git
        git("fetch", "-q", "-p", "origin")
        git("reset", "-q", "--hard", "origin/main")
        if how == "merge":
            git("merge", "-q", "--no-ff", "-m", title, f"origin/{branch}")
        elif how == "rebase":
            git("cherry-pick", f"origin/main..origin/{branch}")
        elif how == "revert":
            git("revert", "--no-edit", "HEAD")
        else:
            git("merge", "-q", "--squash", f"origin/{branch}")
            for path in files:
                git("checkout", "-q", "HEAD", "--", path)
            git("commit", "-q", "-m", title)
        self.pushes("main", *([f":{branch}"] if delete else []))

    def pushes(self, *refs: str) -> None:
        self.host.git("push", "-q", "origin", *refs, env={"HOST": "1"})

    def waiting(self, who: str) -> list[str]:
        """What is locked, held or pending, by somebody's copy."""
        views = self.clones[who].peer("--json", "locks").json()["locks"]
        return sorted(f"{view['session']} {view['target']} {view['state']}" for view in views)


def _tells(line: str) -> bool:
    """Whether a line is git-peer's, and not git's chatter about counting objects."""
    return not line.startswith(("remote: ", "To ", " * [new", "   ", "branch '", "Switched", "hint: Updates"))


def _plain(line: str) -> str:
    fresh = re.sub(r"just now|\d+ (minute|hour)s? old", "just now", line)
    for pattern, word in _VOLATILE:
        fresh = pattern.sub(word, fresh)
    return _ID.sub("0" * 12, _AT.sub("2026-01-01T12:00:00Z", fresh)).rstrip()


def play(world: World) -> Day:
    """The day. Asserts that every lock ends when its work has landed and not before, and nobody is refused wrongly."""
    day = Day.of(world)
    day.say("## The morning: two requests, one file")
    day.types("ana", "git switch -q -c feat/login", "git peer lock src/auth.py --reason 'new login'")
    day.edits("ana", "src/auth.py", 3, 20)
    day.say(
        "Ana changes two places of it and commits. Her branch goes out, and she opens a request: her lock waits for it."
    )
    day.types("ana", "git peer push -u origin feat/login", "git peer unlock --pending src/auth.py", "git peer locks")

    day.say("Ben needs the same file. Nobody refuses him, and he is told what he may want to build on.")
    said = day.types("ben", "git switch -q -c feat/token", "git peer lock src/auth.py")
    assert "builds on feat/login?" in said
    day.edits("ben", "src/auth.py", 12)

    day.say("Dan has a draft that touches the file too. It is pushed, with a warning: only main is guarded.")
    day.types("dan", "git switch -q -c draft/idea", "git peer sync")
    clone = day.clones["dan"]
    clone.write("src/auth.py", clone.read("src/auth.py") + "an idea\n")
    clone.git("commit", "-q", "--no-verify", "-a", "-m", "idea")
    assert "is pushed, but this cannot land" in day.types("dan", "git push origin draft/idea")

    day.say("## Squash and delete")
    day.say("The host squashes Ana's branch under another title, and deletes it. Whoever looks next sees that.")
    day.lands("squash", "feat/login", "Login, at last (#1)")
    said = day.types("eve", "git peer sync", "git peer locks")
    assert "The work of ana on src/auth.py has landed" in said
    assert day.waiting("eve") == ["ben src/auth.py held"]

    day.say("## A part, and the rest")
    day.types("cleo", "git switch -q -c feat/mail", "git peer lock src/mail.py src/web.py")
    day.edits("cleo", "src/mail.py", 5)
    day.edits("cleo", "src/web.py", 8, 25)
    day.types("cleo", "git peer push -u origin feat/mail", "git peer session end")
    day.say("Cleo has gone home. The host lands one of her files first: the lock of the other one stays.")
    day.lands("squash", "feat/mail", "Only the mail (#2)", files=["src/web.py"], delete=False)
    day.types("eve", "git peer sync", "git peer locks src/mail.py src/web.py")
    assert "cleo src/web.py pending" in day.waiting("eve")
    assert "cleo src/mail.py pending" not in day.waiting("eve")
    day.say("Then the rest, by a rebase of hers onto main.")
    cleo = day.clones["cleo"]
    cleo.git("fetch", "-q", "origin")
    cleo.git("rebase", "-q", "origin/main", env={"GIT_PEER_SESSION": "cleo"})
    cleo.git("push", "-q", "-f", "--no-verify", "origin", "feat/mail")
    day.lands("rebase", "feat/mail", "")
    said = day.types("eve", "git peer sync")
    assert "The work of cleo on src/web.py has landed" in said

    day.say("## A merge, and a revert")
    day.edits("ben", "src/auth.py", 13)
    day.types("ben", "git peer push -u origin feat/token", "git peer unlock --pending --all")
    day.lands("merge", "feat/token", "Merge pull request #3 from feat/token")
    git = day.host.git
    git("revert", "--no-edit", "-m", "1", "HEAD")
    day.pushes("main")
    day.say("It was merged, and reverted before anybody looked. The lock ends, and that is said.")
    said = day.types("dan", "git peer sync")
    assert "The work of ben on src/auth.py has landed" in said
    assert "taken back since" in said

    day.say("## A branch that nobody wants")
    day.types("eve", "git switch -q -c feat/jobs", "git peer lock src/jobs.py")
    day.edits("eve", "src/jobs.py", 2)
    day.types("eve", "git peer push -u origin feat/jobs", "git peer unlock --pending src/jobs.py")
    day.pushes(":feat/jobs")
    said = day.types("ana", "git peer sync")
    assert "the branch feat/jobs is gone" in said
    assert day.waiting("ana") == ["eve src/jobs.py pending"]
    day.say("Nobody is in her way for it. Eve forgets it; else it would be forgotten after `peer.pendingTtl`.")
    day.types("eve", "git peer unlock src/jobs.py")

    day.say("## A colleague who leaves and joins again")
    day.types("dan", "git peer uninstall", "git peer init", "git peer sync", "git peer locks")
    assert day.waiting("dan") == []
    for name in NAMES:
        assert day.clones[name].peer("--json", "fsck", env={"GIT_PEER_SESSION": name}).json()["problems"] == []
    return day


def page(day: Day) -> str:
    """The transcript as a page."""
    return _HEAD + "\n".join(day.lines).rstrip() + "\n"


def main(words: list[str]) -> int:
    """Play the day and write its page."""
    with tempfile.TemporaryDirectory(prefix="git-peer-day-") as folder:
        env = sealed(Path(folder) / "home")
        os.environ.clear()
        os.environ.update(env)
        (Path(folder) / "world").mkdir()
        text = page(play(World(Path(folder) / "world")))
    Path(words[0]).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
