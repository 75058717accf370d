"""The gate goes in beside every kind of hook, runs wherever git runs hooks, and comes out without a trace."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from git_peer.hooks import install as hooks
from tests.hooks.kinds import ALL, KINDS, USER, Repo, settled, snapshot
from tests.world import require


@pytest.mark.parametrize("kind", KINDS)
def test_in_and_out(repo: Repo, kind: str) -> None:
    """Install, again, run, remove: the gate runs first, the user's hooks as before, and nothing stays."""
    used = KINDS[kind](repo)
    before = snapshot(repo.base)
    assert settled(repo.install())
    after = snapshot(repo.base)
    assert settled(repo.install())
    assert snapshot(repo.base) == after
    assert repo.remove() == []
    assert snapshot(repo.base) == before

    repo.install()
    repo.commit("second")
    lines = repo.log()
    assert [line for line in lines if line.startswith("gate")] == ["gate pre-commit", "gate post-commit"]
    ran = [line.split()[-1] for line in lines if not line.startswith("gate")]
    assert ran == [name for name in ("pre-commit", "commit-msg", "post-commit") if name in used]

    repo.git("push", "-q", "origin", "HEAD:main")
    lines = repo.log()
    assert lines[0] == f"gate pre-push origin {repo.remote}"
    assert ["pre-push"] * ("pre-push" in used) == [line.split()[-1] for line in lines[1:]]
    refs = (repo.home / "gate-stdin").read_text()
    assert refs.startswith("HEAD ")
    assert refs.endswith("\n")
    if "pre-push" in used:
        assert (repo.home / "user-stdin").read_text() == refs

    (repo.home / "refuse").touch()
    assert repo.commit("third", check=False).returncode != 0
    assert repo.log() == ["gate pre-commit"]
    assert repo.git("push", "-q", "origin", "HEAD:other", check=False).returncode != 0
    assert repo.log() == [f"gate pre-push origin {repo.remote}"]
    (repo.home / "refuse").unlink()

    assert repo.remove() == []
    commits = ("objects", "refs", "logs", "index", "COMMIT_EDITMSG")  # what the commits themselves have changed
    after = snapshot(repo.common)
    for name in commits:
        after = {path: what for path, what in after.items() if not path.startswith(str(repo.common / name))}
    assert after == {path: what for path, what in before.items() if path in after}
    assert os.path.lexists(repo.hooks) == (str(repo.hooks) in before)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#!/bin/sh",
        "#!/bin/sh\n",
        "#!/bin/sh\r\necho\r\n",
        "#!/bin/sh\nno newline",
        "#!/bin/bash -n\n",
        "\n",
        "#!\n",
    ],
)
@pytest.mark.parametrize("mode", [0o755, 0o640])
def test_odd_texts_come_back(repo: Repo, text: str, mode: int) -> None:
    for name in ALL:
        repo.hook(name, text, mode)
    before = snapshot(repo.base)
    assert settled(repo.install())
    assert settled(repo.install())
    assert repo.remove() == []
    assert snapshot(repo.base) == before


@pytest.mark.parametrize("kind", ["sh", "bash by env", "python", "hooksPath"])
@pytest.mark.parametrize("refs", ["", "one line\n", 'a b c d\n\n\ne $HOME `x` \\ "q"\nGIT_PEER\n', "x" * 70 + "\n"])
def test_push_refs_reach_both(repo: Repo, kind: str, refs: str) -> None:
    """No refs stay no refs, and no line is lost or read as sh; also when there are more than a pipe holds."""
    if refs.startswith("x"):
        refs *= 3000
    KINDS[kind](repo)
    path = repo.install()["pre-push"].path
    done = subprocess.run([path, "origin", "url"], input=refs, text=True, cwd=repo.top, timeout=60)
    assert done.returncode == 0
    assert (repo.home / "gate-stdin").read_text() == refs
    assert (repo.home / "user-stdin").read_text() == refs


def test_a_gate_that_does_not_read(repo: Repo) -> None:
    (repo.scripts / "pre-push").write_text("#!/bin/sh\nexit 0\n")
    KINDS["sh"](repo)
    path = repo.install()["pre-push"].path
    refs = "x" * 70 + "\n"
    subprocess.run([path, "origin", "url"], input=refs * 3000, text=True, cwd=repo.top, timeout=60, check=True)
    assert (repo.home / "user-stdin").read_text() == refs * 3000


@pytest.mark.parametrize("shell", ["dash", "bash", "zsh", "ksh", "mksh", "busybox sh"])
def test_shells(repo: Repo, shell: str) -> None:
    require(shell.split(maxsplit=1)[0])
    for name in ("pre-commit", "pre-push"):
        repo.hook(name, "#!/bin/sh\nset -eu\n" + USER.format(name=name))
    state = repo.install()
    for name in ("pre-commit", "pre-push"):
        command = [*shell.split(), str(state[name].path), "a", "b c"]
        subprocess.run(command, input="r\n", text=True, cwd=repo.top, check=True, timeout=60)
        assert repo.log() == [f"gate {name} a b c", f"user {name} a b c {name}"]
    assert (repo.home / "user-stdin").read_text() == "r\n"


