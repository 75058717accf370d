"""Containers: how they are made, and that none is left."""

from __future__ import annotations

import contextlib
import gc
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from git_peer.adapters import docker
from git_peer.adapters.docker import CODE, Docker, Limits
from git_peer.core.errors import PeerError
from git_peer.ports import Job
from tests.engine import Loose
from tests.sandbox.conftest import LIMITS
from tests.world import Running, start

RUNNER = """
import sys
from pathlib import Path
from git_peer.adapters import docker
from git_peer.adapters.docker import Docker, Limits
from git_peer.ports import Job
docker.LABEL = sys.argv[5]
box = Docker(sys.argv[1], Limits(64, 1, 32), lambda told: print(told, flush=True))
print("ready", flush=True)
print(box.run(Job(Path(sys.argv[2]), sys.argv[3], 60, sys.argv[4])).output, flush=True)
"""


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels of this test's own: the sandboxes of others do not sweep what it leaves."""
    monkeypatch.setattr(docker, "LABEL", f"git-peer-{secrets.token_hex(4)}")


@pytest.fixture
def api(image: str) -> Iterator[Any]:
    """The engine."""
    with contextlib.closing(docker.connect()) as found:
        yield found


def ours(api: Any, label: str) -> list[dict[str, Any]]:
    """The containers of jobs of that label."""
    found: list[dict[str, Any]] = api.containers(all=True, filters={"label": f"{docker.LABEL}.for={label}"})
    return found


def until(api: Any, label: str, number: int) -> list[dict[str, Any]]:
    """Wait for that many of them that run."""
    for _ in range(600):
        found = [one for one in ours(api, label) if one["State"] == "running"]
        if len(found) == number:
            return found
        time.sleep(0.05)
    raise AssertionError(f"never {number} containers: {found}")


def runner(image: str, code: Path, command: str, label: str) -> Running:
    """A process that runs a job."""
    return start((sys.executable, "-P", "-c", RUNNER, image, str(code), command, label, docker.LABEL), code.parent)


def label_of(tmp_path: Path) -> str:
    """A label that no other test's jobs bear."""
    return str(tmp_path)[-150:]


# -- how they are made --------------------------------------------------------------------------------
def test_how_it_is_made(api: Any, image: str, code: Path, tmp_path: Path) -> None:
    """What the engine says of a running one. An engine without networks would isolate any: it is not by luck."""
    label = label_of(tmp_path)
    run = runner(image, code, "sleep 50", label)
    (one,) = until(api, label, 1)
    found = api.inspect_container(one["Id"])
    host = found["HostConfig"]
    assert found["Name"].startswith("/git-peer-")
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["Privileged"]) == ("none", True, False)
    assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], None)
    assert host["SecurityOpt"] == ["no-new-privileges"]  # and no seccomp=unconfined: the default filter
    assert host["MaskedPaths"]
    assert (host["Memory"], host["MemorySwap"]) == (64 << 20, 64 << 20)
    assert (host["NanoCpus"], host["PidsLimit"]) == (10**9, 32)
    assert host["LogConfig"]["Type"] == "none"
    assert found["Config"]["User"] == "65534:65534"
    assert [(m["Destination"], m["RW"]) for m in found["Mounts"]] == [(CODE, False)]
    names = {one.partition("=")[0] for one in found["Config"]["Env"]} - {
        "GIT_PEER_REPORT"
    }  # where a gate wants its report
    assert not any(word in name for name in names for word in ("KEY", "TOKEN", "GIT_"))
    run.process.send_signal(signal.SIGINT)
    run.finish()
    assert ours(api, label) == []


@pytest.mark.parametrize("closed", [".", "a", "a/private", "tool"])
def test_what_is_its_owner_s_only(box: Docker, code: Path, closed: str) -> None:
    """It is read all the same, and stays as it is."""
    (code / "a").mkdir()
    (code / "a" / "private").write_text("text\n")
    (code / "tool").write_text("#!/bin/sh\necho tool\n")
    (code / "link").symlink_to("a/private")
    os.mkfifo(code / "pipe")
    (code / "tool").chmod(0o755)
    (code / closed).chmod(0o700)
    before = {path: path.lstat().st_mode for path in (code, *code.rglob("*"))}
    ran = box.run(Job(code, "cat a/private link; ./tool", 20))
    assert (ran.status, ran.output) == (0, "text\ntext\ntool\n")
    assert {path: path.lstat().st_mode for path in (code, *code.rglob("*"))} == before


