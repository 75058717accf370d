"""Without the network: what is taken tentatively holds in its clone, and `sync` arbitrates it and names each loss."""

from __future__ import annotations

import subprocess
import time
from typing import Any

import pytest

from git_peer import layout
from tests.faults.forks import Forks
from tests.faults.history import code, sound, takes
from tests.world import Clone, World

STEPS = 400  # more than a sync has; the loop ends when it survives
KILLED = -9

pytestmark = pytest.mark.faults


def team(world: World, forks: Forks, *names: str, hooks: bool = False) -> list[Clone]:
    """Clones that follow one log."""
    clones = [world.clone(name) for name in names]
    for clone in clones:
        forks.peer(clone, "init", "--remote", "origin", *(() if hooks else ("--no-hooks",)))
    return clones


def cut_off(world: World, clone: Clone) -> None:
    """The remote cannot be reached from this clone."""
    clone.git("remote", "set-url", "origin", str(world.folder / "nowhere.git"))


def back(world: World, clone: Clone) -> None:
    """It can be reached again."""
    clone.git("remote", "set-url", "origin", world.url)


def offline(forks: Forks, clone: Clone, path: str, name: str) -> dict[str, Any]:
    """A tentative lock on a path."""
    answer = forks.peer(clone, "lock", "--offline", path, "--json", as_=name).json()
    assert answer["guarantee"] == "tentative"
    assert answer["traffic"] == {"pushes": 0, "fetches": 0}
    (lock,) = answer["locks"]
    assert (lock["guarantee"], lock["path"], lock["session"]) == ("tentative", path, name)
    return dict(lock)


def held(forks: Forks, clone: Clone) -> dict[str, tuple[str, str]]:
    """Path → (session, guarantee), by the local copy."""
    found = forks.peer(clone, "locks", "--json").json()["locks"]
    return {lock["path"]: (lock["session"], lock["guarantee"]) for lock in found}


def test_refused_in_the_same_clone_at_once(world: World, forks: Forks) -> None:
    (clone,) = team(world, forks, "a")
    cut_off(world, clone)
    offline(forks, clone, "src/auth.py", "one")
    for wanted in (("--offline", "src/auth.py"), ("--offline", "src/"), ("src/auth.py",)):
        answer = forks.peer(clone, "lock", *wanted, "--json", as_="two", status=1)
        assert code(answer) == "locked"
        assert answer.json()["conflicts"][0]["lock"]["session"] == "one"
    offline(forks, clone, "src/api.py", "two")  # what does not overlap is free
    assert held(forks, clone) == {"src/auth.py": ("one", "tentative"), "src/api.py": ("two", "tentative")}


@pytest.mark.parametrize("end", ["unlock", "sync", "out of time"])
def test_waits_for_a_tentative_one(world: World, forks: Forks, end: str) -> None:
    """`--wait` waits for another session's tentative lock too, until it is given back, or arbitrated and given back."""
    (clone,) = team(world, forks, "a")
    offline(forks, clone, "x.py", "one")
    waiting = clone.start_peer("lock", "x.py", "--wait", "1s" if end == "out of time" else "60s", "--json", as_="two")
    if end == "out of time":
        answer = waiting.finish(1)
        said = answer.json()
        assert (code(answer), said["acquired"], said["conflicts"][0]["lock"]["session"]) == ("locked", False, "one")
        assert held(forks, clone) == {"x.py": ("one", "tentative")}
        return
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.process.wait(2)
    if end == "sync":
        assert forks.peer(clone, "sync", "--json").json()["lost"] == []
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.process.wait(2)
        assert held(forks, clone) == {"x.py": ("one", "remote")}
    forks.peer(clone, "unlock", "x.py", as_="one")
    assert waiting.finish(0).json()["acquired"] is True
    assert held(forks, clone) == {"x.py": ("two", "remote")}
    sound(forks, clone)


