"""`git peer push` is no worse than `git push`: the user's hook, the server's words, what is pushed by default."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from pathlib import Path

import pytest

from tests.enforce.team import HELD, Member, Team
from tests.enforce.test_push import hook, landed, server_hook
from tests.world import start

ZERO = "0" * 40


# -- the user's own pre-push hook ---------------------------------------------------------------
def recorder(team: Team) -> tuple[str, Path]:
    """A hook's text that writes down its arguments and its input, and the file that it writes to."""
    seen = team.world.folder / "seen"
    return f'{{ echo "$@"; cat; echo; }} >>{shlex.quote(str(seen))}', seen


@pytest.mark.parametrize("where", ["beside", "aside", "hooksPath", "husky"])
def test_it_sees_the_codes_refs_once(team: Team, where: str) -> None:
    """As from `git push`, byte for byte: no ref of the log's, nothing that is up to date, whatever way it is run."""
    alice, (text, seen) = team.alice, recorder(team)
    folder = alice.at.common / "hooks"
    if where in ("hooksPath", "husky"):
        folder = alice.at.path / (".husky" if where == "husky" else "own hooks")
        folder.mkdir()
        alice.git("config", "core.hooksPath", folder.name)
    path = folder / "pre-push"
    path.unlink(missing_ok=True)
    shell = "#!/usr/bin/env -S sh -e" if where == "aside" else "#!/bin/sh"
    path.write_text(f"{shell}\n{text}\n")
    path.chmod(0o755)
    alice.peer("init")
    new = alice.commit(HELD)
    old = team.world.refs()["refs/heads/main"]
    alice.git("branch", "zz-topic")
    specs = ("origin", "main", "zz-topic", f"{new}:refs/heads/by-id")
    alice.git("push", "-q", "--dry-run", *specs)
    as_git_does = seen.read_text()
    assert f"refs/heads/main {new} refs/heads/main {old}" in as_git_does
    assert len(as_git_does.splitlines()) == 5
    seen.unlink()
    pushed = alice.peer("push", *specs, "--json").json()
    assert seen.read_text() == as_git_does
    assert pushed["traffic"]["pushes"] == 1
    assert len(landed(alice)) == 1


def test_the_pre_commit_framework(team: Team) -> None:
    """It looks at the first ref alone: that is code."""
    alice, seen = team.alice, team.world.folder / "seen"
    alice.at.write(
        ".pre-commit-config.yaml",
        "repos:\n- repo: local\n  hooks:\n  - {id: x, name: x, language: system, always_run: true, pass_filenames: "
        f"false,\n     stages: [pre-push], entry: sh -c 'env | grep ^PRE_COMMIT_REMOTE_BRANCH >>{seen}'}}\n",
    )
    start((sys.executable, "-m", "pre_commit", "install", "-t", "pre-push"), alice.at.path).finish(0)
    alice.peer("init")
    alice.git("add", ".pre-commit-config.yaml")
    alice.git("commit", "-q", "-m", "checks")
    alice.git("branch", "-m", "main", "zebra")  # sorts behind the log's branch
    alice.peer("push", "origin", "zebra")
    assert seen.read_text() == "PRE_COMMIT_REMOTE_BRANCH=refs/heads/zebra\n"


def test_its_time_is_its_own(team: Team) -> None:
    """Longer than the network's limit; another session of the clone locks meanwhile, and does not wait for it."""
    alice, gate = team.alice, team.world.folder / "go"
    started = team.world.folder / "started"
    hook(alice, f'touch "{started}"; while [ ! -e "{gate}" ]; do sleep 0.1; done')
    alice.git("config", "peer.retryTimeout", "1s")
    new = alice.commit("src/api.py")
    pushing = alice.at.start_peer("push", "--json", as_="alice")
    while not started.exists():
        assert pushing.process.poll() is None
        threading.Event().wait(0.05)
    Member(alice.at, "carol").lock("docs/")
    threading.Event().wait(1.1)  # the limit has passed
    gate.touch()
    assert pushing.finish(0).json()["ok"]
    assert team.world.refs()["refs/heads/main"] == new


