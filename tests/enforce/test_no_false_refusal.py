"""No false refusal: one's own work, what does not concern a lock, and what only looks as if it did."""

from __future__ import annotations

import time
import unicodedata

import pytest

from git_peer.hooks import gate
from tests.enforce.team import AGENT, HELD, Member, Team
from tests.world import Clone


def test_own_locks(held: Team) -> None:
    """Commit, amend, merge, cherry-pick, rebase, push, `git peer push` of what one holds oneself."""
    alice = held.alice
    alice.git("switch", "-q", "-c", "topic")
    alice.commit(HELD)
    alice.commit(HELD, options=("--amend", "--no-edit"))
    alice.git("push", "-q", "-u", "origin", "topic")
    alice.git("switch", "-q", "main")
    alice.commit("docs/guide.md")
    alice.git("merge", "-q", "--no-edit", "topic")
    alice.git("revert", "--no-edit", "-m1", "HEAD")
    alice.git("push", "-q")
    alice.git("switch", "-q", "topic")
    alice.change(HELD)
    alice.git("commit", "-q", "-a", "--fixup=HEAD")
    alice.git("rebase", "-q", "--autosquash", "-i", "HEAD~2", env={"GIT_SEQUENCE_EDITOR": "true"})
    alice.git("mv", HELD, "src/moved.py")
    alice.git("commit", "-q", "-m", "away")
    alice.git("push", "-q", "--force")
    alice.commit(HELD)
    alice.peer("push", "origin", "topic")
    alice.git("commit", "-q", "--amend", "-m", "said better")
    alice.peer("push", "origin", "+topic")
    assert alice.holds() == {HELD}


@pytest.mark.parametrize("agent", [True, False], ids=["agent", "named"])
def test_person_and_agent_in_one_work_tree(team: Team, agent: bool) -> None:
    """A person commits, amends and pushes what an agent (or a named session) locked and wrote in this work tree."""
    person = Member(team.bob.at)
    other = Member(team.bob.at, env=AGENT) if agent else Member(team.bob.at, "helper")
    other.lock(HELD)
    person.commit(HELD)
    other.commit(HELD)
    person.commit(HELD, options=("--amend", "--no-edit"))
    person.git("push", "-q", "origin", "main:topic")
    person.peer("lock", HELD)
    assert person.holds() == {HELD}
    answer = person.peer("push", "--json").json()
    assert [lock["target"] for lock in answer["released"]] == [HELD]


def test_persons_push_of_agents_commits(team: Team) -> None:
    """The agent commits what it holds; the person pushes it, and forces a push over it."""
    person, agent = Member(team.bob.at), Member(team.bob.at, env=AGENT)
    agent.lock(HELD)
    agent.commit(HELD)
    person.git("push", "-q", "origin", "main:topic")
    person.git("commit", "-q", "--amend", "-m", "other")
    person.git("push", "-q", "--force", "origin", "main:topic")


def test_expired(team: Team) -> None:
    """It still stands in the log, for nobody has taken it since; it refuses nobody."""
    team.alice.lock(HELD, "--ttl", "1s")
    team.bob.peer("sync")
    while True:
        (lock,) = team.bob.peer("locks", "--json").json()["locks"]
        if not lock["live"]:
            break
        time.sleep(0.2)
    team.bob.commit(HELD)
    team.bob.git("push", "-q", "origin", "main:topic")
    team.bob.peer("push")


@pytest.mark.parametrize("local", [True, False], ids=["local", "remote"])
@pytest.mark.parametrize("way", ["fast-forward", "merge"])
def test_person_merges_another_work_tree(team: Team, local: bool, way: str) -> None:
    """What the holder committed in its own work tree is the holder's, whoever merges and pushes it."""
    if local:
        clone = team.world.clone("third")
        clone.peer("init", "--local")
    else:
        clone = team.bob.at
    person, agent = Member(clone), Member(clone.worktree("agents"), env=AGENT)
    agent.lock(HELD, "docs/")
    agent.commit(HELD)
    if way == "merge":
        person.commit("README.md")
    person.git("merge", "-q", "--no-edit", "--no-ff" if way == "merge" else "--ff-only", "agents")
    person.git("push", "-q")
    agent.commit("docs/guide.md")
    if way == "merge":
        person.commit("README.md")
    person.git("merge", "-q", "--no-edit", "agents")
    person.peer("push")
    assert agent.holds() == {HELD, "docs/"}


