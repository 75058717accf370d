"""What a remote may do to its log: refuse it, roll it back, rewrite it, lose it, take a commit that is none of it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from git_peer import layout
from tests.faults.forks import Forks
from tests.faults.history import code, sound
from tests.faults.test_answers import QUICK
from tests.faults.test_one_of_many import joined
from tests.world import Clone, Result, World, start

LOG = "refs/heads/peer/coordination"
REFUSAL = """#!/bin/sh
while read -r old new ref; do
    if [ "$ref" = refs/heads/peer/coordination ]; then echo "no robots on this branch" >&2; exit 1; fi
done
"""
UPDATE = """#!/bin/sh
if [ "$1" = refs/heads/peer/coordination ]; then echo "no robots on this branch" >&2; exit 1; fi
"""


def remote(world: World, *args: str, stdin: str | None = None) -> str:
    """Run git in the bare repository, as somebody with a shell there would; its output."""
    return start(("git", *args), world.remote, stdin=None if stdin is None else stdin.encode()).finish(0).line


def commit_on(world: World, parent: str, message: str, tree: str = "") -> str:
    """A commit of anybody's on the bare repository; the parent's tree unless another is given."""
    return remote(world, "commit-tree", "-p", parent, tree or f"{parent}^{{tree}}", stdin=message)


def set_log(world: World, commit: str) -> None:
    """Force the log's branch on the remote."""
    remote(world, "update-ref", LOG, commit)


def untrusted(answer: Result) -> str:
    """The message of a refusal to trust the log, exit status 4."""
    assert (answer.status, code(answer)) == (4, "untrusted"), str(answer)
    return str(answer.json()["error"]["message"])


@pytest.mark.parametrize(("name", "script"), [("pre-receive", REFUSAL), ("update", UPDATE)])
def test_server_refuses_the_branch(world: World, forks: Forks, name: str, script: str) -> None:
    a, b = joined(world, forks, 2)
    before = world.refs()[LOG]
    hook = world.remote / "hooks" / name
    hook.write_text(script)
    hook.chmod(0o755)
    refused = forks.peer(a, "lock", "a.py", "--json", as_="a", status=1)
    assert code(refused) == "rejected"
    assert "no robots on this branch" in refused.json()["error"]["message"]
    assert refused.json()["traffic"]["pushes"] == 1
    assert world.refs()[LOG] == before
    hook.unlink()
    forks.peer(b, "lock", "a.py", as_="b")
    assert code(forks.peer(a, "lock", "a.py", "--json", as_="a", status=1)) == "locked"
    sound(forks, a, b)


def test_server_takes_nothing_while_something_is_open(world: World, forks: Forks) -> None:
    """A push whose end is unknown, and a server that then refuses all: asked now and then, not as fast as one can."""
    a, b = joined(world, forks, 2)
    hook = world.remote / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\nif mkdir slow; then sleep 4; fi\n{REFUSAL.removeprefix('#!/bin/sh')}")
    hook.chmod(0o755)
    assert code(forks.peer(a, "lock", "a.py", "--json", as_="a", status=3, env=QUICK)) == "unknown"
    patient = {**QUICK, "GIT_CONFIG_VALUE_0": "6s"}  # for several refusals, also on a busy machine
    told = forks.peer(a, "lock", "b.py", "--json", as_="a", status=3, env=patient)
    assert code(told) == "busy", told
    assert "no robots on this branch" in told.json()["error"]["message"]
    assert 1 < told.json()["traffic"]["pushes"] <= 16
    hook.unlink()
    forks.peer(a, "lock", "b.py", as_="a")
    forks.peer(b, "lock", "a.py", as_="b")
    sound(forks, a, b)


