"""Clones of every kind: shallow, partial, forked, copied, moved, shared by containers, with work trees of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from git_peer import layout
from tests.faults.forks import Ask, Forks
from tests.faults.history import code, sound, violations
from tests.world import Clone, World

pytestmark = pytest.mark.faults


def follow(forks: Forks, clone: Clone) -> Clone:
    """Have a clone follow the log on its origin; the clone."""
    forks.peer(clone, "init", "--remote", "origin", "--no-hooks")
    return clone


def held(forks: Forks, clone: Clone) -> dict[str, str]:
    """Path → its holder, by the local copy."""
    return {lock["path"]: lock["session"] for lock in forks.peer(clone, "locks", "--json").json()["locks"]}


def local_id(clone: Clone) -> str:
    """The clone's random id, as it was recorded."""
    text = (clone.common / layout.FOLDER / layout.F_CLONE).read_text()
    return text.partition('"clone": "')[2].partition('"')[0]


@pytest.mark.parametrize(
    "options", [("--depth=1",), ("--filter=blob:none",), ("--filter=tree:0",), ("--depth=1", "--filter=blob:none"),
                ("--bare",), ("--single-branch",), ("--depth=1", "--no-checkout")], ids=" ".join,
)  # fmt: skip
def test_shallow_and_partial(world: World, forks: Forks, options: tuple[str, ...]) -> None:
    """It joins a log with a past, sees every lock, takes its own, and the others see them."""
    start_remote = world.clone("seed")
    start_remote.git("config", "--file", str(world.remote / "config"), "uploadpack.allowFilter", "true")
    for number in range(3):
        start_remote.write("README.md", f"{number}\n")
        start_remote.commit("more")
    start_remote.git("push", "-q")
    plain = follow(forks, start_remote)
    for number in range(4):
        forks.peer(plain, "lock", f"src/{number}.py", as_="one")
    clone = follow(forks, world.clone("odd", *options, url=f"file://{world.url}"))
    assert held(forks, clone) == {f"src/{number}.py": "one" for number in range(4)}
    assert code(forks.peer(clone, "lock", "src/", "--json", as_="two", status=1)) == "locked"
    forks.peer(clone, "lock", "src/auth.py", as_="two")
    forks.peer(plain, "unlock", "src/0.py", as_="one")
    forks.peer(plain, "sync")
    forks.peer(clone, "sync")
    assert held(forks, clone) == held(forks, plain)
    assert held(forks, plain)["src/auth.py"] == "two"
    assert forks.peer(clone, "fsck", "--json").json()["problems"] == []
    if "--depth=1" in options:
        assert clone.git("rev-parse", "--is-shallow-repository").line == "true", "the code's history was not deepened"
        assert clone.git("rev-list", "--count", "HEAD").line == "1"


def test_shallow_clone_pushes(world: World, forks: Forks) -> None:
    clone = follow(forks, world.clone("odd", "--depth=1", url=f"file://{world.url}"))
    forks.peer(clone, "lock", "src/auth.py", as_="one")
    clone.write("src/auth.py", "changed\n")
    clone.commit("work")
    forks.peer(clone, "push", as_="one")
    assert world.refs()["refs/heads/main"] == clone.head()
    assert held(forks, clone) == {}


