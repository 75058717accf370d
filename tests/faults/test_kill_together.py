"""kill -9 where writers of one clone share a transaction, at random times, and in the middle of a move of a ref."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable

import pytest
from filelock import FileLock

from git_peer import layout
from git_peer.publish import inbox
from tests.faults.forks import KILLED, STEPS, Ask, Forks, attempts
from tests.faults.history import code, sound, takes, winners
from tests.faults.test_answers import QUICK, SLOW, behind_proxy
from tests.faults.test_kill import held, prepare
from tests.world import Clone, Result, Running, World

pytestmark = pytest.mark.faults


def open_ends(clone: Clone) -> list[str]:
    """What is on record in a clone as not told yet: attempts and requests."""
    folder = clone.path / ".git" / layout.FOLDER / layout.D_INBOX
    left = [file.name for file in folder.iterdir()] if folder.is_dir() else []
    return [*attempts(clone), *(name for name in left if name.endswith((".ask", ".taken", ".answer")))]


def not_told(clone: Clone) -> str:
    """The records of requests and answers that nobody has dropped in order to tell."""
    folder = clone.path / ".git" / layout.FOLDER
    waiting = {file.stem: file.read_text() for file in (folder / layout.D_INBOX).glob("*.taken")}
    found = list(waiting.values())
    for name in attempts(clone):
        answer = json.loads((folder / layout.D_ATTEMPTS / name).read_text())["answer"]
        batch = answer.get("batch", {inbox.OWN: answer})
        found += [json.dumps(part) for ident, part in batch.items() if ident in {inbox.OWN, *waiting}]
    return " ".join(found)


def settled(forks: Forks, clone: Clone, path: str, granted: list[str], why: str) -> None:
    """After the next command `path` is held only by who was told so, and nothing is left of those who died."""
    forks.peer(clone, "lock", f"next-{path}", as_="next")
    assert open_ends(clone) == [], why
    views = forks.peer(clone, "locks", path, "--json").json()["locks"]
    assert {lock["id"] for lock in views} == set(granted), why


def company(world: World, forks: Forks, clone: Clone, path: str, kills: dict[str, int]) -> dict[str, Result]:
    """s0 gets the kernel lock and takes s1 and s2 along, who ask for the same; `kills`: who dies at which step."""
    env = {"GATHER": f"2:{world.folder / path}"}
    asks = [
        Ask(clone, ("lock", path, "--json"), name, kills.get(name), ("follows" if number else "combines",), env)
        for number, name in enumerate(("s0", "s1", "s2"))
    ]
    return dict(zip(("s0", "s1", "s2"), forks.together(asks), strict=True))


@pytest.mark.parametrize("who", ["s0", "s1"])
@pytest.mark.parametrize("mode", ["local", "remote"])
def test_killed_in_company(world: World, forks: Forks, mode: str, who: str, every: int) -> None:
    """Who combines, and who is taken along, killed at its steps: the others have true answers, nobody has two."""
    clone = prepare(world, forks, mode)
    for step in range(0, STEPS, every):
        path = f"at{step}.py"
        told = company(world, forks, clone, path, {who: step})
        killed = told.pop(who)
        if killed.status != KILLED:
            break
        why = f"{killed.err}\n" + "".join(map(str, told.values()))
        odd = [one for one in told.values() if one.status != 0 and code(one) != "locked"]
        assert odd == [], why
        granted = winners(list(told.values()))
        assert len(granted) <= 1, why
        before = {lock["session"]: lock["id"] for lock in forks.peer(clone, "locks", path, "--json").json()["locks"]}
        if not granted and not open_ends(clone):  # killed between having it on record that it is told, and telling
            assert set(before) <= {who}, why
            granted = list(before.values())
        settled(forks, clone, path, granted, why)
    assert 4 < step < STEPS - 1
    sound(forks, clone)


def unblock(forks: Forks, clone: Clone, answer: Result) -> None:
    """The kill hit the moment in which a ref's lock file is there and still empty: said so, and mended by doctor."""
    assert (answer.status in (3, KILLED), code(answer)) == (True, "busy"), str(answer)  # killed once it had said so
    assert "doctor" in answer.json()["error"]["hint"]
    for path in (clone.path / ".git" / "refs" / "peer").rglob("*.lock"):
        assert not path.read_text(), "a lock file that is known to be ours stood in the way"
        os.utime(path, (time.time() - 60,) * 2)
    forks.peer(clone, "doctor", "--fix", status=None)