def test_rolled_back(world: World, forks: Forks) -> None:
    a, b = joined(world, forks, 2)
    forks.peer(a, "lock", "a.py", as_="a")
    rolled = remote(world, "rev-parse", f"{LOG}~1")
    set_log(world, rolled)
    refused = forks.peer(a, "lock", "b.py", "--json", as_="a", status=None)
    assert "rolled back" in untrusted(refused)
    assert refused.json()["traffic"]["pushes"] == 1
    assert world.refs()[LOG] == rolled, "something was written onto a rolled-back log"
    untrusted(forks.peer(a, "unlock", "a.py", "--json", as_="a", status=None))
    assert [lock["path"] for lock in forks.peer(a, "locks", "--json").json()["locks"]] == ["a.py"]
    a.write("src/api.py", "changed\n")
    a.git("add", "-A")
    assert a.git("commit", "-m", "work", check=False).status == 0
    forks.peer(b, "lock", "b.py", as_="b")  # saw nothing of what was rolled back, and cannot know
    assert "rewritten" in untrusted(forks.peer(a, "lock", "c.py", "--json", as_="a", status=None))


def test_rewritten(world: World, forks: Forks) -> None:
    a, _ = joined(world, forks, 2)
    forks.peer(a, "lock", "a.py", as_="a")
    other = commit_on(world, remote(world, "rev-parse", f"{LOG}~1"), "another history\n", f"{LOG}^{{tree}}")
    set_log(world, other)
    assert "rewritten" in untrusted(forks.peer(a, "lock", "b.py", "--json", as_="a", status=None))
    assert "rewritten" in untrusted(forks.peer(a, "sync", "--json", status=None))
    assert world.refs()[LOG] == other


def test_deleted(world: World, forks: Forks) -> None:
    a, _ = joined(world, forks, 2)
    forks.peer(a, "lock", "a.py", as_="a")
    remote(world, "update-ref", "-d", LOG)
    assert "gone" in untrusted(forks.peer(a, "lock", "b.py", "--json", as_="b", status=None))
    assert "gone" in untrusted(forks.peer(a, "sync", "--json", status=None))
    assert LOG not in world.refs(), "a deleted log was written anew"
    assert [lock["path"] for lock in forks.peer(a, "locks", "--json").json()["locks"]] == ["a.py"]


def no_log_commit(world: World, tip: str) -> str:
    """A commit as a hosting site's web page makes one: a file more."""
    blob = remote(world, "hash-object", "-w", "--stdin", stdin="hello\n")
    listed = remote(world, "ls-tree", tip)
    name = f"notes-{tip[:7]}.txt"
    tree = remote(world, "mktree", stdin=f"{listed}\n100644 blob {blob}\t{name}\n")
    return commit_on(world, tip, f"Create {name}\n", tree)


def forged_tree(world: World, tip: str) -> str:
    """Honest-looking events that do not make this tree."""
    return commit_on(world, tip, remote(world, "log", "-1", "--format=%B", tip), f"{tip}~1^{{tree}}")


def merge_commit(world: World, tip: str) -> str:
    """Two parents."""
    return remote(world, "commit-tree", "-p", tip, "-p", f"{tip}~1", f"{tip}^{{tree}}", stdin="Merge\n")


def unknown_event(world: World, tip: str) -> str:
    """An event that no release of this format writes."""
    event = json.dumps({"at": 1, "by": "x", "id": "ab", "kind": "lock.steal"}, separators=(",", ":"), sort_keys=True)
    return commit_on(world, tip, f"lock: x\n\n{event}\n")


@pytest.mark.parametrize("junk", [no_log_commit, forged_tree, merge_commit, unknown_event])
def test_junk_is_repaired(world: World, forks: Forks, junk: Callable[[World, str], str]) -> None:
    a, b = joined(world, forks, 2)
    forks.peer(a, "lock", "a.py", as_="a")
    good = world.refs()[LOG]
    first = junk(world, good)
    set_log(world, first)
    second = no_log_commit(world, first)
    set_log(world, second)
    for clone in (a, b):
        refused = forks.peer(clone, "lock", "b.py", "--json", as_="b", status=None)
        untrusted(refused)
        assert "doctor --fix" in refused.json()["error"]["hint"]
    checks = {check["name"]: check for check in forks.peer(a, "doctor", "--json", status=1).json()["checks"]}
    assert checks["log"]["status"] == "fail"
    checks = {check["name"]: check for check in forks.peer(a, "doctor", "--fix", "--json").json()["checks"]}
    assert first[:12] in checks["log"]["detail"]
    assert second[:12] in checks["log"]["detail"]
    assert code(forks.peer(b, "lock", "a.py", "--json", as_="b", status=1)) == "locked"
    forks.peer(b, "lock", "b.py", as_="b")
    forks.peer(a, "unlock", "a.py", as_="a")
    late = world.clone("late")
    forks.peer(late, "init", "--no-hooks")
    assert [lock["path"] for lock in forks.peer(late, "locks", "--json").json()["locks"]] == ["b.py"]
    forks.peer(b, "sync")
    sound(forks, a, b, late)


