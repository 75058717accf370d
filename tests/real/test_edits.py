"""Several real agents on one repository, by the settings that `git peer agent install` makes: who may edit what."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from tests.real.clients import Clients, git_peer
from tests.real.kinds import CLAUDE, CODEX, GEMINI, PATH, Kind
from tests.real.scripted import Say, held
from tests.world import Clone, World

pytestmark = pytest.mark.slow

ALL = [CLAUDE, CODEX, GEMINI]


@pytest.fixture(params=ALL, ids=lambda kind: kind.agent)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def set_up(world: World, kind: Kind, locks: str = "file") -> Clone:
    """A clone in local mode, set up for an agent; `locks`: what its hooks take before an edit."""
    one = world.clone("one")
    one.peer("init", "--local")
    one.git("config", "peer.autoLock", locks)
    one.peer("agent", "install", kind.install)
    return one


def locks(clone: Clone) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = clone.peer("--json", "locks").json()["locks"]
    return found


# Two of Gemini's in one work tree cannot be told apart: its shell commands do not know their session.
@pytest.mark.parametrize(
    ("first", "second", "apart"),
    [(CLAUDE, CLAUDE, True), (CLAUDE, CLAUDE, False), (CODEX, CODEX, False), (GEMINI, CODEX, True)],
    ids=lambda one: one.agent if isinstance(one, Kind) else "apart" if one else "together",
)
def test_the_second_is_refused_until_the_first_gives_back(
    world: World, clients: Clients, first: Kind, second: Kind, apart: bool
) -> None:
    clone = set_up(world, first)
    other = clone.worktree("two") if apart else clone
    for tree in (clone, other):  # in a linked work tree Codex goes by the settings of the main one
        tree.peer("agent", "install", second.install)
    done, freed = threading.Event(), threading.Event()
    back = first.shell(f"git checkout -q -- {PATH} && git peer unlock {PATH}")
    refused = second.edit(other, "pass" if apart else "return", "raise")  # what fails by itself may reach no hook
    again = second.edit(other, "pass", "raise")
    with (
        first.api([first.look(clone)], [first.edit(clone, "pass", "return")], held(done, back), held(freed)) as one,
        second.api([second.look(other)], [refused], held(freed, second.look(other)), [again]) as two,
        second.api() as three,
    ):
        holder = first.start(clients, clone, one, "one")
        one.wait(3)
        assert "return" in clone.read(PATH)
        [lock] = locks(clone)
        assert lock["target"] == PATH
        assert lock["session"].startswith(first.agent)

        asker = second.start(clients, other, two, "two")
        told = two.wait(3)
        assert f"{PATH} is locked by {lock['session']}" in told
        assert f"git peer lock '{PATH}' --wait" in told
        assert "raise" not in other.read(PATH)

        if apart:  # the briefing of one that comes later
            second.start(clients, other, three, "three").finish()
            assert "git-peer coordinates" in three.told[0]
            assert re.search(rf"{lock['session']} \({first.agent}, \S+:one\), has locked {PATH}", three.told[0])

        done.set()
        one.wait(4)
        assert locks(clone) == []
        freed.set()
        two.wait(5)
        assert "raise" in other.read(PATH)
        [lock] = locks(clone)
        assert lock["session"].startswith(second.agent)
        asker.finish()
        holder.finish()
        assert [*one.strays, *two.strays, *three.strays] == []


def test_a_holder_that_has_lost_its_lock_is_refused(world: World, clients: Clients, kind: Kind) -> None:
    clone = set_up(world, kind)
    other = clone.worktree("two")
    lost = threading.Event()
    with kind.api(
        [kind.look(clone)], [kind.edit(clone, "pass", "return")], held(lost, kind.edit(clone, "return", "raise"))
    ) as api:
        agent = kind.start(clients, clone, api, "one")
        api.wait(3)
        other.peer("unlock", PATH, "--force", "--reason", "gone home", as_="ana")
        other.peer("lock", PATH, "--reason", "taking over", as_="ana")
        lost.set()
        told = api.wait(4)
        agent.finish()
    assert "ana has held it since" in told
    assert "“taking over”" in told
    assert "return" in clone.read(PATH)


@pytest.mark.parametrize("locks", ["file", "section"])
def test_stopping_with_work_undone_is_asked_about_once(world: World, clients: Clients, kind: Kind, locks: str) -> None:
    clone = set_up(world, kind, locks)
    with kind.api([kind.look(clone)], [kind.edit(clone, "pass", "return")], [Say("ready")], [Say("so be it")]) as api:
        kind.start(clients, clone, api, "one").finish()
    assert len(api.told) == 4
    assert f"commit {PATH}" in api.told[3]


_SILENT = "git-peer: its hook did not run"
_BROKEN = {
    "missing": "",
    "exit status 2": "exit 2",
    "garbage": "echo gibberish",
    "garbage and 2": "echo {; echo gibberish >&2; exit 2",
    "hanging": "[ $3 != pre-edit ] || exec sleep 15",
}
# What each shows its user. `codex exec` shows no hook's message, so there the model hears of it alone.
_SAYS = {
    CLAUDE: (f"PreToolUse:Edit says: {_SILENT}", "hook_no_verdict"),
    CODEX: ("", "hook: PreToolUse Failed"),
    GEMINI: (f"Hook system message: {_SILENT}", "Hook timed out"),
}


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        *((CLAUDE, way) for way in _BROKEN),
        *((kind, way) for kind in (CODEX, GEMINI) for way in ("missing", "hanging")),
    ],
    ids=lambda one: one.agent if isinstance(one, Kind) else one,
)
def test_a_missing_or_broken_program_lets_edits_through_and_says_so(
    world: World, clients: Clients, kind: Kind, way: str
) -> None:
    clone = set_up(world, kind)
    script = _BROKEN[way]
    clients.bin = git_peer(clients.folder / "broken", script) if script else None
    with kind.api([kind.look(clone)], [kind.edit(clone, "pass", "return")]) as api:
        ran = kind.start(clients, clone, api, "one").finish()
    assert "return" in clone.read(PATH)
    assert locks(clone) == []
    assert _SAYS[kind][way == "hanging"] in ran.out + ran.err, ran
    if way != "hanging":
        assert _SILENT in api.told[0]