def test_a_tentative_one_while_another_waits(world: World, forks: Forks) -> None:
    """Who waits is not served what another session of the clone has taken tentatively meanwhile."""
    first, second = team(world, forks, "a", "b")
    forks.peer(first, "lock", "x.py", as_="holder")
    waiting = second.start_peer("lock", "x.py", "--wait", "60s", "--json", as_="two")
    end = time.monotonic() + 20
    while not forks.peer(second, "log", "--kind", "lock.wait", "--json").objects():
        assert time.monotonic() < end
        time.sleep(0.1)
    forks.peer(second, "lock", "--offline", "y.py", as_="one")
    forks.peer(first, "unlock", "x.py", as_="holder")
    assert waiting.finish(0).json()["acquired"] is True  # what is tentative elsewhere is in nobody's way
    assert held(forks, second) == {"x.py": ("two", "remote"), "y.py": ("one", "tentative")}


def test_gate_refuses_others(world: World, forks: Forks) -> None:
    (clone,) = team(world, forks, "a", hooks=True)
    cut_off(world, clone)
    offline(forks, clone, "src/auth.py", "one")
    clone.write("src/auth.py", "changed\n")
    clone.git("add", "-A")
    refused = clone.git("commit", "-m", "x", env={"GIT_PEER_SESSION": "two"}, check=False)
    assert refused.status != 0, refused
    assert "one" in refused.err, refused
    clone.git("commit", "-q", "-m", "x", env={"GIT_PEER_SESSION": "one"})


def test_sync_names_each_loss(world: World, forks: Forks) -> None:
    """Both took two paths offline; one of each stands against the other's."""
    first, second = team(world, forks, "a", "b")
    for clone in (first, second):
        cut_off(world, clone)
    for path in ("both.py", "first.py"):
        offline(forks, first, path, "one")
    for path in ("second.py", "both.py", "other.py"):
        offline(forks, second, path, "two")
    for clone in (first, second):
        back(world, clone)
    assert forks.peer(first, "sync", "--json").json()["lost"] == []
    answer = forks.peer(second, "sync", "--json", status=1)
    assert code(answer) == "lost", answer
    (lost,) = answer.json()["lost"]
    assert (lost["command"], lost["holder"], lost["session"]) == ("lock both.py", "one", "two")
    assert "one" in lost["why"]
    assert held(forks, second) == {
        "both.py": ("one", "remote"), "first.py": ("one", "remote"),
        "second.py": ("two", "remote"), "other.py": ("two", "remote"),
    }  # fmt: skip
    assert forks.peer(second, "sync", "--json").json()["lost"] == []  # once told, settled
    assert {path: len(ids) for path, ids in takes(forks, second).items()} == dict.fromkeys(held(forks, second), 1)
    assert not second.git("for-each-ref", layout.TENTATIVE).out
    sound(forks, first, second)


def test_loser_is_told_though_another_syncs(world: World, forks: Forks) -> None:
    """`sync` arbitrates the whole clone: the session that lost learns it from its own next command."""
    first, second = team(world, forks, "a", "b")
    offline(forks, second, "both.py", "two")
    forks.peer(first, "lock", "both.py", as_="one")
    forks.peer(second, "sync", as_="three", status=1)
    notices = forks.peer(second, "locks", "--json", as_="two").json()["notices"]
    assert [(n["code"], n["target"], n["holder"]) for n in notices] == [("lost", "both.py", "one")]
    assert forks.peer(second, "locks", "--json", as_="three").json()["notices"] == []
    forks.peer(second, "lock", "else.py", as_="two")  # a writing command: now it has been told
    assert forks.peer(second, "locks", "--json", as_="two").json()["notices"] == []


