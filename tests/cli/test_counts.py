"""How often a lock looks: at the tip, at what was seen, at the sessions; how often it syncs; what it starts.

Counts, not times: they hold on every machine.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.asking import ask
from tests.world import Clone, merged, require, start

# Runs the program and says on stderr's last line how often it did what.
PROBE = """
import collections, json, os, subprocess, sys
from git_peer import layout
from git_peer.core.session import record
from git_peer.store import files
from git_peer.store.git import refs
done = collections.Counter()

def counted(module, name, key, which=lambda *given: True):
    real = getattr(module, name)
    def call(*given, **named):
        done[key] += bool(which(*given))
        return real(*given, **named)
    setattr(module, name, call)

counted(refs, "find", "tip", lambda git, name: name == layout.TIP)
counted(files, "read_json", "seen", lambda path: path.name == layout.F_SEEN)
counted(record, "all_of", "sessions")
counted(os, "fsync", "fsync")
sys.addaudithook(lambda name, given: done.update([name]) if name == "subprocess.Popen" else None)
from git_peer.start import main
status = main(sys.argv[1:])
print("COUNTED", json.dumps(done), file=sys.stderr)
sys.exit(status)
"""
LIBGIT2 = 2  # syncs of its own for a ref that it moves: the new ref, then its folder; strace sees them below
MOST = 6
# (command, walks of the sessions). The decision itself looks through them all once more where a session begins, for it
# sweeps the silent ones, and at an unlock, to find whose locks one may give back.
COMMANDS = [(("lock", "src/"), 2), (("lock", "docs/", "README.md"), 1), (("lock", "src/"), 1), (("unlock", "src/"), 2)]


def counts(clone: Clone, *args: str) -> dict[str, int]:
    """What a command did, by kind."""
    result = start((sys.executable, "-P", "-c", PROBE, *args), clone.path).finish(0)
    found: dict[str, int] = json.loads(result.err.rpartition("COUNTED ")[2])
    return found


def sealed(clone: Clone) -> None:
    """The session starts, and the gate is sealed: from then on nobody asks git about its hooks."""
    counts(clone, "--as", "first", "session", "start")
    assert (clone.common / "peer" / "seal.json").exists()


def test_a_lock_in_local_mode(local: Clone) -> None:
    """One look each for a lock, a renewal and the unlock; three tip reads.

    They are the attempt's own, the one that the swap compares with, and the one that it reads again.
    """
    sealed(local)
    for args, walks in COMMANDS:
        found = counts(local, "--as", "zoe", *args)
        assert (found["tip"], found["seen"], found["sessions"]) == (3, 1, walks), args
        assert found["fsync"] + LIBGIT2 <= MOST, args
        assert "subprocess.Popen" not in found, args


def test_a_lock_with_a_remote(pair: tuple[Clone, Clone]) -> None:
    """The same looks; two children: which URL, and the push."""
    one, _ = pair
    sealed(one)
    for args, walks in COMMANDS:
        found = counts(one, "--as", "zoe", *args)
        assert (found["tip"], found["seen"], found["sessions"]) == (3, 1, walks), args
        assert found["subprocess.Popen"] == 2, args


def test_who_reads(local: Clone) -> None:
    """A reading command looks once, and syncs nothing."""
    ask(local, "lock", "src/", as_="zoe")
    for args in (("locks",), ("check", "README.md"), ("status",), ("whoami",), ("peers",)):
        found = counts(local, *args)
        assert (found["tip"], found["seen"], found["sessions"]) == (1, 1, 1), args
        assert found.get("fsync", 0) == 0, args


def test_the_probe_sees_a_second_look(pair: tuple[Clone, Clone]) -> None:
    """On an old copy the first attempt is lost: one fetch, and another look for the second."""
    one, two = pair
    ask(two, "lock", "docs/", as_="abe")
    found = counts(one, "--as", "zoe", "lock", "src/")
    assert found["tip"] > 3
    assert found["sessions"] > 2


def test_all_syncs_of_a_lock(local: Clone, tmp_path: Path) -> None:
    """Those of libgit2 too, by the system's own account: at most six, and each object is among them."""
    require("strace", lambda: shutil.which("strace") is not None)
    ask(local, "lock", "src/", as_="zoe")
    log = tmp_path / "calls"
    command = ["strace", "-f", "-y", "-o", str(log), "-e", "trace=fsync,fdatasync,sync,syncfs"]
    peer = [sys.executable, "-P", "-m", "git_peer", "--as", "zoe", "lock", "docs/"]
    subprocess.run([*command, *peer], cwd=local.path, env=merged(None), check=True, capture_output=True)
    calls = re.findall(r"sync\w*\(\d+<(.*)>\)", log.read_text())
    assert len(calls) <= MOST, calls
    names = [Path(path).name for path in calls]
    assert [name.rpartition("_")[0] or name for name in names[:3]] == ["tmp_pack", "tmp_idx", "pack"]
    assert names[3:5] == ["coordination.lock", "peer"], "objects are durable before anything points to them"


@pytest.mark.parametrize("boot", ["another", "none"])
def test_what_a_power_cut_takes_is_noted_again(local: Clone, boot: str) -> None:
    """After a new start of the machine the memory of what a session holds comes from the log, and losses are told."""
    ask(local, "lock", "src/api.py", as_="zoe")
    ask(local, "lock", "README.md", as_="zoe")
    (held,) = (local.common / "peer" / "held").iterdir()
    held.write_text("")  # a name without content is what an unsynced file may leave
    seen = local.common / "peer" / "seen.json"
    if boot == "none":
        seen.write_text("")
    else:
        seen.write_text(re.sub(r'"boot": "[^"]*"', '"boot": "another"', seen.read_text()))
    ask(local, "unlock", "--force", "--reason", "x", "README.md", as_="anna")
    assert {entry["target"]["path"] for entry in json.loads(held.read_text())["targets"]} == {"src/api.py"}
    told = ask(local, "locks", as_="zoe")["notices"]
    assert [(one["code"], one["target"]) for one in told] == [("lost", "README.md")]