@pytest.mark.parametrize("user", ["", "#!/bin/sh\n", "#!/bin/sh -e\necho after >>$HOME/log\n"])
def test_post_commit_never_fails(repo: Repo, user: str) -> None:
    (repo.scripts / "post-commit").write_text("#!/bin/sh\nexit 9\n")
    if user:
        repo.hook("post-commit", user)
    path = repo.install()["post-commit"].path
    assert subprocess.run([path], cwd=repo.top).returncode == 0
    assert repo.log() == ["after"] * ("after" in user)


def test_users_exit_status_stands(repo: Repo) -> None:
    for name, text in (
        ("pre-commit", "#!/bin/sh\nexit 7\n"),
        ("pre-push", f"#!{sys.executable}\nraise SystemExit(7)\n"),
    ):
        repo.hook(name, text)
    for name, state in repo.install().items():
        if name in ("pre-commit", "pre-push"):
            assert subprocess.run([state.path, "a", "b"], cwd=repo.top, input=b"").returncode == 7


@pytest.mark.parametrize("kind", ["nothing", "sh", "python", "hooksPath", "absolute hooksPath", "linked folder"])
def test_work_trees_subfolders_and_git_dir(repo: Repo, kind: str) -> None:
    KINDS[kind](repo)
    repo.install()
    linked = repo.base / "linked"
    repo.git("worktree", "add", "-q", str(linked))
    repo.log()
    repo.commit("in-linked", linked)
    assert "gate pre-commit" in repo.log()
    (repo.top / "sub").mkdir()
    repo.git("commit", "-q", "--allow-empty", "-m", "sub", cwd=repo.top / "sub")
    assert "gate pre-commit" in repo.log()
    where = {"GIT_DIR": str(repo.common), "GIT_WORK_TREE": str(repo.top)}
    repo.git("commit", "-q", "--allow-empty", "-m", "far", cwd=repo.base, env=where)
    assert "gate pre-commit" in repo.log()
    repo.git("push", "-q", "origin", "HEAD:far", cwd=repo.base, env={"GIT_DIR": str(repo.common)})
    assert f"gate pre-push origin {repo.remote}" in repo.log()
    repo.git("push", "-q", "origin", "HEAD:near", cwd=repo.common)
    assert f"gate pre-push origin {repo.remote}" in repo.log()


@pytest.mark.parametrize("kind", ["nothing", "sh", "python", "links", "hooksPath", "linked folder"])
@pytest.mark.parametrize("how", ["mv", "cp"])
def test_moved_and_copied(repo: Repo, kind: str, how: str) -> None:
    """A clone at another place asks the gate that came with it, and the user's hooks run on."""
    used = KINDS[kind](repo)
    repo.install()
    new = repo.base / "elsewhere [1]"
    subprocess.run(["mv", repo.top, new] if how == "mv" else ["cp", "-r", repo.top, new], check=True)
    script = new / ".git/peer/hooks/pre-commit"
    script.write_text(script.read_text().replace("gate ", "moved "))
    repo.commit("moved", new)
    lines = repo.log()
    assert lines[0] == "moved pre-commit"
    assert ("pre-commit" in used) == any(
        line.startswith("user pre-commit") or "pre-commit" in line for line in lines[1:]
    )
    assert settled({each.name: each for each in hooks.install(new / ".git", new, scripts=repo.scripts)})
    assert hooks.remove(new / ".git", new) == []
    assert not (new / ".git/peer").exists()


@pytest.mark.parametrize("kind", ["sh", "python", "hooksPath"])
def test_without_the_gates_files(repo: Repo, kind: str) -> None:
    """A user who deletes our folder by hand has all of their own hooks."""
    used = KINDS[kind](repo)
    repo.install()
    shutil.rmtree(repo.common / "peer")
    repo.commit("second")
    repo.git("push", "-q", "origin", "HEAD:main")
    lines = repo.log()
    assert not any(line.startswith("gate") for line in lines)
    assert sum(line.startswith("user") for line in lines) == len(used)
    assert repo.remove() == []


def test_bare(repo: Repo) -> None:
    repo.git("config", "core.hooksPath", "myhooks", cwd=repo.remote)
    repo.hook("pre-receive", "#!/bin/sh\ncat >>$HOME/log\n", folder=repo.remote / "myhooks")
    before = snapshot(repo.remote)
    assert settled({each.name: each for each in hooks.install(repo.remote, None, scripts=repo.scripts)})
    repo.git("push", "-q", "origin", "HEAD:x")
    assert "refs/heads/x" in repo.log()[0]
    assert hooks.remove(repo.remote, None) == []
    after = snapshot(repo.remote)
    assert {path: what for path, what in after.items() if "objects" not in path and "refs" not in path} == {
        path: what for path, what in before.items() if "objects" not in path and "refs" not in path
    }


def test_submodule(repo: Repo) -> None:
    repo.git("submodule", "add", "-q", str(repo.remote), "sub")
    top, common = repo.top / "sub", repo.common / "modules/sub"
    repo.git("config", "core.hooksPath", ".githooks", cwd=top)
    repo.hook("pre-commit", "#!/bin/sh\necho own >>$HOME/log\n", folder=top / ".githooks")
    before = snapshot(common)
    assert settled({each.name: each for each in hooks.install(common, top, scripts=repo.scripts)})
    (common / "peer/hooks-here.conf").write_text("")  # as after a move: only the relative path is left
    repo.commit("new", top)
    assert repo.log() == ["gate pre-commit", "own", "gate post-commit"]
    assert hooks.remove(common, top) == []
    assert snapshot(common / "config", common / "hooks").items() <= before.items()