@pytest.mark.parametrize("mode", ["local", "remote"])
def test_random_kills(world: World, forks: Forks, mode: str) -> None:
    """Real programs, killed at random times for some seconds, git children and all the rest left to themselves."""
    clone = prepare(world, forks, mode)
    rng = random.Random(20)
    end = time.monotonic() + 6
    told: dict[str, str] = {}
    on_record: set[str] = set()  # who has one of these was killed between the record that it is told, and the telling
    turn = 0
    while time.monotonic() < end:
        turn += 1
        running: list[tuple[str, Running]] = []
        for index in range(2):
            path = f"{turn}-{index}.py"
            running.append((path, clone.start_peer("lock", path, "--json", as_=f"s{index}")))
        time.sleep(rng.uniform(0.05, 0.45))
        for path, one in running:
            result = one.kill()
            if result.raw:  # killed after it had told, perhaps
                if result.json()["ok"]:
                    told[path] = result.json()["locks"][0]["id"]
                else:
                    unblock(forks, clone, result)
        left = not_told(clone)
        on_record.update(path for path, _ in running if f'"{path}"' not in left)
    after = forks.peer(clone, "lock", "after.py", "--json", as_="after", status=None)
    if after.status:
        unblock(forks, clone, after)
        forks.peer(clone, "lock", "after.py", as_="after")
    now = held(forks, clone)
    assert set(told) <= set(now), "what was granted and told is lost"
    assert {path: ids[-1] for path, ids in takes(forks, clone).items() if path in told} == told
    untold = set(now) - set(told) - {"after.py", "keep.py"}
    for path in untold:
        forks.peer(clone, "unlock", path, as_=now[path])
    assert untold <= on_record, f"{untold - on_record} of {2 * turn} are held by somebody who was not told"
    assert attempts(clone) == set()
    sound(forks, clone)


def test_combiner_killed_and_network_gone(world: World, forks: Forks) -> None:
    """Who was taken along by a dead writer, and cannot ask, says so; what it got is given back."""
    script = world.remote / "hooks" / "update"
    script.write_text(SLOW)
    script.chmod(0o755)
    with behind_proxy(world, forks, "git") as scene:
        folder = scene.clone.path / ".git" / layout.FOLDER
        (world.remote / "slow").touch()
        with FileLock(folder / layout.F_LOCK):  # nobody is served before both wait
            programs = {
                name: scene.clone.start_peer("lock", f"{name}.py", "--json", as_=name, env=QUICK)
                for name in ("s0", "s1")
            }
            wait_for(lambda: len(list((folder / layout.D_INBOX).glob("*.ask"))) == 2)
        wait_for(lambda: any((folder / layout.D_INBOX).glob("*.taken")) and not (world.remote / "slow").exists())
        waiting = json.loads(next((folder / layout.D_INBOX).glob("*.taken")).read_bytes())["me"]["name"]
        scene.proxy.gone, scene.proxy.cuts = True, 1  # from the next connection on
        dead = "s1" if waiting == "s0" else "s0"
        assert programs[dead].kill().status == KILLED
        answer = programs[waiting].finish(3)
        assert code(answer) == "unknown", str(answer)
        time.sleep(3)  # the push of the dead one lands
        scene.judge(f"{waiting}.py", answer)
        assert f"{dead}.py" not in held(forks, scene.clone)
        assert open_ends(scene.clone) == []
        sound(forks, scene.clone, scene.witness)


def wait_for(there: Callable[[], bool]) -> None:
    """Until something is there; fails after a while."""
    end = time.monotonic() + 30
    while not there():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


@pytest.mark.parametrize("mode", ["local", "remote"])
def test_ref_lock_of_ours(world: World, forks: Forks, mode: str) -> None:
    """Killed in the middle of moving the tip: the lock file holds what was noted, so the next command removes it."""
    clone = prepare(world, forks, mode)
    steps = iter(range(STEPS))
    while "moving refs/peer" not in forks.peer(clone, "lock", "a.py", as_="a", kill=next(steps), status=KILLED).err:
        forks.peer(clone, "unlock", "--all", as_="a", status=None)  # settled: the steps are the same again
    noted = (clone.path / ".git" / layout.FOLDER / layout.F_NEXT).read_text()
    lock = clone.path / ".git" / f"{layout.TIP}.lock"
    lock.write_text(noted)  # as libgit2 leaves it, between writing and renaming it
    forks.peer(clone, "lock", "b.py", as_="b")
    assert not lock.exists()
    assert set(held(forks, clone)) == {"keep.py", "b.py"}
    sound(forks, clone)


@pytest.mark.parametrize("content", ["nothing", "a commit"])
def test_ref_lock_left_behind(world: World, forks: Forks, content: str) -> None:
    """libgit2 killed in the middle of moving the tip leaves a lock file: said so, and mended by doctor."""
    clone = prepare(world, forks, "local")
    lock = clone.path / ".git" / f"{layout.TIP}.lock"
    lock.write_text("" if content == "nothing" else f"{clone.head()}\n")
    stuck = forks.peer(clone, "lock", "a.py", "--json", as_="a", status=3)
    assert code(stuck) == "busy"
    assert "doctor" in stuck.json()["error"]["hint"]
    checks = {check["name"]: check for check in forks.peer(clone, "doctor", "--json", status=None).json()["checks"]}
    assert "ref locks" in checks
    old = time.time() - 60
    os.utime(lock, (old, old))
    failing = {check["name"]: check for check in forks.peer(clone, "doctor", "--json", status=1).json()["checks"]}
    assert failing["ref locks"]["status"] == "fail"
    forks.peer(clone, "doctor", "--fix")
    assert not lock.exists()
    forks.peer(clone, "lock", "a.py", as_="a")
    assert set(takes(forks, clone)) == {"keep.py", "a.py"}
    sound(forks, clone)


def test_foreign_ref_lock_stays(world: World, forks: Forks) -> None:
    """A lock on a ref that is not ours is named, never removed."""
    clone = prepare(world, forks, "local")
    lock = clone.path / ".git" / "refs" / "heads" / "main.lock"
    lock.write_text("")
    os.utime(lock, (time.time() - 600,) * 2)
    forks.peer(clone, "doctor", "--fix", status=None)
    assert lock.exists()