@pytest.mark.parametrize(
    ("command", "status", "output"),
    [
        ("exit 7", 7, ""),
        ("kill -9 $$", 137, None),  # shells differ in what they say of it
        ("no-such-program", 127, "sh: 1: no-such-program: not found\n"),
        ("pwd; cat there; echo $0; cat", 0, "/code\nthere\nsh\n"),
        ("echo out; echo err >&2; echo 'a  \"b\"'", 0, 'out\nerr\na  "b"\n'),
        ("printf '\\377x'", 0, "\ufffdx"),
        ("sleep 100 & setsid sleep 100 2>/dev/null & echo left", 0, "left\n"),
    ],
)
def test_how_it_ends(box: Docker, code: Path, command: str, status: int, output: str | None) -> None:
    (code / "there").write_text("there\n")
    ran = box.run(Job(code, command, 20))
    assert (ran.status, ran.ended) == (status, "")
    assert output in (None, ran.output.replace("sh: no-such", "sh: 1: no-such"))


def test_orphans_are_reaped(box: Docker, code: Path) -> None:
    """More processes than it may have, one after another, each left to the first process of the container."""
    loop = "i=0; while [ $i -lt 100 ]; do (sleep 0 &) || exit 3; i=$((i + 1)); done; sleep 0.2; (true) && echo all"
    assert box.run(Job(code, loop, 30)).output == "all\n"


def test_pytest_and_what_is_declared(box: Docker, code: Path) -> None:
    """Packages of the project are there, the tests' report comes back, and the folder takes no cache."""
    (code / "test_it.py").write_text(
        "import click, tomli_w, threading\n\n\ndef test_good():\n    pass\n\n\ndef test_bad():\n    assert 0\n"
    )
    for command in ("pytest -q", "python3 -m pytest -q", "python -m pytest -q --lf"):
        ran = box.run(Job(code, command, 60))
        assert (ran.status, ran.ended) == (1, ""), ran
        assert b'tests="2"' in ran.report
        assert b'failures="1"' in ran.report
        assert "arning" not in ran.output, ran.output
    assert [path.name for path in code.iterdir()] == ["test_it.py"]


# -- that none is left --------------------------------------------------------------------------------
@pytest.mark.parametrize("command", ["true", "exit 1", "sleep 100 &", "kill -9 1 -1"])
def test_an_ended_job_leaves_nothing(api: Any, box: Docker, code: Path, tmp_path: Path, command: str) -> None:
    box.run(Job(code, command, 20, label_of(tmp_path)))
    assert ours(api, label_of(tmp_path)) == []


def test_a_killed_runner_s_container(api: Any, image: str, code: Path, tmp_path: Path) -> None:
    """It goes on, until the next one sweeps; a living runner's is left alone by it."""
    label = label_of(tmp_path)
    dead, alive = (runner(image, code, "sleep 4; echo done", f"{label}{name}") for name in "da")
    (left,) = until(api, f"{label}d", 1)
    until(api, f"{label}a", 1)
    dead.kill()
    assert [one["Id"] for one in ours(api, f"{label}d")] == [left["Id"]]
    told: list[str] = []
    Docker(image, LIMITS, told.append).close()
    assert ours(api, f"{label}d") == []
    assert left["Names"][0].lstrip("/") in "".join(told)
    assert len(ours(api, f"{label}a")) == 1
    assert alive.finish(0).out == "ready\ndone\n\n"
    assert ours(api, f"{label}a") == []