def test_all_or_nothing(world: World, forks: Forks) -> None:
    first, second = team(world, forks, "a", "b")
    forks.peer(second, "lock", "--offline", "free.py", "taken.py", as_="two")
    forks.peer(first, "lock", "taken.py", as_="one")
    (lost,) = forks.peer(second, "sync", "--json", status=1).json()["lost"]
    assert lost["command"] == "lock free.py taken.py"
    assert held(forks, second) == {"taken.py": ("one", "remote")}


def test_unlock(world: World, forks: Forks) -> None:
    first, second = team(world, forks, "a", "b")
    cut_off(world, second)
    for path in ("x.py", "y.py"):
        offline(forks, second, path, "two")
    answer = forks.peer(second, "unlock", "x.py", "--json", as_="two").json()
    assert [lock["path"] for lock in answer["released"]] == ["x.py"]
    assert held(forks, second) == {"y.py": ("two", "tentative")}
    offline(forks, second, "x.py", "three")
    refused = forks.peer(second, "unlock", "x.py", "--json", as_="two", status=None)
    assert refused.status != 0, "another's tentative lock"
    assert held(forks, second)["x.py"] == ("three", "tentative")
    back(world, second)
    forks.peer(second, "sync")
    forks.peer(first, "sync")
    assert held(forks, first) == {"x.py": ("three", "remote"), "y.py": ("two", "remote")}


def test_again_is_the_same(world: World, forks: Forks) -> None:
    """One's own tentative lock is renewed, by --offline and by an ordinary lock."""
    (clone,) = team(world, forks, "a")
    offline(forks, clone, "x.py", "one")
    offline(forks, clone, "x.py", "one")
    assert held(forks, clone) == {"x.py": ("one", "tentative")}
    forks.peer(clone, "lock", "x.py", as_="one")
    assert forks.peer(clone, "sync", "--json").json()["lost"] == []
    assert held(forks, clone) == {"x.py": ("one", "remote")}
    assert len(takes(forks, clone)["x.py"]) == 1


def test_what_is_ones_own_already(world: World, forks: Forks) -> None:
    """A lock from the arbiter, asked for again without it: answered with that lock, as it stands."""
    (clone,) = team(world, forks, "a")
    (first,) = forks.peer(clone, "lock", "x.py", "--json", as_="one").json()["locks"]
    cut_off(world, clone)
    answer = forks.peer(clone, "lock", "--offline", "x.py", "y.py", "--json", as_="one").json()
    assert {lock["path"]: lock["guarantee"] for lock in answer["locks"]} == {"x.py": "remote", "y.py": "tentative"}
    assert next(lock for lock in answer["locks"] if lock["path"] == "x.py")["id"] == first["id"]
    back(world, clone)
    assert forks.peer(clone, "sync", "--json").json()["lost"] == []
    assert {path: len(ids) for path, ids in takes(forks, clone).items()} == {"x.py": 1, "y.py": 1}


def test_an_old_loss_stands_in_no_way(world: World, forks: Forks) -> None:
    """What a fetch shows to be lost is for `sync` to name; other tentative locks can be taken and given back."""
    first, second = team(world, forks, "a", "b")
    offline(forks, second, "lost.py", "two")
    forks.peer(first, "lock", "lost.py", as_="one")
    assert code(forks.peer(second, "lock", "lost.py", "--json", as_="three", status=1)) == "locked"
    cut_off(world, second)
    forks.peer(second, "lock", "x.py", "--json", as_="three", status=3)
    forks.peer(second, "lock", "--offline", "x.py", "y.py", as_="two")
    forks.peer(second, "unlock", "x.py", as_="two")
    back(world, second)
    (lost,) = forks.peer(second, "sync", "--json", status=1).json()["lost"]
    assert lost["command"] == "lock lost.py"
    assert held(forks, second) == {"lost.py": ("one", "remote"), "y.py": ("two", "remote")}


