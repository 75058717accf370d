"""`model pull`: what was interrupted goes on, and only the right bytes count; `model list`."""

from __future__ import annotations

import importlib.util
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models.hub import FILE, REPO, Hub, serving
from tests.world import Result, require, sealed, start

CHUNK = 10 * 1024 * 1024  # bytes that the hub's library writes at once
NAME = FILE.removesuffix(".gguf")


@pytest.fixture(autouse=True)
def _library() -> None:
    require("huggingface_hub", lambda: importlib.util.find_spec("huggingface_hub") is not None)


@pytest.fixture(scope="module")
def body() -> bytes:
    """A file of three chunks."""
    return random.Random(7).randbytes(3 * CHUNK - 123)


@pytest.fixture
def hub(body: bytes) -> Iterator[Hub]:
    """The server that has it."""
    with serving(body) as server:
        yield server


class Fetcher:
    """A user who runs `git peer model` outside of any repository."""

    def __init__(self, tmp: Path, hub: Hub) -> None:
        self.cwd = tmp / "somewhere"
        self.cwd.mkdir()
        home = tmp / "fetcher"
        self.env = {**sealed(home), "HF_ENDPOINT": hub.url, "PYTHONPATH": str(Path(__file__).parents[2])}
        self.folder = home / ".local/share/git-peer/models"

    def args(self, *args: str) -> tuple[str, ...]:
        """The command line."""
        import sys

        return (sys.executable, "-P", "-m", "git_peer", "model", *args)

    def model(self, *args: str, status: int = 0) -> Result:
        """Run it."""
        return start(self.args(*args), self.cwd, self.env).finish(status)

    def files(self) -> list[str]:
        """What is there beside locks."""
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".lock")


@pytest.fixture
def fetcher(tmp_path: Path, hub: Hub) -> Fetcher:
    """The user."""
    return Fetcher(tmp_path, hub)


def test_pulled_listed_and_not_pulled_again(fetcher: Fetcher, hub: Hub, body: bytes) -> None:
    before = fetcher.model("list", "--json").json()["models"]
    assert before
    assert not any(one["here"] for one in before)
    done = fetcher.model("pull", f"{REPO}/{FILE}", "--json").json()
    assert done["model"] == {"name": NAME, "path": str(fetcher.folder / FILE), "bytes": len(body)}
    assert (fetcher.folder / FILE).read_bytes() == body
    assert fetcher.files() == [FILE]
    assert hub.ranges == [None]
    fetcher.model("pull", f"{REPO}/{FILE}")
    assert hub.ranges == [None], "it was here, and its checksum is right"
    listed = {one["name"]: one for one in fetcher.model("list", "--json").json()["models"]}
    assert listed[NAME]["here"]
    assert listed[NAME]["bytes"] == len(body)
    assert NAME in fetcher.model("list").out


def test_a_killed_pull_goes_on(fetcher: Fetcher, hub: Hub, body: bytes) -> None:
    hub.hangs = 2 * CHUNK + 1000
    running = start(fetcher.args("pull", f"{REPO}/{FILE}"), fetcher.cwd, fetcher.env)
    part = fetcher.folder / ".part" / hub.checksum
    end = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size >= CHUNK):
        assert time.monotonic() < end
        time.sleep(0.02)
    running.process.send_signal(signal.SIGKILL)
    running.finish(-signal.SIGKILL)
    have = part.stat().st_size
    assert not (fetcher.folder / FILE).exists()
    hub.hangs = None
    told = fetcher.model("pull", f"{REPO}/{FILE}").err
    assert f"{have:,} of them here already" in told
    assert hub.ranges == [None, f"bytes={have}-"]
    assert (fetcher.folder / FILE).read_bytes() == body
    assert fetcher.files() == [FILE]


def test_a_cut_connection_is_taken_up_again(fetcher: Fetcher, hub: Hub, body: bytes) -> None:
    hub.cuts = [CHUNK + 5000]
    fetcher.model("pull", f"{REPO}/{FILE}")
    assert len(hub.ranges) == 2
    assert hub.ranges[1] is not None
    assert (fetcher.folder / FILE).read_bytes() == body


def test_a_wrong_checksum_counts_for_nothing(fetcher: Fetcher, hub: Hub, body: bytes) -> None:
    hub.body = body[:-1] + bytes([body[-1] ^ 1])  # the checksum is that of the true one
    done = fetcher.model("pull", f"{REPO}/{FILE}", "--json", status=1).json()
    assert done["error"]["code"] == "failed"
    assert "checksum" in done["error"]["message"]
    assert fetcher.files() == []
    hub.body = body
    fetcher.model("pull", f"{REPO}/{FILE}")
    assert fetcher.files() == [FILE]
    # What lies there and is other than the hub's is fetched anew.
    (fetcher.folder / FILE).write_bytes(b"x" * len(body))
    fetcher.model("pull", f"{REPO}/{FILE}")
    assert (fetcher.folder / FILE).read_bytes() == body


@pytest.mark.parametrize(
    ("name", "status", "code", "exit_status"),
    [
        (f"{REPO}/other.gguf", 200, "not_found", 1),
        ("Some/Other/model.gguf", 200, "not_found", 1),
        (f"{REPO}/{FILE}", 403, "not_allowed", 1),
        ("nonsense", 200, "usage", 129),
        ("a/b/c.bin", 200, "usage", 129),
        ("../../etc/x.gguf", 200, "usage", 129),
    ],
)
def test_refused(fetcher: Fetcher, hub: Hub, name: str, status: int, code: str, exit_status: int) -> None:
    hub.status = status
    done = fetcher.model("pull", name, "--json", status=exit_status).json()
    assert done["error"]["code"] == code, done
    assert fetcher.files() == []


def test_no_hub(fetcher: Fetcher, hub: Hub) -> None:
    hub.shutdown()
    hub.server_close()
    done = fetcher.model("pull", f"{REPO}/{FILE}", "--json", status=3).json()
    assert done["error"]["code"] == "unavailable"
