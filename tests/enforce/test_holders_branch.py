"""A holder's branch that goes out by plain `git push`: the log has it, so others may merge what is there."""

from __future__ import annotations

import pytest

from tests.world import Clone, World


@pytest.fixture
def team(world: World) -> tuple[Clone, Clone]:
    one, two = world.clone("a"), world.clone("b")
    one.peer("init", "--remote", "origin")
    two.peer("init")
    return one, two


def heights(clone: Clone) -> int:
    """How many commits the log has on the remote."""
    clone.peer("sync")
    return int(clone.peer("--json", "status").json()["log"]["height"])


@pytest.mark.parametrize("pusher", [{"GIT_PEER_SESSION": "ann"}, {}], ids=["holder", "its person"])
@pytest.mark.parametrize("spec", ["topic", "HEAD:refs/heads/topic"])
def test_it_may_be_merged_and_not_be_changed(team: tuple[Clone, Clone], pusher: dict[str, str], spec: str) -> None:
    one, two = team
    ben = {"GIT_PEER_SESSION": "ben"}
    one.peer("lock", "src/auth.py", as_="ann")
    if spec == "topic":
        one.git("checkout", "-qb", "topic")
    one.write("src/auth.py", "def login(): return 1\n")
    one.git("commit", "-qam", "work", env=pusher)
    one.git("push", "-q", "origin", spec, env=pusher)
    rows = one.peer("--json", "peers").json()["sessions"]
    assert "topic" in {row["branch"] for row in rows}
    before = heights(one)
    one.git("commit", "-q", "--allow-empty", "-m", "more", env=pusher)
    one.git("push", "-q", "origin", spec, env=pusher)
    assert heights(one) == before  # the log knows it, and is not told again

    two.git("fetch", "-q")
    two.git("merge", "-q", "--no-ff", "--no-edit", "origin/topic", env=ben)
    two.git("push", "-q", "origin", "main", env=ben)
    two.write("src/auth.py", "def login(): return 2\n")
    two.git("commit", "-qam", "theirs", "--no-verify", env=ben)
    assert "src/auth.py is locked by ann" in two.git("push", "-q", "origin", "main", env=ben, check=False).err


def test_who_holds_nothing_writes_nothing(team: tuple[Clone, Clone]) -> None:
    one, _ = team
    before = heights(one)
    one.git("checkout", "-qb", "topic")
    one.git("commit", "-q", "--allow-empty", "-m", "work")
    one.git("push", "-q", "origin", "topic")
    assert heights(one) == before