@pytest.mark.parametrize("backend", ["--merge", "--apply"])
def test_rebase(held: Team, backend: str) -> None:
    """One's own commits, under and beside others' locks; in part of paths that one holds."""
    alice, bob = held.alice, held.bob
    bob.lock("src/api.py")
    bob.git("switch", "-q", "-c", "topic")
    bob.commit("src/api.py")
    bob.commit("docs/guide.md")
    bob.git("push", "-q", "-u", "origin", "topic")
    alice.commit(HELD)
    alice.peer("push", "--keep")
    bob.git("pull", "-q", "--rebase", "origin", "main")
    bob.git("push", "-q", "--force-with-lease")
    bob.git("commit", "-q", "--amend", "-m", "again")
    bob.git("rebase", "-q", backend, "--force-rebase", "origin/main")
    bob.git("push", "-q", "--force")
    bob.git("commit", "-q", "--amend", "-m", "and again")
    bob.peer("push", "--force-with-lease", "origin", "topic")
    assert alice.holds() == {HELD}
    assert bob.holds() == {"src/api.py"}


@pytest.mark.parametrize("pull", ["--rebase", "--no-rebase"])
@pytest.mark.parametrize("push", ["git", "peer"])
def test_pull_what_the_holder_landed(held: Team, pull: str, push: str) -> None:
    """It is on the remote already, so it is no part of bob's push: merged, rebased onto, or fast-forwarded to."""
    alice, bob = held.alice, held.bob
    alice.commit(HELD)
    alice.peer("push", "--keep")
    bob.commit("docs/guide.md")
    bob.git("pull", "-q", pull, "--no-edit")
    bob.git("push", "-q") if push == "git" else bob.peer("push")
    alice.git("pull", "-q", pull)
    alice.commit(HELD)
    alice.git("push", "-q")
    bob.git("pull", "-q", "--ff-only")
    bob.git("push", "-q", "origin", "main:copy")
    assert alice.holds() == {HELD}


def test_merge_main_into_a_branch(held: Team) -> None:
    """Also where the merge has conflicts elsewhere, and then again without the merge (a forced push)."""
    alice, bob = held.alice, held.bob
    alice.change(HELD, "README.md")
    alice.git("commit", "-q", "-a", "-m", "two files")
    alice.peer("push", "--keep")
    bob.git("switch", "-q", "-c", "feature")
    bob.commit("README.md")
    bob.git("push", "-q", "-u", "origin", "feature")
    bob.git("fetch", "-q")
    assert bob.git("merge", "-q", "origin/main", check=False).status == 1
    bob.at.write("README.md", "both\n")
    bob.git("commit", "-q", "-a", "--no-edit")
    bob.git("push", "-q")
    bob.git("reset", "-q", "--hard", "HEAD~1")
    bob.commit("docs/guide.md")
    bob.git("push", "-q", "--force")
    bob.peer("push", "origin", ":feature")


def test_what_is_not_in_the_commit(held: Team) -> None:
    """A locked file that is changed, deleted or staged elsewhere, and not part of this commit."""
    bob = held.bob
    bob.change(HELD)
    bob.commit("docs/guide.md")
    bob.git("add", HELD)
    bob.commit("docs/more.md")  # `commit -- path` leaves out what is staged beside it
    bob.git("reset", "-q")
    (bob.at.path / HELD).unlink()
    bob.git("commit", "-q", "--allow-empty", "-m", "empty")
    bob.git("stash", "-q")
    bob.git("stash", "pop", "-q")
    bob.git("push", "-q")
    bob.git("tag", "-a", "v1", "-m", "v1")
    bob.git("push", "-q", "origin", "v1", "main:other")
    bob.git("push", "-q", "origin", ":other", ":v1")
    bob.git("push", "-q", "--all")


def test_shared(team: Team) -> None:
    team.alice.lock(HELD, "--shared")
    team.bob.lock(HELD, "--shared")
    team.bob.commit(HELD)
    team.bob.git("push", "-q")


def test_unlocked_since(held: Team) -> None:
    """A push is not refused by an old copy of the log."""
    held.bob.sneaks(HELD)
    held.alice.peer("unlock", HELD)
    held.bob.peer("push", "origin", "main:topic")
    held.bob.git("push", "-q")