@pytest.mark.parametrize("changed", ["host", "pid"])
def test_what_is_not_swept(api: Any, image: str, code: Path, tmp_path: Path, changed: str) -> None:
    """Another machine's container, and one whose labels say nothing; one of a process that is gone is, the control."""

    def relabel(form: dict[str, Any]) -> None:
        form["Labels"] |= {f"{docker.LABEL}.born": "long ago", f"{docker.LABEL}.{changed}": "another"}

    def long_gone(form: dict[str, Any]) -> None:
        form["Labels"] |= {f"{docker.LABEL}.born": "long ago"}

    def work(box: Docker, what: str) -> None:
        with contextlib.suppress(PeerError):  # it is taken away under its hands, by this test or another one's runner
            box.run(Job(code, "sleep 100", 60, what))

    label = label_of(tmp_path)
    boxes = [Loose(relabel, LIMITS), Loose(long_gone, LIMITS)]
    kept, swept = (
        threading.Thread(target=work, args=(box, f"{label}{number}"), daemon=True) for number, box in enumerate(boxes)
    )
    kept.start()
    until(api, f"{label}0", 1)
    swept.start()
    end = time.monotonic() + 30
    while swept.is_alive():
        assert time.monotonic() < end
        docker.sweep(api)
    assert [len(ours(api, f"{label}{number}")) for number in (0, 1)] == [1, 0]
    docker.remove(api, ours(api, f"{label}0")[0]["Id"])
    kept.join(30)
    for box in boxes:
        box.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted(api: Any, image: str, code: Path, tmp_path: Path, number: signal.Signals) -> None:
    """^C takes the container along; the control is a kill, which cannot."""
    label = label_of(tmp_path)
    run = runner(image, code, "trap '' INT TERM; sleep 100", label)
    until(api, label, 1)
    run.process.send_signal(number)
    run.finish()
    left = [one["Id"] for one in ours(api, label)]
    assert len(left) == (number == signal.SIGKILL)
    docker.sweep(api)
    assert ours(api, label) == []


def test_two_at_once(image: str, code: Path) -> None:
    """Jobs of several sandboxes do not meet."""
    runs = [
        runner(image, code, f"echo {n} >/tmp/n; sleep 1; cat /tmp/n; ls /proc | grep -c '^[0-9]'", "") for n in "ab"
    ]
    said = [run.finish(0).out.split() for run in runs]
    assert [words[:2] for words in said] == [["ready", "a"], ["ready", "b"]]
    assert max(int(words[2]) for words in said) < 8


# -- without ------------------------------------------------------------------------------------------
def test_no_image(api: Any) -> None:
    with pytest.raises(PeerError, match="no image git-peer-sandbox:no-such") as error:
        Docker("git-peer-sandbox:no-such", Limits(), lambda _: None)
    assert (error.value.code, "sandbox build" in error.value.hint) == ("unavailable", True)


def test_an_image_that_goes(api: Any, image: str, code: Path) -> None:
    """Between two jobs: nothing is fetched from anywhere."""
    api.tag(image, "git-peer-sandbox", f"goes-{os.getpid()}")
    name = f"git-peer-sandbox:goes-{os.getpid()}"
    with contextlib.closing(Docker(name, LIMITS, lambda _: None)) as box:
        assert box.run(Job(code, "echo here", 20)).output == "here\n"
        api.remove_image(name)
        with pytest.raises(PeerError, match="no image"):
            box.run(Job(code, "true", 20))


def test_no_code(box: Docker, tmp_path: Path) -> None:
    """Nothing is made in its place."""
    missing = tmp_path / "missing"
    with pytest.raises(FileNotFoundError):
        box.run(Job(missing, "true", 20))
    assert not missing.exists()


def test_a_limit_that_the_machine_has_not(image: str, code: Path) -> None:
    with contextlib.closing(Docker(image, Limits(64, 4096, 32), lambda _: None)) as box:
        with pytest.raises(PeerError, match="CPUs") as error:
            box.run(Job(code, "true", 20))
        assert error.value.code == "unavailable"


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the SDK leaves a socket that it cannot connect
def test_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(PeerError, match="no Docker engine answers: No such file") as error:
        docker.connect()
    assert (error.value.code, error.value.status) == ("unavailable", 3)
    gc.collect()  # that socket


def test_an_engine_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(PeerError, match="timed out") as error:
            docker.connect(1)
    assert error.value.code == "unavailable"