def test_fork_with_another_log(world: World, forks: Forks) -> None:
    """The project's log id is in .git-peer.toml: a fork's log is never taken for upstream's."""
    seed = world.clone("seed")
    log_id = "feedc0de"
    seed.write(".git-peer.toml", f'log = "{log_id}"\n')
    seed.commit("settings")
    seed.git("push", "-q")
    fork = world.folder / "fork.git"
    shutil.copytree(world.remote, fork)
    assert forks.peer(seed, "init", "--remote", "origin", "--json").json()["log_id"] == log_id
    # The fork drops the setting, and starts a log of its own.
    other = world.clone("other", url=str(fork))
    (other.path / ".git-peer.toml").unlink()
    other.commit("fork")
    other.git("push", "-q")
    forks.peer(other, "init", "--remote", "origin")
    forks.peer(other, "lock", "src/auth.py", as_="forker")
    clone = world.clone("a")
    clone.git("remote", "add", "fork", str(fork))
    answer = forks.peer(clone, "init", "--remote", "fork", "--json", status=4)
    assert code(answer) == "untrusted"
    assert log_id in answer.json()["error"]["message"]
    assert not (clone.common / layout.FOLDER / layout.F_CLONE).exists()
    follow(forks, clone)
    assert held(forks, clone) == {}
    # One that follows upstream's is not led astray by another URL.
    clone.git("remote", "set-url", "origin", str(fork))
    for words in (("sync",), ("lock", "a.py")):
        answer = forks.peer(clone, *words, "--json", as_="a", status=None)
        assert answer.status != 0, answer
    assert forks.peer(clone, "locks", "--json").json()["locks"] == []


def test_publishing_while_work_trees_go_on(world: World, forks: Forks) -> None:
    """The remote has a log: what is held here is asked again there, and each loss is named, to its session too."""
    elsewhere = follow(forks, world.clone("elsewhere"))
    forks.peer(elsewhere, "lock", "src/auth.py", as_="them")
    main = world.clone("a")
    forks.peer(main, "init", "--local")
    tree = main.worktree("tree")
    forks.peer(main, "lock", "src/api.py", as_="one")
    forks.peer(tree, "lock", "src/auth.py", as_="two")
    forks.peer(tree, "lock", "docs/", as_="two")
    answer = forks.peer(main, "init", "--remote", "origin", "--json").json()
    assert (answer["mode"], answer["created"]) == ("remote", False)
    (lost,) = answer["lost"]
    assert (lost["command"], lost["holder"], lost["session"]) == ("lock src/auth.py", "them", "two")
    wanted = {"src/api.py": "one", "src/auth.py": "them", "docs": "two"}
    assert held(forks, main) == held(forks, tree) == wanted
    forks.peer(elsewhere, "sync")
    assert held(forks, elsewhere) == wanted
    notices = forks.peer(tree, "status", "--json", as_="two").json()["notices"]
    assert [(n["code"], n["target"], n["holder"]) for n in notices] == [("lost", "src/auth.py", "them")]
    forks.peer(tree, "unlock", "docs/", as_="two")
    forks.peer(main, "unlock", "src/api.py", as_="one")
    sound(forks, main, elsewhere)


def test_publishing_under_writers(world: World, forks: Forks) -> None:
    """Work trees lock at the very time of the move: each is granted where the log ends up, or refused."""
    follow(forks, world.clone("elsewhere"))
    main = world.clone("a")
    forks.peer(main, "init", "--local", "--no-hooks")
    trees = [main.worktree(f"tree{number}") for number in range(4)]
    asks = [Ask(tree, ("lock", "one.py", "--json"), f"s{number}") for number, tree in enumerate(trees)]
    own = [Ask(tree, ("lock", f"{number}.py", "--json"), f"o{number}") for number, tree in enumerate(trees)]
    publish = Ask(main, ("init", "--remote", "origin", "--no-hooks", "--json"))
    published, *answers = forks.together([publish, *asks, *own])
    assert published.status == 0, published
    forks.peer(main, "sync", status=None)
    assert violations("one.py", answers[:4]) == []
    for number, answer in enumerate(answers[4:]):
        assert answer.status == 0, answer
        assert held(forks, main)[f"{number}.py"] == f"o{number}"
    fresh = follow(forks, world.clone("fresh"))
    assert held(forks, fresh) == held(forks, main)
    sound(forks, main, fresh)


