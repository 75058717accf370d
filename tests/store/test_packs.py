"""Objects of a transaction: one pack, durable before git sees it, and folded with others when some have gathered."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pygit2
import pytest

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.store.git import durable, fold


@pytest.fixture
def git(tmp_path: Path) -> pygit2.Repository:
    found = pygit2.init_repository(str(tmp_path / "r"))
    (tmp_path / "r" / ".git" / layout.FOLDER).mkdir()
    return found


def some(*bodies: bytes) -> durable.Written:
    return {durable.ident_of(durable.BLOB, body): (durable.BLOB, body) for body in bodies}


def packs(git: pygit2.Repository) -> list[str]:
    return sorted(path.name for path in Path(git.path, "objects", "pack").iterdir())


def fsck(git: pygit2.Repository) -> None:
    subprocess.run(["git", f"--git-dir={git.path}", "fsck", "--strict", "--full"], check=True, capture_output=True)


def test_what_is_synced_and_when(git: pygit2.Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pack, index, then their folder, each once; git sees nothing of it before the first two are."""
    done: list[str] = []
    visible: list[int] = []

    def fsync(handle: int) -> None:
        done.append(os.path.basename(os.readlink(f"/proc/self/fd/{handle}")))
        visible.append(sum(name.endswith(".idx") and not name.startswith("tmp") for name in packs(git)))

    monkeypatch.setattr(os, "fsync", fsync)
    objects = some(b"one", b"two", b"")
    durable.pack(git, objects)
    assert [name.rpartition("_")[0] or name for name in done] == ["tmp_pack", "tmp_idx", "pack"]
    assert visible == [0, 0, 1]
    assert {bytes(git[ident].read_raw()) for ident in objects} == {b"one", b"two", b""}
    durable.pack(git, {})
    assert len(done) == 3
    fsck(git)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_cannot_be_synced_is_an_error(git: pygit2.Repository, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Nothing of it is taken for written, and no draft stays behind."""
    calls = iter(range(9))

    def fsync(handle: int) -> None:
        if next(calls) == at:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        with pytest.raises(PeerError, match="No space left"):
            durable.pack(git, some(b"one"))
    assert not [name for name in packs(git) if name.startswith("tmp")]
    durable.pack(git, some(b"one"))
    fsck(git)


def test_a_draft_of_the_dead_is_in_nobodys_way(git: pygit2.Repository) -> None:
    folder = Path(git.path, "objects", "pack")
    folder.mkdir(exist_ok=True)
    (folder / f"tmp_pack_{os.getpid()}").write_text("half")
    durable.pack(git, some(b"one"))
    assert len(packs(git)) == 2


def test_a_commit_is_what_libgit2_writes(git: pygit2.Repository) -> None:
    tree = git.TreeBuilder().write()
    who = pygit2.Signature("Zoë", "zoe@example.org", 1700000000, 0)
    first = str(git.create_commit(None, who, who, "one\n", tree, []))
    second = str(git.create_commit(None, who, who, "zwei ü\n\n{}\n", tree, [first]))
    ours = [("one\n", []), ("zwei ü\n\n{}\n", [first])]
    made = [
        durable.commit(("Zoë", "zoe@example.org"), 1700000000, str(tree), parents, text.encode())
        for text, parents in ours
    ]
    assert [durable.ident_of(durable.COMMIT, body) for body in made] == [first, second]


def listed(git: pygit2.Repository) -> Path:
    return Path(git.path, layout.FOLDER, layout.F_PACKS)


def folded(git: pygit2.Repository) -> None:
    fold.main(git.path, f"{git.path}/objects", layout.FOLDER, layout.F_PACKS)


def test_packs_are_folded(git: pygit2.Repository) -> None:
    """All of ours become one, with every object; a pack that is not ours stays, and so does what comes next."""
    body = os.urandom(3000)
    theirs = git.create_blob(b"theirs")
    subprocess.run(
        ["git", f"--git-dir={git.path}", "pack-objects", f"{git.path}/objects/pack/pack"],
        input=f"{theirs}\n".encode(), check=True, capture_output=True,
    )  # fmt: skip
    other = {name for name in packs(git) if not name.endswith(".rev")}
    objects: durable.Written = {}
    for number in range(5):
        more = some(b"%d" % number, body + b"%d" % number)
        durable.pack(git, more)
        objects |= more
    folded(git)
    now = {name for name in packs(git) if not name.endswith(".rev")}
    assert other < now
    assert len(now - other) == 2
    assert sum(Path(git.path, "objects", "pack", name).stat().st_size for name in now - other) < 2 * len(body)
    reader = pygit2.Repository(git.path)
    assert {ident: bytes(reader[ident].read_raw()) for ident in objects} == {i: o[1] for i, o in objects.items()}
    assert len(listed(git).read_text().split()) == 1
    durable.pack(git, some(b"next"))
    folded(git)
    assert len({name for name in packs(git) if not name.endswith(".rev")}) == 4
    fsck(git)


def test_what_is_gone_is_not_folded(git: pygit2.Repository) -> None:
    """git has tidied up meanwhile: its packs stay as they are."""
    for number in range(3):
        durable.pack(git, some(b"%d" % number))
    for name in packs(git)[:2]:
        Path(git.path, "objects", "pack", name).unlink()
    folded(git)
    assert [name for name in packs(git) if name.endswith(".pack")]
    fsck(git)


def test_a_large_pack_is_left_alone(git: pygit2.Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold, "LARGE", 2000)
    for number in range(3):
        durable.pack(git, some(os.urandom(1000) + b"%d" % number))
    folded(git)
    assert listed(git).read_text() == ""


def test_some_have_to_gather(git: pygit2.Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    def spawn(path: str, args: list[str], env: object, **_: object) -> int:
        started.append(args)
        return 0

    monkeypatch.setattr(durable, "_folding", [])
    monkeypatch.setattr(os, "posix_spawn", spawn)
    for number in range(durable.FOLD_FROM):
        assert not started
        durable.pack(git, some(b"%d" % number))
        durable.tidy(git)
    assert [args[3] for args in started] == [fold.__file__]


def test_who_lives_long_leaves_no_ended_process(git: pygit2.Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """What folds runs on its own; a server that has started several keeps at most the last one's entry."""
    running = list[int]()
    monkeypatch.setattr(durable, "_folding", running)
    monkeypatch.setattr(durable, "FOLD_FROM", 1)
    seen = set[int]()
    for number in range(3):
        durable.pack(git, some(b"%d" % number))
        durable.tidy(git)
        seen.update(running)
        assert os.waitid(os.P_PID, running[-1], os.WEXITED | os.WNOWAIT)
        assert len(running) == 1
    assert len(seen) == 3
    os.waitpid(running[0], 0)
    fsck(git)