def test_object_that_git_refuses(world: World, forks: Forks) -> None:
    """What `git fsck` does not let in is no network trouble: trying again would not help."""
    a, _ = joined(world, forks, 2)
    tip = world.refs()[LOG]
    listed = remote(world, "ls-tree", tip)
    twice = remote(world, "mktree", stdin=f"{listed}\n{listed.splitlines()[0]}\n")
    set_log(world, commit_on(world, tip, "Two files of one name\n", twice))
    assert "git's own check" in untrusted(forks.peer(a, "lock", "b.py", "--json", as_="b", status=None))


def test_newer_format(world: World, forks: Forks) -> None:
    """A newer release writes the log: this one reads and gates on, and writes nothing."""
    a, b = joined(world, forks, 2)
    forks.peer(a, "init")
    forks.peer(b, "lock", "held.py", as_="b")
    newer = written_by_newer(world, b)
    set_log(world, newer)
    after = commit_on(world, newer, 'plan: x\n\n{"at":1,"by":"x","id":"cd","kind":"plan.dream","v":7}\n')
    set_log(world, after)
    for words in (("lock", "a.py"), ("sync",), ("unlock", "held.py"), ("session", "start")):
        refused = forks.peer(a, *words, "--json", as_="a", status=4)
        assert code(refused) == "newer_format", refused
    assert world.refs()[LOG] == after, "an older release wrote onto a newer log"
    assert forks.peer(a, "doctor", "--fix", "--json", status=None).status == 1
    assert world.refs()[LOG] == after, "a newer release's commit was voided"
    assert [lock["path"] for lock in forks.peer(a, "locks", "--json").json()["locks"]] == ["held.py"]
    assert forks.peer(a, "status", "--json").json()["log"]["height"] >= 3
    sound(forks, a)
    a.write("held.py", "x\n")
    a.git("add", "-A")
    refused = a.git("commit", "-m", "work", check=False)
    assert refused.status == 1
    assert "held.py" in refused.err
    a.git("rm", "-q", "--cached", "held.py")
    a.write("free.py", "x\n")
    a.commit("free", "free.py")
    a.git("push", "-q", "origin", "main")
    late = world.clone("late")
    assert code(forks.peer(late, "init", "--no-hooks", "--json", status=4)) == "newer_format"


def written_by_newer(world: World, clone: Clone) -> str:
    """The commit with which a newer release raises the format, made by hand."""
    tip = world.refs()[LOG]
    log = json.loads(remote(world, "show", f"{tip}:log.json"))
    log |= {"format": layout.FORMAT + 1, "height": log["height"] + 1}
    text = json.dumps(log, sort_keys=True, separators=(",", ":")) + "\n"
    blob = remote(world, "hash-object", "-w", "--stdin", stdin=text)
    listed = [line for line in remote(world, "ls-tree", tip).splitlines() if not line.endswith("\tlog.json")]
    tree = remote(world, "mktree", stdin="\n".join([*listed, f"100644 blob {blob}\tlog.json", ""]))
    event = {"at": 1, "by": "git-peer", "format": layout.FORMAT + 1, "id": "0123456789abcdef", "kind": "log.format"}
    return commit_on(world, tip, f"log: format\n\n{json.dumps(event, sort_keys=True, separators=(',', ':'))}\n", tree)
