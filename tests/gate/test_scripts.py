"""The gate's scripts: what they cost, what they do when something is gone, and the other hooks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from git_peer import layout
from tests.gate.site import CLONE, ROOT, Site, fence, lock, session


# -- when it cannot be told ---------------------------------------------------------------------------
def test_the_log_is_gone(site: Site) -> None:
    site.base_commit("a")
    site.write("a")
    error = site.refused("commit", "-qam", "x")
    assert error.splitlines()[0] == "error: the log of git-peer is missing: refs/peer/coordination is gone"
    script = site.top / ".git/hooks/pre-commit"
    assert subprocess.run([script], cwd=site.top, env=site.env, stderr=subprocess.DEVNULL).returncode == 4
    assert site.status() == 4
    (site.peer / "clone.json").unlink()
    assert site.status() == 0
    site.git("commit", "-qam", "not set up")


@pytest.mark.parametrize("broken", [b"{", b"[]", b"{}", b'{"id":"x","target":{"kind":"file","path":"a"}}', b"\xff"])
def test_a_malformed_record_is_never_read_as_free(site: Site, broken: bytes) -> None:
    site.base_commit("a")
    site.write("a")
    site.git("add", "a")
    (site.base / "record").write_bytes(broken)
    blob = site.git("hash-object", "-w", str(site.base / "record"))
    index = str(site.base / "log-index")
    site.git("update-index", "--add", "--cacheinfo", f"100644,{blob},gate/locks/=a/@x.json", GIT_INDEX_FILE=index)
    tip = site.git("commit-tree", "-m", "x", site.git("write-tree", GIT_INDEX_FILE=index))
    site.git("update-ref", layout.TIP, tip)
    assert site.status() == 4
    assert "is malformed" in site.refused("commit", "-qm", "x")


def test_git_fails(site: Site) -> None:
    site.base_commit("a")
    site.log(lock("a"))
    (site.top / ".git/MERGE_HEAD").write_text("1" * 40 + "\n")
    assert site.status() == 4


def test_the_interpreter_is_gone(site: Site) -> None:
    site.base_commit("a")
    site.log(lock("a"))
    site.install(python="/nowhere/python")
    site.write("a")
    done = site.run("commit", "-qam", "x")
    assert done.returncode == 0
    assert done.stderr.startswith("warning: git-peer could not check this commit: /nowhere/python is gone\nhint: ")
    push = subprocess.run(
        [site.top / ".git/hooks/pre-push"], cwd=site.top, env=site.env, capture_output=True, text=True
    )
    assert push.returncode == 4
    assert push.stderr.startswith("error: git-peer could not check this push: ")


# -- what it costs ------------------------------------------------------------------------------------
def test_nothing_locked_costs_one_git_process_and_no_python(site: Site) -> None:
    site.base_commit("a")
    site.log(sessions=(session("bob"),), fences=[fence()])
    site.write("a")
    (site.top / ".git/hooks/post-commit").unlink()
    assert site.children("commit", "-qam", "x") == ["commit", "rev-parse"]
    assert site.programs == 0
    assert site.git("status", "--porcelain") == ""


def test_ten_thousand_locks_and_500_staged_files(site: Site) -> None:
    site.base_commit()
    site.log(*(lock(f"d{n % 100}/locked{n}") for n in range(10_000)))
    for number in range(500):
        site.write(f"d{number % 50}/free{number}")
    site.git("add", "-A")
    (site.top / ".git/hooks/post-commit").unlink()
    started = site.children("commit", "-qm", "x")
    assert sorted(started) == ["cat-file", "commit", "diff-index", "rev-parse"]
    assert site.programs == 1
    assert site.git("log", "--oneline").count("\n") == 1
    site.write("d7/locked7")
    site.git("add", "-A")
    site.refused("commit", "-qm", "x")


@pytest.mark.parametrize("locked", ["b", "a"])
def test_the_gate_imports_little(site: Site, locked: str) -> None:
    site.base_commit("a")
    site.log(lock(locked))
    site.write("a")
    site.git("add", "a")
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from git_peer.hooks import gate; print(gate.main(['pre-commit']), *sys.modules)"
    )
    argv = [sys.executable, "-I", "-S", "-c", program]
    done = subprocess.run(argv, cwd=site.top, env=site.env, capture_output=True, text=True, check=True)
    status, *modules = done.stdout.split()
    assert status == ("1" if locked == "a" else "0")
    heavy = {"subprocess", "typing", "dataclasses", "pathlib", "contextlib", "tempfile", "hashlib", "click", "pygit2"}
    assert not heavy & set(modules)
    if locked == "b":  # no record concerns the commit
        assert not {"re", "json", "enum", "functools", "collections"} & set(modules)
    ours = {name for name in modules if name.startswith("git_peer")}
    parts = {"hooks", "hooks.gate", "layout", "core", "core.target", "core.target.glob", "core.session"}
    parts |= {"core.session.clock", "core.session.lease", "core.session.naming", "core.lock", "core.lock.rule"}
    if locked == "a":  # by what time a lease is judged, and where a refusal is noted
        parts |= {"store", "store.clone", "store.clone.runs", "store.clone.times", "store.clone.refusals"}
    assert ours == {"git_peer"} | {f"git_peer.{part}" for part in parts}


# -- the scripts themselves ----------------------------------------------------------------------------
def test_a_stale_copy_starts_one_refresh_that_outlives_the_commit(site: Site) -> None:
    site.base_commit("a")
    site.log()
    stale = site.peer / "stale-at"
    stale.write_text(f"{int(time.time()) + 1000}\n")
    site.write("a", "1\n")
    site.git("commit", "-qam", "fresh")
    assert not (site.base / "cli.new").exists()
    stale.write_text(f"{int(time.time()) - 1}\n")
    site.write("a", "2\n")
    site.git("commit", "-qam", "stale")
    assert int(stale.read_text()) > time.time()
    deadline = time.monotonic() + 20
    while not site.cli and time.monotonic() < deadline:
        time.sleep(0.02)
    assert site.cli.splitlines() == [f"hook refresh||{site.top}"]
    (site.base / "cli.txt").unlink()
    site.write("a", "3\n")
    site.git("commit", "-qam", "not again")
    time.sleep(0.2)
    assert not site.cli
    stale.write_text("nonsense\n")
    site.write("a", "4\n")
    site.git("commit", "-qam", "a broken file is not the commit's fault")


def test_post_commit_notes_the_session(site: Site, tmp_path: Path) -> None:
    site.log()
    site.base_commit("a")
    second = tmp_path / "second"
    site.git("worktree", "add", "-q", str(second))
    runs: list[tuple[Path, dict[str, str], str]] = [
        (site.top, {"GIT_PEER_SESSION": "bob"}, ". bob - -"),
        (second, {}, "worktrees/second - - -"),
        (site.top, {"CLAUDECODE": "1", "CLAUDE_CODE_SESSION_ID": "a b\n*"}, ". - claude a_b_*"),
        (site.top, {"CODEX_HOME": "/x", "CODEX_THREAD_ID": "t1"}, ". - codex t1"),
        (site.top, {"GEMINI_CLI": "1"}, ". - gemini -"),
        (site.top, {"NOTE": "x\nCODEX_FAKE=1"}, ". - - -"),
    ]
    expected = [f"{site.git('rev-parse', 'HEAD')} . - - -"]
    for cwd, env, words in runs:
        site.git("commit", "-q", "--allow-empty", "-m", "x", cwd=cwd, **env)
        expected.append(f"{site.git('rev-parse', 'HEAD', cwd=cwd)} {words}")
    lines = [line.split(" ") for line in (site.peer / "commits").read_text().splitlines()]
    assert [" ".join(line[:5]) for line in lines] == expected
    assert [line[6:] for line in lines] == [["commit", "-", "-"]] * len(expected)
    os.remove(site.peer / "commits")
    (site.peer / "commits").mkdir()  # cannot be written
    site.git("commit", "-q", "--allow-empty", "-m", "x")


def test_pre_push_hands_over(site: Site, tmp_path: Path) -> None:
    site.log()
    site.base_commit("a")
    site.git("init", "-q", "--bare", str(tmp_path / "remote"))
    site.git("push", "-q", str(tmp_path / "remote"), "HEAD:refs/heads/x")
    first, second, *_ = site.cli.splitlines()
    assert first.startswith(f"hook pre-push {tmp_path}/remote {tmp_path}/remote|")
    assert second.split()[2:] == ["refs/heads/x", "0" * 40]
    (site.base / "cli.txt").unlink()
    (site.peer / "clone.json").unlink()
    site.git("push", "-q", str(tmp_path / "remote"), "HEAD:refs/heads/y")
    assert not site.cli


@pytest.mark.parametrize("name", ["new\nline", "ends\n", "a'b\"$(x)", "1" * 40])
def test_odd_places_of_a_repository(tmp_path: Path, name: str) -> None:
    site = Site(tmp_path / name)
    site.base_commit("a")
    site.log()
    site.write("a")
    site.git("commit", "-qam", "free")
    assert site.programs == 0
    site.log(lock("a"))
    site.write("a", "more\n")
    site.refused("commit", "-qam", "x")
    site.git("update-ref", "-d", layout.TIP)
    assert "is missing" in site.refused("commit", "-qam", "x")
    assert json.loads((site.peer / "clone.json").read_text())["clone"] == CLONE
    assert len((site.peer / "commits").read_text().splitlines()) == 2


def test_a_git_directory_whose_name_ends_in_a_newline(site: Site) -> None:
    site.base_commit("a")
    moved = site.base / "git\n"
    (site.top / ".git").rename(moved)
    site.write("a")
    where = {"GIT_DIR": str(moved), "GIT_WORK_TREE": str(site.top)}
    assert "is missing" in site.refused("commit", "-qam", "x", cwd=site.top, **where)
    (moved / "peer" / "clone.json").unlink()
    site.git("commit", "-qam", "x", cwd=site.top, **where)