def test_before_anything_is_tracked(held: Team) -> None:
    """A second remote that bob never fetched: what stands on the first one is no news of his."""
    alice, bob = held.alice, held.bob
    alice.commit(HELD)
    alice.peer("push", "--keep")
    bob.git("pull", "-q")
    bob.commit("docs/guide.md")
    mirror = held.world.folder / "mirror.git"
    bob.git("init", "-q", "--bare", str(mirror))
    bob.git("remote", "add", "mirror", str(mirror))
    bob.git("push", "-q", "mirror", "main")
    bob.git("push", "-q", held.world.url, "main")


# -- look-alikes --------------------------------------------------------------------------------
LONG = "long-" * 44  # 220 bytes, and then another end
LOOKALIKES = [  # what alice locks, what bob may change
    ("src/a", ["src-a", "src/ab", "src/a.lock", "src/A", "src/ a", "src/a ", "src/a\n", "a", "src/b/a", "src\\a"]),
    ("src/x.lock", ["src/x", "src/x.lock.lock", "src/xlock", "src/x.LOCK"]),
    ("lib/", ["lib", "lib2/x", "lib.py", "Lib/x", "lib /x", " lib/x", "li/b", "src/lib"]),
    (LONG + "1", [LONG + "2", LONG, LONG + "1" + "1"]),
    ("@deploy", ["deploy", "@@deploy", "@deploy2", "@/deploy"]),
    ("app/[id].tsx", ["app/i.tsx", "app/d.tsx", "app/[id]2.tsx", "app/[i].tsx"]),
    ("a:1-5", ["a:1-6", "a:1", "a:"]),
    ("a::b", ["a:b", "a:::b", "a::"]),
    ("q?", ["qq", "q", "q??"]),
    ("st*r", ["star", "st", "st**r"]),
    ("%41", ["A", "%2541", "%"]),
    ("=x", ["x", "==x", "%3Dx"]),
    ("caf\u00e9", ["cafe\u0301", "cafe", "caf\udce9"]),
    ("one two", ["one\ttwo", "one  two", "onetwo", "one\u00a0two", "one\ntwo"]),
    ("raw\udcff", ["raw\udcfe", "raw%FF", "raw\u00ff", "raw"]),
    ("tail.", ["tail", "tail..", "tail. "]),
    (".gitmodules.d/x", [".gitmodules.e/x", "gitmodules.d/x"]),
    ("\u212aelvin", ["Kelvin", "kelvin"]),
    ("!bang", ["bang", "!!bang"]),
    ("\\back", ["back", "\\\\back"]),
    ("'quote\"", ["quote", "'quote'"]),
]  # fmt: skip


def test_lookalikes(team: Team) -> None:
    """All at once: alice's are refused to bob, each for itself, and bob's pass in one commit and one push."""
    locked = [path for path, _ in LOOKALIKES]
    _needs_a_plain_file_system(team.bob.at)
    literal = "".join(f":(literal){path}\0" for path in locked)
    team.alice.peer("lock", "--pathspec-from-file=-", "-z", stdin=literal.encode("utf-8", "surrogateescape"))
    team.bob.peer("sync")
    near = [other for path, others in LOOKALIKES for other in others if other != "lib"]
    under = [path + "x" if path.endswith("/") else path for path in locked]
    assert not set(near) & set(under)
    bob = team.bob
    bob.stage(near)
    bob.git("commit", "-q", "-m", "look-alikes")
    assert len(bob.git("ls-tree", "-r", "-z", "--name-only", "HEAD").out.split("\0")[:-1]) == len(set(near)) + 4
    bob.git("push", "-q")
    bob.stage(under)
    answer = bob.peer("check", "--staged", "--json", status=1).json()
    assert len(answer["violations"]) == len(under)
    bob.refused("commit", "-q", "-m", "x", why=f"and {len(under) - gate.SHOWN} more")
    bob.git("reset", "-q")
    bob.stage(["lib"])  # a file in the place of the locked folder
    bob.refused("commit", "-q", "-m", "x", why="lib is locked by alice")


def _needs_a_plain_file_system(clone: Clone) -> None:
    """Where the file system folds case or forms, such names are one and the same."""
    names = {"Fold", "fold", unicodedata.normalize("NFC", "\u00e9"), unicodedata.normalize("NFD", "\u00e9")}
    probe = clone.path.parent / "probe"
    probe.mkdir()
    for name in names:
        (probe / name).touch()
    if len(list(probe.iterdir())) != len(names):
        pytest.skip("this file system does not tell such names apart")
