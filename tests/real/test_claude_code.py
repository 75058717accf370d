"""Two and three real Claude Code processes on one repository, by the settings that `git peer agent install` makes."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.real.anthropic_api import AnthropicApi
from tests.real.clients import Clients, git_peer
from tests.real.scripted import Say, Turn, Use, held
from tests.world import Clone, World

PATH = "src/api.py"


@pytest.fixture
def clone(world: World) -> Clone:
    """A clone in local mode, set up for Claude Code."""
    one = world.clone("one")
    one.peer("init", "--local")
    one.peer("agent", "install", "claude-code")
    return one


def read(clone: Clone, path: str = PATH) -> Turn:
    return [Use("Read", {"file_path": str(clone.path / path)})]


def edit(clone: Clone, new: str, old: str = "pass", path: str = PATH) -> Use:
    return Use("Edit", {"file_path": str(clone.path / path), "old_string": old, "new_string": new})


def shell(command: str) -> Use:
    return Use("Bash", {"command": command, "description": "a command"})


def locks(clone: Clone) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = clone.peer("--json", "locks").json()["locks"]
    return found


@pytest.mark.parametrize("apart", [True, False], ids=["two work trees", "one work tree"])
def test_the_second_is_refused_until_the_first_has_released(clone: Clone, clients: Clients, apart: bool) -> None:
    other = clone.worktree("two") if apart else clone
    if apart:
        other.peer("agent", "install", "claude-code")
    done, freed = threading.Event(), threading.Event()
    giving_back = held(done, shell(f"git checkout -q -- {PATH} && git peer unlock {PATH}"))
    with (
        AnthropicApi(read(clone), [edit(clone, "return")], giving_back, held(freed, Say("done"))) as one,
        AnthropicApi(
            read(other), [edit(other, "raise")], held(freed, *read(other)), [edit(other, "raise")]
        ) as two,
        AnthropicApi() as three,
    ):
        first = clients.claude(clone, one, name="one")
        assert "updated" in one.wait(3)
        [lock] = locks(clone)
        assert lock["target"] == PATH

        second = clients.claude(other, two, name="two")
        told = two.wait(3)
        assert f"{PATH} is locked by {lock['session']}" in told
        assert "git peer lock" in told
        if apart:
            assert "pass" in other.read(PATH)

        clients.claude(other, three, name="three").finish()
        assert "git-peer coordinates" in three.told[0]
        assert f"{lock['session']} (claude-code), has locked {PATH}" in three.told[0]

        done.set()
        one.wait(4)
        assert locks(clone) == []
        freed.set()
        assert "updated" in two.wait(5), two
        second.finish()
        first.finish()
        print(one, two, three)
    assert "raise" in other.read(PATH)
    names = {two_.split()[0] for two_ in (lock["session"],)}
    assert names


def test_a_holder_that_has_lost_its_lock_is_refused(clone: Clone, clients: Clients) -> None:
    other = clone.worktree("two")
    lost = threading.Event()
    with AnthropicApi(read(clone), [edit(clone, "return")], held(lost, edit(clone, "raise", "return"))) as api:
        agent = clients.claude(clone, api)
        api.wait(3)
        [lock] = locks(clone)
        other.peer("unlock", PATH, "--force", "--reason", "gone home", as_="ana")
        other.peer("lock", PATH, "--reason", "taking over", as_="ana")
        lost.set()
        told = api.wait(4)
        agent.finish()
    assert "ana" in told
    assert "return" in clone.read(PATH)
    print(api)


@pytest.mark.parametrize(
    "script",
    ["", "exit 2", "echo gibberish; echo {; exit 2", "echo gibberish", "echo no module >&2; exit 1", "kill -9 $$", "exec sleep 60"],
)
def test_a_missing_or_broken_program_lets_edits_through_and_says_so(
    clone: Clone, clients: Clients, script: str
) -> None:
    clients.bin = git_peer(clients.folder / "broken", script) if script else None
    with AnthropicApi(read(clone), [edit(clone, "return")]) as api:
        ran = clients.claude(clone, api).finish()
    assert "return" in clone.read(PATH)
    assert locks(clone) == []
    print(ran, api)
    assert "its hook did not run" in ran.out + str(api)
