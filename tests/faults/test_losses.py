"""Who lost something is told, by whatever comes next, until it has been told; and then it is not told again."""

from __future__ import annotations

import pytest

from tests.enforce.team import HELD, Team
from tests.faults.forks import Forks
from tests.faults.history import code, sound
from tests.faults.test_offline import team as clones
from tests.world import Clone, World

pytestmark = pytest.mark.faults


def told(forks: Forks, clone: Clone, *argv: str, status: int | None = 0) -> list[str]:
    """The targets that a command of the session `holder` says were lost."""
    notices = forks.peer(clone, *argv, "--json", as_="holder", status=status).json()["notices"]
    return [notice["target"] for notice in notices if notice["code"] == "lost"]


@pytest.fixture
def robbed(world: World, forks: Forks) -> Clone:
    """A clone whose session `holder` has just lost a.py to another clone's `urgent`."""
    first, second = clones(world, forks, "a", "b")
    forks.peer(first, "lock", "a.py", as_="holder")
    forks.peer(second, "lock", "a.py", "--preempt", "--priority", "10", as_="urgent")
    forks.peer(first, "sync", as_="else")
    return first


def test_a_refused_writer_has_been_told(robbed: Clone, forks: Forks) -> None:
    for _ in range(2):
        assert told(forks, robbed, "locks") == ["a.py"], "readers tell, and mark nothing"
    assert told(forks, robbed, "lock", "a.py", status=1) == ["a.py"]
    assert told(forks, robbed, "lock", "a.py", status=1) == []
    assert told(forks, robbed, "locks") == []


def test_its_person_is_told_too(robbed: Clone, forks: Forks) -> None:
    """The unnamed person of the work tree is told once, and the session that lost it all the same."""
    seen = [forks.peer(robbed, "lock", path, "--json").json()["notices"] for path in ("README.md", "docs/guide.md")]
    assert [[notice["target"] for notice in notices] for notices in seen] == [["a.py"], []]
    assert told(forks, robbed, "lock", "b.py") == ["a.py"]
    assert told(forks, robbed, "lock", "c.py") == []


def test_in_text_too(robbed: Clone, forks: Forks) -> None:
    said = [forks.peer(robbed, "lock", "a.py", as_="holder", status=1).err.count("was lost") for _ in range(2)]
    assert said == [1, 0]


def test_what_was_not_shown_was_not_told(robbed: Clone, forks: Forks) -> None:
    """-q keeps notes to itself: they are told by the next command that does not."""
    forks.peer(robbed, "-q", "lock", "b.py", as_="holder")
    assert forks.peer(robbed, "-q", "lock", "a.py", as_="holder", status=1).err.count("was lost") == 0
    assert told(forks, robbed, "lock", "c.py") == ["a.py"]


@pytest.mark.parametrize("how", ["keep", "unfinished"])
def test_kept_work_has_landed(world: World, how: str) -> None:
    """What the new holder landed and went on holding ends the fence of who has it, once the holder lets go."""
    team = Team.of(world)
    alice, bob = team.alice, team.bob
    alice.lock(HELD)
    alice.commit(HELD)
    bob.peer("unlock", HELD, "--force", "--reason", "gone for lunch")
    bob.lock(HELD)
    bob.commit(HELD)
    if how == "keep":
        bob.peer("push", "--keep")
    else:
        bob.change(HELD)
        bob.peer("push")
        bob.git("checkout", "-q", "--", HELD)
    assert bob.holds() == {HELD}
    bob.peer("unlock", HELD)
    alice.peer("sync")
    alice.git("config", "peer.gateBranches", "topic")
    alice.refused_push("origin", "main:topic", code="fenced")
    assert alice.git("pull", "-q", "--no-rebase", check=False).status == 1
    alice.at.write(HELD, "both\n")
    alice.git("commit", "-q", "-a", "--no-edit")
    alice.peer("push", "origin", "main:topic")
    alice.commit(HELD)
    alice.peer("push")
    assert alice.peer("fsck", "--json").json()["problems"] == []


def test_killed_while_it_tells(world: World, forks: Forks) -> None:
    """`sync` ends between its work and its words (its output is closed): the loss is still told to who lost."""
    first, second = clones(world, forks, "a", "b")
    forks.peer(second, "lock", "both.py", "--offline", as_="holder")
    forks.peer(first, "lock", "both.py", as_="one")
    running = second.start_peer("sync", as_="holder")
    assert running.process.stdout is not None
    assert running.process.stderr is not None
    running.process.stdout.close()
    running.process.stderr.close()
    running.process.wait(60)
    assert not list((second.path / ".git" / "peer" / "tentative").glob("*.json"))
    assert told(forks, second, "locks") == ["both.py"]
    assert code(forks.peer(second, "lock", "both.py", "--json", as_="holder", status=1)) == "locked"
    sound(forks, first, second)
