"""git peer sandbox build and check, and the sandbox as doctor and settings see it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from git_peer.adapters import docker, docker_image
from git_peer.adapters.docker import Docker, Limits
from git_peer.core.errors import PeerError
from git_peer.ops import sandboxes
from git_peer.ports import Job
from git_peer.runner import box_check
from git_peer.store.git.repo import Repo
from git_peer.store.settings import Settings
from tests.engine import Loose
from tests.sandbox.conftest import LIMITS
from tests.world import Clone

HELD = {
    "network", "code", "system", "user", "privileges", "seccomp", "noexec", "cpus", "processes", "disk", "memory",
    "time", "output",
}  # fmt: skip


def settings_of(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings in force in a clone."""
    monkeypatch.chdir(clone.path)
    repo = Repo()
    return Settings(repo.git, repo.top)


def test_check(local: Clone, image: str) -> None:
    local.git("config", "peer.sandboxImage", image)
    local.git("config", "peer.sandboxMemory", "64")
    found = local.peer("sandbox", "check", "--json").json()
    assert found["image"] == image
    assert {limit["name"] for limit in found["limits"] if limit["holds"]} == HELD, found


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("network", {"NetworkMode": "host"}),
        ("seccomp", {"SecurityOpt": ["no-new-privileges", "seccomp=unconfined"]}),
        ("privileges", {"SecurityOpt": []}),
        ("processes", {"PidsLimit": 0}),
        ("cpus", {"NanoCpus": 0}),
        ("noexec", {"Tmpfs": {"/tmp": "rw,exec,size=32m"}}),
        ("disk", {"Tmpfs": {"/tmp": "rw,noexec"}, "Memory": 0, "MemorySwap": 0}),
    ],
)
def test_check_of_what_does_not_hold(image: str, name: str, changes: dict[str, Any]) -> None:
    """The control of the check: it sees each limit that is lifted."""

    def lift(form: dict[str, Any]) -> None:
        form["HostConfig"].update(changes)

    with contextlib.closing(Loose(lift, LIMITS)) as box:
        # The first job has all of these; those of memory, time and output come after it.
        found = {limit.name: limit.holds for limit in box_check.tried(box, LIMITS.memory, LIMITS.pids)}
    assert found[name] is False, found
    assert [other for other, holds in found.items() if not holds] == [name]


def test_check_without_python(local: Clone, image: str, tmp_path: Path) -> None:
    """An image that can run nothing is no sandbox whose limits hold."""
    name = f"git-peer-sandbox:empty-{tmp_path.name.lower()}"
    empty = io.BytesIO()
    with tarfile.open(fileobj=empty, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("nothing"))
    with contextlib.closing(docker.connect()) as api:
        api.import_image_from_data(empty.getvalue(), *name.split(":"))
        local.git("config", "peer.sandboxImage", name)
        try:
            error = local.peer("sandbox", "check", "--json", status=3).json()["error"]
        finally:
            api.remove_image(name)
    assert (error["code"], '"sh"' in error["message"]) == ("unavailable", True), error


def test_build_on_top(local: Clone, image: str, code: Path) -> None:
    """On top of an image that has Python: what is declared is there, and pytest runs."""
    name = f"git-peer-sandbox:on-top-{code.parent.name.lower()}"
    local.write("pyproject.toml", '[project]\nname = "p"\nversion = "1"\ndependencies = ["iniconfig", "tomli-w"]\n')
    found = local.peer("sandbox", "build", "--from", image, "--tag", name, "--json").json()
    assert (found["image"], found["from"], found["requirements"]) == (name, image, ["iniconfig", "tomli-w"])
    (code / "test_it.py").write_text("import tomli_w\ndef test_it():\n    assert '/opt/' in tomli_w.__file__\n")
    with contextlib.closing(docker.connect()) as api:
        try:
            box = Docker(name, LIMITS, lambda _: None, api)
            ran = box.run(Job(code, "pytest -q", 30))
            assert (ran.status, b'tests="1"' in ran.report) == (0, True), ran
        finally:
            api.remove_image(name)


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("pyproject.toml", "[project", "invalid"),
        ("pyproject.toml", '[project]\ndependencies = "click"\n', "invalid"),
        ("pyproject.toml", '[project]\ndependencies = ["click @@ 1"]\n', "failed"),
        ("requirements.txt", "-r missing.txt\n", "failed"),
    ],
)
def test_build_of_what_cannot_be(local: Clone, image: str, name: str, text: str, code: str) -> None:
    """An error that says what, and no image."""
    local.write(name, text)
    tag = f"git-peer-sandbox:bad-{local.path.parent.name.lower()}"
    error = local.peer("sandbox", "build", "--from", image, "--tag", tag, "--json", status=1).json()["error"]
    assert error["code"] == code, error
    with contextlib.closing(docker.connect()) as api, pytest.raises(PeerError, match="no image"):
        docker.has_image(api, tag)


def test_tags(tmp_path: Path) -> None:
    """Of what is declared: projects that need the same share one."""
    plain = docker_image.declared(tmp_path).tag
    assert plain == docker_image.declared(None).tag == "git-peer-sandbox:plain"
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["click"]\n')
    click = docker_image.declared(tmp_path).tag
    (tmp_path / "requirements.txt").write_text("tomli-w\n")
    both = docker_image.declared(tmp_path).tag
    (tmp_path / "requirements.txt").write_text("tomli-w>1\n")
    other = docker_image.declared(tmp_path).tag
    assert len({plain, click, both, other}) == 4
    (tmp_path / "requirements.txt").unlink()
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "another"\ndependencies = ["click"]\n')
    assert docker_image.declared(tmp_path).tag == click