def test_what_it_changes_is_not_what_was_checked(team: Team) -> None:
    """A hook that commits, or somebody else meanwhile: what goes out is what the hook and the check have seen."""
    alice = team.alice
    hook(alice, "git commit -q --no-verify --allow-empty -m later")
    new = alice.commit("src/api.py")
    alice.peer("push", "-u", "origin", "main")
    assert team.world.refs()["refs/heads/main"] == new
    assert alice.at.head() != new


def test_its_environment_is_gits(team: Team) -> None:
    """No locale and no GIT_DIR of ours, and what it says is seen while it runs."""
    alice, seen = team.alice, team.world.folder / "env"
    hook(alice, f"env >{shlex.quote(str(seen))}; echo linting >&2; echo shown")
    alice.commit("src/api.py")
    said = alice.peer("push").err
    assert "linting\n" in said
    assert "shown\n" in said
    names = {line.partition("=")[0] for line in seen.read_text().splitlines()}
    alice.git("push", "-q", "--dry-run", "origin", "HEAD:refs/heads/x")
    with_git = {line.partition("=")[0] for line in seen.read_text().splitlines()}
    assert names == with_git  # a push that the hook makes itself is checked like any other
    assert f"LC_ALL={os.environ['LC_ALL']}" in seen.read_text()


def test_an_announcement_is_no_way_round(held: Team) -> None:
    """Only what this clone's git-peer announces is known; nothing of it stays behind."""
    bob, folder = held.bob, held.bob.at.common / "peer" / "attempts"
    bob.sneaks(HELD)
    bob.lock("docs/guide.md")
    assert folder.is_dir()
    for name in ("ab" * 20, "../clone.json", "", "."):
        before = held.world.refs()
        assert bob.git("push", "-q", check=False, env={"GIT_PEER_PUSHING": name}).status != 0, name
        assert held.world.refs() == before
    hook(held.alice, "exit 1")
    held.alice.commit("src/api.py")
    held.alice.refused_push(code="rejected")
    assert list((held.alice.at.common / "peer" / "attempts").iterdir()) == []
    assert not folder.exists() or list(folder.iterdir()) == []


# -- what the server says -----------------------------------------------------------------------
@pytest.mark.parametrize("name", ["update", "pre-receive"])
def test_the_server_protects_main(held: Team, name: str) -> None:
    alice, world = held.alice, held.world
    refuse = 'echo "main is protected, open a pull request"; exit 1'
    if name == "update":
        server_hook(world, name, f'[ "$1" != refs/heads/main ] || {{ {refuse}; }}')
    else:
        server_hook(world, name, f"while read old new ref; do [ $ref != refs/heads/main ] || {{ {refuse}; }}; done")
    alice.commit(HELD)
    error = alice.refused_push(code="rejected")["error"]
    first, *rest = error["message"].splitlines()
    assert first.startswith("origin refused main")
    if name == "update":
        assert "coordination" not in error["message"] + error["hint"]
    assert rest[0] == "main is protected, open a pull request"
    assert alice.holds() == {HELD}


def test_the_server_is_heard_on_success(team: Team) -> None:
    """Its lines as git shows them; nothing of that where somebody wants JSON."""
    alice = team.alice
    server_hook(team.world, "post-receive", 'echo "Create a pull request:"; echo "  https://example.com/new"')
    alice.commit("src/api.py")
    assert alice.peer("push").err.splitlines() == [
        "remote: Create a pull request:",
        "remote:   https://example.com/new",
    ]
    alice.commit("src/api.py")
    told = alice.peer("push", "--json")
    assert told.json()["messages"] == ["Create a pull request:", "https://example.com/new"]
    assert told.err == ""