def test_copied_clone(world: World, forks: Forks) -> None:
    """cp -r makes another clone: it owns nothing of the first one's, and says so."""
    first = follow(forks, world.clone("a"))
    forks.peer(first, "lock", "src/auth.py", as_="one")
    forks.peer(first, "lock", "--offline", "tentative.py", as_="one")
    ours = local_id(first)
    copy = Clone(world, Path(shutil.copytree(first.path, world.folder / "copy", symlinks=True)))
    doctor = forks.peer(copy, "doctor", "--json", status=None).json()["checks"]
    assert [check["status"] for check in doctor if check["name"] == "clone"] == ["warn"]
    assert local_id(copy) == ours, "reading writes nothing"
    answer = forks.peer(copy, "unlock", "src/auth.py", "--json", as_="one", status=None)
    assert answer.status == 1, answer
    assert local_id(copy) != ours
    assert local_id(first) == ours
    assert code(forks.peer(copy, "lock", "src/auth.py", "--json", as_="two", status=1)) == "locked"
    assert forks.peer(copy, "sync", "--json").json()["lost"] == [], "its tentative locks are the first one's"
    assert "tentative.py" not in held(forks, copy)
    forks.peer(first, "sync")
    assert held(forks, first) == {"src/auth.py": "one", "tentative.py": "one"}
    forks.peer(first, "unlock", "src/auth.py", as_="one")
    forks.peer(copy, "lock", "src/auth.py", as_="two")
    sound(forks, first, copy)


def test_copied_local_clone(world: World, forks: Forks) -> None:
    """A local log goes its own way in the copy; neither sees the other."""
    first = world.clone("a")
    forks.peer(first, "init", "--local", "--no-hooks")
    forks.peer(first, "lock", "src/auth.py", as_="one")
    copy = Clone(world, Path(shutil.copytree(first.path, world.folder / "copy", symlinks=True)))
    assert code(forks.peer(copy, "lock", "src/auth.py", "--json", as_="two", status=1)) == "locked"
    forks.peer(copy, "lock", "b.py", as_="two")
    assert held(forks, first) == {"src/auth.py": "one"}
    sound(forks, first, copy)


def test_moved_clone(world: World, forks: Forks) -> None:
    first = follow(forks, world.clone("a"))
    forks.peer(first, "lock", "src/auth.py", as_="one")
    ours = local_id(first)
    moved = Clone(world, first.path.rename(world.folder / "elsewhere"))
    forks.peer(moved, "unlock", "src/auth.py", as_="one")
    assert local_id(moved) == ours
    assert held(forks, moved) == {}


def test_two_containers_on_one_clone(world: World, forks: Forks) -> None:
    """Other homes, hosts' names and users on the same files: one clone, and exactly one gets each lock."""
    clone = follow(forks, world.clone("a"))
    tree = clone.worktree("tree")
    homes = []
    for number in range(2):
        home = world.folder / f"home{number}"
        home.mkdir()
        homes.append({"HOME": str(home), "USER": f"user{number}", "LOGNAME": f"user{number}"})
    ours = local_id(clone)
    for turn in range(3):
        asks = [
            Ask(where, ("lock", f"{turn}.py", "--json"), f"s{number}-{place}", env=homes[number])
            for number in range(2)
            for place, where in enumerate((clone, tree))
        ]
        assert violations(f"{turn}.py", forks.together(asks)) == []
    assert local_id(clone) == ours
    sound(forks, clone)


def test_work_trees_share_one_log(world: World, forks: Forks) -> None:
    clone = follow(forks, world.clone("a"))
    tree = clone.worktree("tree")
    forks.peer(clone, "lock", "src/auth.py", as_="one")
    for named in ("one", "two"):  # the same name in another work tree is another run
        forks.peer(tree, "lock", "src/auth.py", as_=named, status=1)
    forks.peer(tree, "lock", "src/api.py", as_="two")
    assert held(forks, clone) == {"src/auth.py": "one", "src/api.py": "two"}
    clone.git("worktree", "remove", str(tree.path))
    forks.peer(clone, "sync")
    assert held(forks, clone)["src/api.py"] == "two", "its lease runs on"
    sound(forks, clone)
