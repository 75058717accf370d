"""Votes: candidates that several runners make of one task, on a remote and in one clone, and what is not taken."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping

import pytest

from git_peer import layout
from tests.models.served import serving
from tests.runner.chat import Chat, chat
from tests.runner.test_run import ACCEPT, BOX, CODE, TEST
from tests.world import Clone, World

LONG = CODE.replace("    return", "    # " + "x" * 80 + "\n    return")
SHORT = "def words(text):\n    return text.split()\n"
VOTING = ("run", BOX, "--votes", "2")


class Slow(Chat):
    """Answers `write` only once `ready` says so; `asked_to_write` is set when it was asked."""

    def __init__(self, ready: Callable[[], bool]) -> None:
        super().__init__({"decide": "yes", "write": LONG + TEST})
        self.ready = ready
        self.asked_to_write = threading.Event()

    def answer(self, last: str) -> str:
        if "Step: write" in last:
            self.asked_to_write.set()
            end = time.monotonic() + 60
            while not self.ready() and time.monotonic() < end:
                time.sleep(0.1)
        return super().answer(last)


@pytest.mark.parametrize("mode", ["remote", "local"])
def test_an_idle_runner_makes_a_candidate(world: World, mode: str) -> None:
    """One candidate is enough of one's own where another runner has made the second; the better of the two lands."""
    one = world.clone("a")
    one.peer("init", *(["--remote", "origin"] if mode == "remote" else ["--local"]))
    two = one
    if mode == "remote":
        two = world.clone("b")
        two.peer("init")
    one.peer("task", "add", "Write words", "--path", "words.py", "--accept", ACCEPT)
    arbiter = world.remote if mode == "remote" else one.gitdir
    left = f"{layout.VOTES}t9/0123"  # by somebody who died
    one.git("--git-dir", str(arbiter), "update-ref", left, one.head())

    def votes() -> list[str]:
        return one.git("--git-dir", str(arbiter), "for-each-ref", layout.VOTES).out.splitlines()

    def offered() -> bool:
        return sum(f"{layout.VOTES}t1/" in line for line in votes()) == 2

    with serving(Slow(offered)) as slow, chat({"write": CODE + TEST}) as quick:
        first = one.start_peer(*VOTING, "--model", slow.spec, "--json", "--as", "r1")
        assert slow.asked_to_write.wait(60)
        second = two.start_peer(*VOTING, "--model", quick.spec, "--loop", "--json", "--as", "r2")
        done = first.finish(0)
        helped = second.finish()
        assert sum(answer == LONG + TEST for _, answer in slow.asked) == 1
    outcome = done.objects()[0]
    assert (outcome["task"], outcome["outcome"]) == ("t1", "done")
    assert one.git("show", f"{outcome['commit']}:words.py").out == SHORT
    trailers = one.git("log", "-1", "--format=%(trailers)", outcome["commit"]).out
    assert "Peer-Session: r1\nPeer-Model: some-model\nPeer-Candidate: r2\n" in trailers
    assert "a candidate of r2's passes" in done.err
    assert "t1: offered" in helped.err
    assert helped.objects() == [], "it is not the one whose task it was"
    assert votes() == [], "nothing is left of a vote, nor of one whose caller died"


def test_what_is_no_candidate(pair: tuple[Clone, Clone], world: World) -> None:
    """Whoever may push can offer anything: what is not of the task, is no file, or does not pass here, is not taken."""
    one, two = pair
    one.peer("task", "add", "Write words", "--path", "words.py", "--accept", ACCEPT)
    base = two.head()

    def offer(name: str, parent: str, files: Mapping[str, str]) -> None:
        two.git("checkout", "-q", "--detach", parent)
        for path, said in files.items():
            if said.startswith("-> "):
                (two.path / path).symlink_to(said[3:])
            else:
                (two.path / path).write_text(said)
        two.git("add", "-A")
        two.git(
            "commit", "-q", "--no-verify", "--allow-empty", "-m", f"x\n\nPeer-Session: {name}\nPeer-Attempts: 9{name}"
        )
        two.git("push", "-q", "--no-verify", "origin", f"HEAD:{layout.VOTES}t1/{name}")

    test = TEST.split("```python\n")[1].removesuffix("```\n")

    def ready() -> bool:
        there = two.git("ls-remote", "origin", f"{layout.VOTES}t1/*").out.splitlines()
        if len(there) != 1:
            return len(there) > 1
        sound = {"words.py": SHORT, "test_words.py": test}
        offer("outside", base, sound | {"other.py": "x = 1\n"})
        offer("link", base, sound | {"words.py": "-> /etc/passwd"})
        offer("wrong", base, sound | {"words.py": "def words(text):\n    return []\n"})
        offer("bytes", base, sound | {os.fsdecode(b"\xff.py"): "x = 1\n"})
        offer("nothing", base, {})
        offer("elsewhere", two.head(), sound)
        two.git("push", "-q", "--no-verify", "origin", f"{base}^{{tree}}:{layout.VOTES}t1/tree")
        return True

    with serving(Slow(ready)) as slow:
        ran = one.peer(*VOTING, "--model", slow.spec, "--json", "--as", "r1")
    assert one.git("show", f"{ran.objects()[0]['commit']}:words.py").out == LONG.split("```python\n")[1].split("```")[0]
    assert "a candidate of outside's is not taken: “other.py” is not of this task" in ran.err
    assert "a candidate of link's is not taken: “words.py” is no plain file" in ran.err
    assert "a candidate of wrong's is not taken: it does not pass here" in ran.err
    assert "a candidate of bytes's is not taken: “\ufffd.py” is not UTF-8" in ran.err
    assert "a candidate of nothing's is not taken: it changes nothing" in ran.err
    assert "elsewhere" not in ran.err
    assert ran.err.count("candidate 2 of 2 ") == 1, "both are its own"
    assert not any(name.startswith(layout.VOTES) for name in world.refs())


def test_a_server_that_takes_no_votes(pair: tuple[Clone, Clone], world: World) -> None:
    """The task is solved all the same."""
    one, _ = pair
    one.peer("task", "add", "Write words", "--path", "words.py", "--accept", ACCEPT)
    hook = world.remote / "hooks" / "update"
    hook.write_text(f'#!/bin/sh\ncase "$1" in {layout.VOTES}*) echo "no votes here" >&2; exit 1 ;; esac\n')
    hook.chmod(0o755)
    with chat({"decide": "yes", "write": CODE + TEST}) as model:
        ran = one.peer(*VOTING, "--model", model.spec, "--json", "--as", "r1")
    assert ran.objects()[0]["outcome"] == "done"
    assert "nobody is asked for candidates" in ran.err
    assert "no votes here" in ran.err


def test_what_there_is_when_the_tokens_are_used(pair: tuple[Clone, Clone]) -> None:
    """A candidate that passed is handed in, though there are no tokens for the others."""
    one, _ = pair
    for name in ("words", "other"):
        accept = ACCEPT.replace("words", name)
        one.peer("task", "add", f"Write {name}", "--path", f"{name}.py", "--accept", accept)
    other = (CODE + TEST).replace("words", "other")
    with chat({"decide": "yes", "write.*t1": CODE + TEST, "write.*t2": other}) as model:
        most = one.peer("run", "t1", BOX, "--model", model.spec, "--json").objects()[0]["tokens"]
        asked = len(model.asked)
        limits = ("--votes", "3", "--max-tokens", str(most))
        ran = one.peer("run", "t2", BOX, "--model", model.spec, "--json", *limits)
        assert len(model.asked) == asked + 2
    assert ran.objects()[0]["outcome"] == "done"
