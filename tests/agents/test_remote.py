"""With a remote: edits never wait for it, and what they took is arbitrated behind them, together."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.agents.calling import Agent, context, eventually
from tests.proxies import hang
from tests.servers import DelayProxy, git_daemon
from tests.world import Clone, World


def traffic(world: World) -> int:
    """How often the log was pushed to."""
    log = world.remote / "pushes"
    return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture
def counted(world: World, pair: tuple[Clone, Clone]) -> tuple[Clone, Clone]:
    """The pair, on a remote that counts its pushes."""
    hook = world.remote / "hooks" / "post-receive"
    hook.write_text(f"#!/bin/sh\necho x >>{world.remote}/pushes\n")
    hook.chmod(0o755)
    return pair


def held(clone: Clone) -> dict[str, tuple[str, str]]:
    """Path → (session, guarantee)."""
    return {
        lock["path"]: (lock["session"], lock["guarantee"]) for lock in clone.peer("locks", "--json").json()["locks"]
    }


def arrived(clone: Clone, *paths: str) -> bool:
    """Whether the remote has granted all of these, as this clone knows after a fetch."""
    clone.peer("sync", status=None)
    found = held(clone)
    return all(found.get(path, ("", ""))[1] == "remote" for path in paths)


def sender_of(clone: Clone) -> list[int]:
    """The processes that hold the sender's lock of a clone."""
    target = str(clone.common / "peer" / "sender")
    found = []
    for place in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(place) == target:
                found.append(int(place.parts[2]))
        except OSError:
            continue
    return sorted(set(found))


def test_the_session_is_published(counted: tuple[Clone, Clone]) -> None:
    one, two = counted
    agent = Agent(one)
    assert agent.name in context(agent.call("session-start", source="startup"))

    def there() -> bool:
        two.peer("sync")
        return agent.name in [peer["name"] for peer in two.peer("peers", "--json").json()["sessions"]]

    eventually(there)
    agent.edit("src/api.py")
    assert agent.call("session-end") == {}
    eventually(lambda: not there())
    assert held(two) == {}


def test_tentative_then_arbitrated_together(world: World, counted: tuple[Clone, Clone]) -> None:
    """Five sessions edit a file each: they have it at once, and one push takes all of them."""
    one, two = counted
    agents = [Agent(one, f"s{number}") for number in range(5)]
    for number, agent in enumerate(agents):
        assert agent.edit(f"src/{number}.py") == ""
    assert "tentative" in {guarantee for _, guarantee in held(one).values()}  # whose edit waited for no push
    assert agents[0].name in agents[1].edit("src/0.py")  # in this clone it holds at once
    pushes = traffic(world)
    names = {f"src/{number}.py": agent.name for number, agent in enumerate(agents)}

    def landed() -> bool:
        two.peer("sync")
        return {path: who for path, (who, _) in held(two).items()} == names

    eventually(landed)
    assert traffic(world) - pushes <= 2  # the first may have gone alone
    assert set(held(one).values()) == {(name, "remote") for name in names.values()}
    assert agents[0].edit("src/0.py") == ""
    assert agents[0].name in Agent(two, "else").edit("src/0.py")
    eventually(lambda: not sender_of(one))  # nothing is left to be sent


def test_the_loser_is_told_before_its_next_edit(counted: tuple[Clone, Clone]) -> None:
    one, two = counted
    first, second = Agent(one, "s1"), Agent(two, "s2")
    one.peer("lock", "src/api.py", env=first.env)
    assert second.edit("src/api.py") == ""  # its clone does not know yet
    eventually(lambda: held(two).get("src/api.py", ("",))[0] == first.name)
    why = second.edit("src/auth.py")
    assert why == ""
    assert first.name in second.edit("src/api.py")


def test_the_loser_hears_of_it_with_another_edit(counted: tuple[Clone, Clone]) -> None:
    one, two = counted
    first, second = Agent(one, "s1"), Agent(two, "s2")
    one.peer("lock", "src/api.py", env=first.env)
    assert second.edit("src/api.py") == ""  # its clone does not know yet
    eventually(lambda: held(two).get("src/api.py", ("",))[0] == first.name)
    answer = second.call("pre-edit", tool_input={"file_path": str(two.path / "src/auth.py")})
    assert "src/api.py was lost" in context(answer)
    assert first.name in context(answer)


def test_a_dead_sender_is_restarted(counted: tuple[Clone, Clone]) -> None:
    one, two = counted
    agent = Agent(one)
    one.git("remote", "set-url", "origin", str(one.path.with_name("nowhere")))
    assert agent.edit("src/api.py") == ""
    (sender,) = eventually(lambda: sender_of(one))
    agent.edit("src/auth.py")
    assert sender_of(one) == [sender]  # never a second one
    os.kill(sender, signal.SIGKILL)
    eventually(lambda: not sender_of(one))
    one.git("remote", "set-url", "origin", one.world.url)
    assert agent.edit("src/auth.py") == ""  # a hook that memory answers starts one, too
    eventually(lambda: arrived(two, "src/api.py", "src/auth.py"))


def test_a_push_arbitrates_what_is_left(counted: tuple[Clone, Clone]) -> None:
    """`git push` and `git peer push` do not rest on the sender: who lost is refused."""
    one, two = counted
    first, second = Agent(one, "s1"), Agent(two, "s2")
    for program in ("git", "peer"):
        path = f"src/{program}.py"
        one.peer("lock", path, env=first.env)
        two.git("remote", "set-url", "origin", str(two.path.with_name("nowhere")))
        assert second.edit(path) == ""
        two.write(path, "x\n")
        two.git("add", "-A")
        two.git("commit", "-qm", path, env=second.env)
        two.git("remote", "set-url", "origin", two.world.url)
        push = ("push", "origin", "HEAD:main")
        if program == "git":
            ran = two.git(*push, env=second.env, check=False)
        else:
            ran = two.peer(*push, env=second.env, status=None)
        assert ran.status != 0, ran
        assert first.name in ran.err, ran


def test_a_remote_that_hangs(world: World, pair: tuple[Clone, Clone]) -> None:
    """No hook waits for it: all events answer as ever."""
    one, _ = pair
    with hang() as server:
        one.git("remote", "set-url", "origin", f"git://127.0.0.1:{server.port}/remote.git")
        one.git("config", "peer.maxStaleness", "1s")
        one.git("config", "peer.retryTimeout", "3s")
        agent = Agent(one)
        for event in ("session-start", "prompt", "pre-edit", "post-edit", "pre-compact", "stop", "session-end"):
            began = time.monotonic()
            answer = agent.call(event, tool_input={"file_path": str(one.path / "src/api.py")})
            assert time.monotonic() - began < 5.0, event
            assert "systemMessage" not in answer, answer
        eventually(lambda: server.accepted > 0)  # by what runs in the background


def test_an_edit_does_not_wait_for_a_push(world: World, pair: tuple[Clone, Clone]) -> None:
    """While a sync of this clone is on its way to a far remote, an edit of a new file is granted."""
    one, _ = pair
    with git_daemon(world.folder) as daemon, DelayProxy(daemon.port, rtt=6.0) as far:
        one.git("remote", "set-url", "origin", f"git://127.0.0.1:{far.port}/remote.git")
        one.peer("lock", "--offline", "a.py", as_="early")
        syncing = one.start_peer("sync")
        eventually(lambda: far.connections)
        agent = Agent(one)
        assert agent.edit("src/api.py") == ""
        assert agent.locks() == {"src/api.py": "tentative"}
        assert syncing.process.poll() is None
        syncing.kill()
        for pid in sender_of(one):
            os.kill(pid, signal.SIGKILL)