def test_remote_down(world: World, forks: Forks) -> None:
    """Exit 3, again and again, and nothing of it is lost."""
    (clone,) = team(world, forks, "a")
    cut_off(world, clone)
    offline(forks, clone, "x.py", "one")
    for _ in range(2):
        answer = forks.peer(clone, "sync", "--json", status=3)
        assert code(answer) == "unreachable"
        assert held(forks, clone) == {"x.py": ("one", "tentative")}
    back(world, clone)
    forks.peer(clone, "sync")
    assert held(forks, clone) == {"x.py": ("one", "remote")}


def test_killed_sync(world: World, forks: Forks, every: int) -> None:
    """Killed at its steps: run again it ends the work, grants nothing twice, and the loss is told."""
    first, second = team(world, forks, "a", "b")
    for step in range(0, STEPS, every):
        won, lost = (f"{what}{step}.py" for what in ("won", "lost"))
        for path in (lost, won):
            offline(forks, second, path, "two")
        forks.peer(first, "lock", lost, as_="one")
        killed = forks.peer(second, "sync", "--json", kill=step, status=None)
        if killed.status != KILLED:
            break
        again = forks.peer(second, "sync", "--json", status=None)
        named = [one["command"] for one in again.json()["lost"]]
        told = [one["command"] for one in killed.json()["lost"]] if killed.out else []
        assert f"lock {lost}" in named + told, f"no answer names the loss: {killed.err}\n{again}"
        assert again.status == (1 if named else 0), again
        now = held(forks, second)
        assert (now[lost], now[won]) == (("one", "remote"), ("two", "remote")), killed.err
        forks.peer(second, "unlock", won, as_="two")
    assert killed.status == 1
    assert 5 < step < STEPS - 1
    assert not second.git("for-each-ref", layout.TENTATIVE).out
    sound(forks, first, second)


def test_together(world: World, forks: Forks) -> None:
    """What several sessions took tentatively is arbitrated in one push, each for itself."""
    first, second = team(world, forks, "a", "b")
    for number in range(4):
        offline(forks, second, f"{number}.py", f"s{number}")
    forks.peer(first, "lock", "2.py", as_="one")
    answer = forks.peer(second, "sync", "--json", status=1).json()
    assert (answer["traffic"]["pushes"], answer["pushed"], len(answer["lost"])) == (1, 3, 1)
    assert held(forks, second) == {
        f"{number}.py": ("one" if number == 2 else f"s{number}", "remote") for number in range(4)
    }
    sound(forks, first, second)


def test_remote_goes_between_two(world: World, forks: Forks) -> None:
    """The remote takes the first push and no more: what it took stays, the loss before it is still named later."""
    first, second = team(world, forks, "a", "b")
    x, y = ([f"{name}/{'n' * 120}{number}.py" for number in range(900)] for name in "xy")  # two pushes' worth
    offline(forks, second, "lost.py", "two")
    for name, paths in (("two", x), ("three", y)):
        forks.peer(second, "lock", "--offline", *paths, as_=name)
    forks.peer(first, "lock", "lost.py", as_="one")
    hook = world.remote / "hooks" / "post-receive"
    hook.write_text(f"#!/bin/sh\nmv {world.remote} {world.remote}.away\n")
    hook.chmod(0o755)
    env = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "peer.retryTimeout", "GIT_CONFIG_VALUE_0": "1s"}
    assert forks.peer(second, "sync", "--json", status=3, env=env).json()["ok"] is False
    world.remote.with_name("remote.git.away").rename(world.remote)
    hook.unlink(missing_ok=True)
    now = held(forks, second)
    assert sorted({now[path][1] for path in x} | {now[path][1] for path in y}) == ["remote", "tentative"]
    answer = forks.peer(second, "sync", "--json", status=1).json()
    assert [one["command"] for one in answer["lost"]] == ["lock lost.py"]
    whose = {"lost.py": "one", **dict.fromkeys(x, "two"), **dict.fromkeys(y, "three")}
    assert held(forks, second) == {path: (name, "remote") for path, name in whose.items()}