# -- by settings --------------------------------------------------------------------------------------
def test_open_sandbox(local: Clone, image: str, code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local.write(".git-peer.toml", f'[sandbox]\nimage = "{image}"\nmemory = 100\n')
    local.git("config", "peer.sandboxPids", "20")
    found = settings_of(local, monkeypatch)
    assert sandboxes.limits(found) == Limits(memory=100, cpus=1, pids=20)
    told: list[str] = []
    with contextlib.closing(sandboxes.open_sandbox("docker", found, told.append)) as box:
        assert (box.kind, box.run(Job(code, "echo here", 20)).output) == ("docker", "here\n")
    assert told == []
    with pytest.raises(PeerError) as error:
        sandboxes.open_sandbox("podman", found, told.append)
    assert error.value.code == "usage"


def test_the_project_s_own_image(local: Clone, image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is declared names the image; the one that is set comes first."""
    local.write("requirements.txt", "no-such-package-here\n")
    found = settings_of(local, monkeypatch)
    with pytest.raises(PeerError, match=f"no image {docker_image.declared(local.path).tag}") as error:
        sandboxes.open_sandbox("docker", found, lambda _: None)
    assert (error.value.status, "sandbox build" in error.value.hint) == (3, True)
    local.git("config", "peer.sandboxImage", image)
    sandboxes.open_sandbox("docker", settings_of(local, monkeypatch), lambda _: None).close()


# -- without an engine --------------------------------------------------------------------------------
@pytest.mark.real
@pytest.mark.parametrize("command", ["check", "build"])
def test_no_engine(local: Clone, tmp_path: Path, command: str) -> None:
    env = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    error = local.peer("sandbox", command, "--json", env=env, status=3).json()["error"]
    assert (error["code"], "DOCKER_HOST" in error["hint"]) == ("unavailable", True), error


def test_a_context(local: Clone, image: str, tmp_path: Path) -> None:
    """Without DOCKER_HOST the engine of Docker's current context is asked."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    for name, told in (("here", "ok"), ("nowhere", "warn")):
        place = tmp_path / name / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
        place.mkdir(parents=True)
        (tmp_path / name / "config.json").write_text(json.dumps({"currentContext": name}))
        endpoint = {"Host": host if name == "here" else f"unix://{tmp_path}/none.sock", "SkipTLSVerify": False}
        (place / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}))
        local.git("config", "peer.sandboxImage", image)
        env = {"DOCKER_HOST": None, "DOCKER_CONFIG": str(tmp_path / name)}
        checks = local.peer("doctor", "--json", env=env).json()["checks"]
        assert [check["status"] for check in checks if check["name"] == "sandbox"] == [told], checks


def test_without_the_library(local: Clone, tmp_path: Path) -> None:
    """git-peer without its extra: an error that names it, and doctor says nothing of a sandbox."""
    (tmp_path / "hide" / "docker").mkdir(parents=True)
    hide = (
        "import sys; sys.modules['docker'] = None; import importlib.util as u; f = u.find_spec; "
        "u.find_spec = lambda name, *a: None if name == 'docker' else f(name, *a); "
        "from git_peer.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    for args, status in ((("sandbox", "check"), 3), (("doctor",), 0)):
        ran = subprocess.run(
            [sys.executable, "-P", "-c", hide, *args], cwd=local.path, capture_output=True, text=True, timeout=60
        )
        assert ran.returncode == status, ran
        assert ("git-peer[runner]" in ran.stderr) is (args == ("sandbox", "check"))
        assert "sandbox" not in ran.stdout


def test_doctor(local: Clone, image: str) -> None:
    """It says whether there is an engine, and the image; and does not wait for one that hangs."""

    def sandbox(**env: str) -> tuple[str, str]:
        checks = local.peer("doctor", "--json", env=env).json()["checks"]
        (found,) = [check for check in checks if check["name"] == "sandbox"]
        return found["status"], found["detail"]

    local.git("config", "peer.sandboxImage", image)
    assert sandbox() == ("ok", f"Docker, {image}")
    local.git("config", "peer.sandboxImage", "git-peer-sandbox:none")
    status, detail = sandbox()
    assert (status, "no image" in detail) == ("warn", True), detail
    with socket.create_server(("127.0.0.1", 0)) as server:
        status, detail = sandbox(DOCKER_HOST=f"tcp://127.0.0.1:{server.getsockname()[1]}")
    assert (status, "answer" in detail) == ("warn", True), detail


def test_doctor_where_nobody_runs_anything(local: Clone, tmp_path: Path) -> None:
    """Who has no engine, and set nothing up for runners, is not warned of it; the control is who has."""
    env = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    for setting, told in ((None, []), ("peer.runnerModel", ["warn"])):
        if setting:
            local.git("config", setting, "http://127.0.0.1:9/v1")
        checks = local.peer("doctor", "--json", env=env).json()["checks"]
        assert [check["status"] for check in checks if check["name"] == "sandbox"] == told