# -- what is pushed, and where ------------------------------------------------------------------
def test_the_default_branch_is_renamed(held: Team) -> None:
    """Work that lands on it under its new name ends its locks, and stays a landing for everybody."""
    alice, world = held.alice, held.world
    start(("git", "branch", "-m", "main", "trunk"), world.remote).finish(0)
    start(("git", "symbolic-ref", "HEAD", "refs/heads/trunk"), world.remote).finish(0)
    alice.git("branch", "-m", "main", "trunk")
    alice.commit(HELD)
    answer = alice.peer("push", "origin", "trunk", "--json").json()
    assert [view["target"] for view in answer["released"]] == [HELD]
    assert alice.holds() == set()
    alice.lock("src/api.py")
    alice.commit("src/api.py")
    answer = alice.peer("push", "origin", "trunk", "--json").json()
    assert [view["target"] for view in answer["released"]] == ["src/api.py"]
    assert answer["traffic"]["pushes"] == 1
    alice.lock("docs/")
    alice.commit("docs/guide.md")
    assert alice.peer("push", "origin", "HEAD:topic", "--json").json()["released"] == []
    assert "trunk" in alice.peer("log", "--kind", "log.integration", "--json").out


def test_a_topic_is_no_new_default(held: Team) -> None:
    held.alice.commit(HELD)
    assert held.alice.peer("push", "origin", "HEAD:topic", "--json").json()["released"] == []
    assert held.alice.holds() == {HELD}


def test_where_nobody_says_what_to_push(team: Team) -> None:
    """git's own word, as a wrong command line, with the command that says it; never "unreachable"."""
    alice = team.alice
    alice.commit("src/api.py")

    def usage(hint: str, *args: str) -> str:
        error = alice.peer("push", *args, "--json", status=129).json()["error"]
        assert error["code"] == "usage"
        assert hint in error["hint"], error
        return str(error["message"])

    alice.git("config", "push.default", "nothing")
    assert "push.default" in usage("git peer push origin main")
    alice.git("config", "push.default", "bogus")
    usage("git peer push origin main")
    alice.git("config", "--unset", "push.default")
    alice.git("switch", "-q", "-c", "topic")
    assert "upstream" in usage("git peer push -u origin topic")
    alice.git("branch", "-q", "-u", "origin/main")
    assert "upstream" in usage("git peer push origin topic")  # simple: names differ
    assert "src refspec" in usage("git peer push origin topic", "origin", "nowhere")
    alice.git("switch", "-q", "--detach")
    usage("HEAD:refs/heads/BRANCH")
    assert alice.peer("push", "nobody", "main", "--json", status=1).json()["error"]["code"] == "not_found"
    alice.git("remote", "add", "away", "https://127.0.0.1:1/x.git")
    assert alice.peer("push", "away", "main", "--json", status=3).json()["error"]["code"] == "unreachable"


@pytest.mark.parametrize("default", ["current", "upstream", "matching"])
def test_gits_own_defaults(team: Team, default: str) -> None:
    alice = team.alice
    alice.git("config", "push.default", default)
    alice.git("switch", "-q", "-c", "topic")
    if default != "current":
        alice.git("branch", "-q", "-u", "origin/main")
    alice.commit("src/api.py")
    alice.git("branch", "-f", "main", "topic")
    pushed = [row["ref"] for row in alice.peer("push", "--json").json()["pushed"]]
    assert pushed == (["refs/heads/topic"] if default == "current" else ["refs/heads/main"])


def test_the_remote_that_git_would_take(team: Team) -> None:
    """remote.pushDefault, and a branch's own remote before it; the log's remote has no say in it."""
    alice = team.alice
    fork = team.world.folder / "fork.git"
    start(("git", "clone", "-q", "--bare", team.world.url, str(fork)), team.world.folder).finish(0)
    alice.git("remote", "add", "fork", str(fork))
    alice.git("config", "remote.pushDefault", "fork")
    new = alice.commit("src/api.py")
    before = team.world.refs()["refs/heads/main"]
    alice.peer("push")
    assert start(("git", "rev-parse", "main"), fork).finish(0).line == new
    assert team.world.refs()["refs/heads/main"] == before
    alice.git("config", "branch.main.pushRemote", "origin")
    alice.peer("push")
    assert team.world.refs()["refs/heads/main"] == new
