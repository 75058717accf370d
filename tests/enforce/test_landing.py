"""A lock lives until its work has landed, whoever lands it and however; it refuses nobody meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.agents.calling import Agent, context
from tests.cli.asking import ask, refused
from tests.cli.test_log_paths import first_format
from tests.enforce.team import HELD, Member, Team
from tests.world import Clone, World

BASE = "".join(f"line {number}\n" for number in range(20))
WORK = BASE.replace("line 3\n", "line three\n").replace("line 15\n", "line fifteen\n")
HALF = BASE.replace("line 3\n", "line three\n")
OTHERS = {"GIT_AUTHOR_NAME": "Host", "GIT_AUTHOR_EMAIL": "host@example.com"}


class Host:
    """The hosting site: it merges what was pushed, under titles and authors of its own, and runs no hooks of ours."""

    def __init__(self, world: World) -> None:
        self.at = world.clone("host")

    def start(self) -> None:
        """Stand on what main is now."""
        self.at.git("fetch", "-q", "-p", "origin")
        self.at.git("checkout", "-q", "-B", "main", "origin/main")

    def merge(self, branch: str) -> None:
        """Merge commit."""
        self.start()
        self.at.git("merge", "-q", "--no-ff", "-m", "Into main", f"origin/{branch}", env=OTHERS)
        self.done()

    def squash(self, branch: str) -> None:
        """One commit, under another title."""
        self.start()
        self.at.git("merge", "-q", "--squash", f"origin/{branch}")
        self.at.git("commit", "-q", "-m", "Better (#1)", env=OTHERS)
        self.done()

    def rebase(self, branch: str) -> None:
        """The commits of the branch, with other ids."""
        self.start()
        self.at.git("cherry-pick", "--keep-redundant-commits", f"origin/main..origin/{branch}")
        self.done()

    def write(self, text: str, message: str = "Better (#1)", path: str = HELD) -> str:
        """A commit of a text of its own; its id."""
        self.start()
        self.at.write(path, text)
        self.at.git("add", "-A")
        self.at.git("commit", "-q", "-m", message, env=OTHERS)
        return self.done()

    def done(self) -> str:
        self.at.git("push", "-q", "origin", "main")
        return self.at.head()

    def delete(self, branch: str) -> None:
        self.at.git("push", "-q", "origin", f":{branch}")


@pytest.fixture
def team(world: World) -> Team:
    """alice and bob in clones, on a file of twenty lines."""
    made = Team.of(world)
    made.alice.at.write(HELD, BASE)
    made.alice.at.commit("lines", HELD)
    made.alice.git("push", "-q", "origin", "main")
    made.bob.git("pull", "-q")
    return made


@pytest.fixture
def host(team: Team) -> Host:
    return Host(team.world)


def works(member: Member, branch: str = "feat/x", text: str = WORK, path: str = HELD) -> str:
    """Lock the file, change it on a branch, and push that; the commit's id."""
    member.git("switch", "-q", "-c", branch)
    member.lock(path)
    member.at.write(path, text)
    member.at.commit("better", path)
    member.peer("push", "-u", "origin", branch)
    return member.at.head()


def pends(member: Member, branch: str = "feat/x", text: str = WORK) -> str:
    """The same, and done with it."""
    commit = works(member, branch, text)
    member.peer("unlock", "--pending", "--all")
    return commit


def locks(member: Member) -> list[tuple[str, str]]:
    """(target, state) of every lock, by the member's copy of the log."""
    return [(one["target"], one["state"]) for one in ask(member.at, "locks", as_=member.name)["locks"]]


def synced(member: Member) -> dict[str, Any]:
    return ask(member.at, "sync", as_=member.name)


PENDING, NONE = [(HELD, "pending")], list[tuple[str, str]]()


@pytest.mark.parametrize("way", [Host.merge, Host.squash, Host.rebase])
@pytest.mark.parametrize("gone", [False, True])
def test_however_it_lands(team: Team, host: Host, way: Callable[[Host, str], None], gone: bool) -> None:
    """Seen by somebody who never had the branch; the branch may be gone by then, and others have changed the file."""
    pends(team.alice)
    synced(team.bob)
    assert locks(team.bob) == PENDING
    host.write("at the top\n" + BASE)
    assert synced(team.bob)["landed"] == []
    way(host, "feat/x")
    if gone:
        host.delete("feat/x")
    landed = synced(team.bob)["landed"]
    assert [(one["target"], one["session"]) for one in landed] == [(HELD, "alice")]
    assert locks(team.bob) == NONE
    assert synced(team.alice)["landed"] == []
    assert locks(team.alice) == NONE
    assert ask(team.alice.at, "fsck")["problems"] == []


def test_a_pending_lock_refuses_nobody_and_is_told(team: Team) -> None:
    """The next is told the branch, whose it is, how old, and what of it touches the path."""
    commit = pends(team.alice)
    synced(team.bob)
    answer = ask(team.bob.at, "lock", "src/", as_="bob")
    (told,) = answer["builds_on"]
    assert (told["branch"], told["session"], told["commit"]) == ("feat/x", "alice", commit)
    assert (told["authors"], told["paths"], told["target"]) == (["person@example.com"], [HELD], "src/")
    assert 0 <= told["age"] < 600
    assert "builds on feat/x?" in told["message"]
    assert told in answer["notices"]
    team.bob.commit(HELD)
    assert ask(team.bob.at, "lock", "docs/guide.md", as_="bob")["builds_on"] == []
    assert ask(team.bob.at, "lock", "src/api.py", as_="bob")["builds_on"] == []


def test_its_holder_takes_it_again(team: Team, host: Host) -> None:
    """The lock is held again, the work goes on, and ends it."""
    pends(team.alice)
    team.alice.lock(HELD)
    assert locks(team.alice) == [(HELD, "held")]
    team.alice.peer("unlock", "--pending", HELD)
    assert locks(team.alice) == PENDING
    host.squash("feat/x")
    assert len(synced(team.bob)["landed"]) == 1


def test_a_part_of_it(team: Team, host: Host) -> None:
    """The lock stays until the rest has landed, and says how much has."""
    pends(team.alice)
    host.write(HALF, "Merge a part of feat/x")
    assert synced(team.bob)["landed"] == []
    (lock,) = ask(team.bob.at, "locks", as_="bob")["locks"]
    assert (lock["landing"]["how"], lock["landing"]["done"], lock["landing"]["of"]) == ("partly", 1, 2)
    assert "1 of 2 landed" in team.bob.peer("locks").out
    host.write("at the top\n" + WORK, "The rest of feat/x")
    assert len(synced(team.bob)["landed"]) == 1


def test_reverted_before_anybody_looked(team: Team, host: Host) -> None:
    """It has landed, and was taken back: said, and over."""
    pends(team.alice)
    host.write(WORK, "Merge feat/x")
    host.write(BASE, "Revert it")
    answer = synced(team.bob)
    assert len(answer["landed"]) == 1
    assert any("taken back since" in one["message"] for one in answer["notices"])


def test_another_lands_the_same_and_takes_it_back(team: Team, host: Host) -> None:
    """That was not alice's work: her lock waits on."""
    pends(team.alice)
    host.write(WORK)
    host.write(BASE)
    assert synced(team.bob)["landed"] == []
    host.write(WORK)
    assert [one["how"] for one in synced(team.bob)["landed"]] == ["other"]


def test_a_merge_that_leaves_it_out(team: Team, host: Host) -> None:
    """Everybody is told, and the lock stays."""
    pends(team.alice)
    host.start()
    host.at.git("merge", "-q", "-s", "ours", "-m", "Into main", "origin/feat/x", env=OTHERS)
    host.done()
    for member in (team.bob, team.alice):
        answer = synced(member)
        assert answer["landed"] == []
        assert any("was left out" in one["message"] for one in answer["notices"])
    host.write(WORK, "Now really feat/x")
    assert len(synced(team.bob)["landed"]) == 1


def test_a_merge_that_somebody_resolved(team: Team, host: Host) -> None:
    """Merged by id, with another content: it ends, and is to be looked at."""
    pends(team.alice)
    host.write(BASE.replace("line 3\n", "line 3 by others\n"))
    host.start()
    host.at.git("merge", "-q", "--no-commit", "origin/feat/x", check=False)
    host.at.write(HELD, WORK.replace("line three\n", "line three by both\n"))
    host.at.git("add", HELD)
    host.at.git("commit", "-q", "-m", "Into main", env=OTHERS)
    host.done()
    answer = synced(team.bob)
    assert [one["how"] for one in answer["landed"]] == ["changed"]
    assert any("changed on landing" in one["message"] for one in answer["notices"])


def test_something_much_like_it(team: Team, host: Host) -> None:
    """Line ends that somebody turned: its holder is asked; with the branch gone it is over."""
    pends(team.alice)
    host.write(WORK.replace("\n", "\r\n"), "feat/x for Windows")
    assert synced(team.bob)["landed"] == []
    answer = synced(team.alice)
    assert answer["landed"] == []
    assert any("much like your work" in one["message"] for one in answer["notices"])
    host.delete("feat/x")
    assert [one["how"] for one in synced(team.bob)["landed"]] == ["changed"]


def test_an_abandoned_branch(team: Team, host: Host) -> None:
    """Gone, and nothing of it has landed: told, then forgotten after its time."""
    pends(team.alice)
    host.delete("feat/x")
    answer = synced(team.bob)
    assert answer["landed"] == []
    assert any("the branch feat/x is gone" in one["message"] for one in answer["notices"])
    team.bob.git("config", "peer.pendingTtl", "1s")
    import time

    time.sleep(2.1)  # the TTL itself, by the wall clock
    assert [one["how"] for one in synced(team.bob)["landed"]] == ["abandoned"]
    assert locks(team.bob) == NONE


def test_the_branch_goes_on_after_its_holder(team: Team, host: Host) -> None:
    """What counts is what the branch has now, also when the branch is gone later."""
    pends(team.alice, text=HALF)
    team.alice.at.write(HELD, WORK)
    team.alice.git("commit", "-q", "-am", "review", "--no-verify")
    team.alice.git("push", "-q", "origin", "feat/x")
    assert synced(team.bob)["landed"] == []
    (lock,) = ask(team.bob.at, "locks", as_="bob")["locks"]
    assert lock["work"]["commit"] == team.alice.at.head()
    host.write(HALF, "A part of feat/x")
    assert synced(team.bob)["landed"] == []
    host.squash("feat/x")
    host.delete("feat/x")
    assert len(synced(team.bob)["landed"]) == 1


def test_a_session_that_ends(team: Team, host: Host) -> None:
    """Its locks with unlanded work wait; the others are given back. Its person may still forget them."""
    works(team.alice)
    team.alice.lock("docs/guide.md")
    answer = ask(team.alice.at, "session", "end", as_="alice")
    assert [one["target"] for one in answer["released"]] == ["docs/guide.md"]
    assert [one["target"] for one in answer["pending"]] == [HELD]
    assert locks(team.alice) == PENDING
    synced(team.bob)
    refused(team.bob.at, "not_yours", "unlock", HELD, as_="bob")
    host.squash("feat/x")
    assert len(synced(team.bob)["landed"]) == 1


def test_a_lease_that_runs_out(team: Team, host: Host) -> None:
    """Its pushed work goes on waiting under the next holder's lock; who lost it is told."""
    team.alice.git("config", "peer.clockSkew", "0s")
    team.bob.git("config", "peer.clockSkew", "0s")
    team.alice.git("switch", "-q", "-c", "feat/x")
    team.alice.peer("lock", HELD, "--ttl", "1s")
    team.alice.at.write(HELD, WORK)
    team.alice.git("commit", "-qam", "better")
    team.alice.peer("push", "origin", "feat/x")
    synced(team.bob)
    import time

    time.sleep(2.1)
    told = ask(team.bob.at, "lock", HELD, as_="bob")
    assert [one["branch"] for one in told["builds_on"]] == ["feat/x"]
    assert sorted(locks(team.bob)) == [(HELD, "held"), (HELD, "pending")]
    assert "lost" in [one["code"] for one in synced(team.alice)["notices"]]
    host.squash("feat/x")
    assert [one["session"] for one in synced(team.bob)["landed"]] == ["alice"]
    assert locks(team.bob) == [(HELD, "held")]


def test_nothing_to_land(team: Team) -> None:
    """There is no work: the lock is given back."""
    team.alice.lock(HELD)
    answer = ask(team.alice.at, "unlock", "--pending", HELD, as_="alice")
    assert [one["target"] for one in answer["released"]] == [HELD]
    assert answer["pending"] == []
    team.alice.git("switch", "-q", "-c", "feat/y")
    works(team.alice, "feat/z")
    team.alice.peer("unlock", "--pending", HELD)
    team.alice.at.write(HELD, BASE)
    team.alice.git("commit", "-qam", "never mind")
    team.alice.git("push", "-q", "origin", "feat/z")
    assert [one["how"] for one in synced(team.bob)["landed"]] == ["nothing"]


def test_nothing_becomes_public_by_a_lock(team: Team, host: Host) -> None:
    """What was not pushed is not in the log; once it is, its blobs are kept there."""
    team.alice.git("switch", "-q", "-c", "feat/x")
    team.alice.lock(HELD)
    team.alice.at.write(HELD, WORK)
    team.alice.git("commit", "-qam", "better")
    blob = team.alice.git("rev-parse", f"HEAD:{HELD}").line
    team.alice.peer("unlock", "--pending", HELD)
    there = ("-C", str(team.world.remote), "cat-file", "-e", blob)
    assert team.bob.git(*there, check=False).status != 0
    team.alice.git("push", "-q", "origin", "feat/x")
    synced(team.bob)
    synced(team.alice)
    kept = team.alice.git("ls-tree", "-r", "refs/peer/coordination", "pending/blobs").out
    assert blob in kept
    assert BASE.encode() in {team.bob.git("cat-file", "blob", row.split()[2]).raw for row in kept.splitlines()}


def test_a_fresh_clone_sees_it(team: Team, host: Host) -> None:
    """After the squash and the deleted branch: the blobs are in the log."""
    pends(team.alice)
    host.squash("feat/x")
    host.delete("feat/x")
    team.world.remote.joinpath("hooks").mkdir(exist_ok=True)
    fresh = team.world.clone("fresh", "--single-branch")
    fresh.peer("init")
    assert len(ask(fresh, "sync")["landed"]) == 1


def test_a_rewritten_main(team: Team, host: Host) -> None:
    """Looked at from the grant again."""
    pends(team.alice)
    host.write("at the top\n" + BASE)
    synced(team.bob)
    host.at.git("reset", "-q", "--hard", "HEAD~1")
    host.at.write(HELD, "another top\n" + WORK)
    host.at.git("commit", "-qam", "feat/x, anew", env=OTHERS)
    host.at.git("push", "-q", "-f", "origin", "main")
    assert len(synced(team.bob)["landed"]) == 1


def test_a_held_lock_in_another_clone_is_its_holders(team: Team, host: Host) -> None:
    """Only the clone that sees the work tree ends it: not with something uncommitted there."""
    works(team.alice)
    host.squash("feat/x")
    assert synced(team.bob)["landed"] == []
    team.alice.at.write(HELD, WORK + "and more\n")
    assert synced(team.alice)["landed"] == []
    team.alice.git("checkout", "-q", "--", HELD)
    assert [one["how"] for one in synced(team.alice)["landed"]] == ["other"]
    synced(team.bob)
    assert locks(team.bob) == NONE


@pytest.mark.parametrize("squash", [False, True])
def test_a_work_tree_in_local_mode(local: Clone, squash: bool) -> None:
    """Merging work-1 into main in the first work tree ends the lock of work-1's session."""
    local.write(HELD, BASE)
    local.commit("lines", HELD)
    other = local.worktree("one", "work-1")
    other.peer("lock", HELD, as_="agent-1")
    other.write(HELD, WORK)
    other.git("commit", "-qam", "better", env={"GIT_PEER_SESSION": "agent-1"})
    assert ask(local, "sync")["landed"] == []
    local.git(
        "merge", "-q", *(("--squash",) if squash else ("--no-edit",)), "work-1", env={"GIT_PEER_SESSION": "agent-1"}
    )
    if squash:
        local.git("commit", "-q", "--no-verify", "-m", "one")
    assert [one["session"] for one in ask(local, "sync")["landed"]] == ["agent-1"]
    assert ask(local, "locks")["locks"] == []
    assert ask(other, "whoami", as_="agent-1")["notices"] == []


def test_several_integration_branches(team: Team, host: Host) -> None:
    """Work lands on any of them, by a push or seen later; a push to any other branch warns and passes."""
    for member in (team.alice, team.bob):
        member.git("config", "peer.integration", "main release/*")
    host.start()
    host.at.git("push", "-q", "origin", "main:release/1")
    team.alice.lock(HELD)
    team.alice.at.write(HELD, WORK)
    team.alice.at.commit("better", HELD)
    synced(team.bob)
    team.bob.sneaks(HELD)
    team.bob.git("switch", "-q", "-c", "draft")
    assert "is pushed, but this cannot land" in team.bob.git("push", "origin", "draft").err
    for branch in ("main", "release/1"):
        team.bob.refused("push", "origin", f"HEAD:{branch}")
    answer = ask(team.alice.at, "push", "origin", "HEAD:release/1", as_="alice")
    assert [one["target"] for one in answer["released"]] == [HELD]
    team.alice.git("reset", "-q", "--hard", "origin/main")
    pends(team.alice)
    host.start()
    host.at.git("checkout", "-q", "-B", "release/2", "origin/main")
    host.at.git("merge", "-q", "--squash", "origin/feat/x")
    host.at.git("commit", "-q", "-m", "feat/x", env=OTHERS)
    host.at.git("push", "-q", "origin", "release/2")
    assert len(synced(team.bob)["landed"]) == 1


def test_a_task_that_is_handed_in(team: Team, host: Host) -> None:
    """`task review` is its holder's word: the locks wait for the branch, and those without work stay."""
    ident = ask(team.alice.at, "task", "add", "better", "--path", HELD, "--path", "docs/guide.md", as_="alice")
    team.alice.git("switch", "-q", "-c", "feat/x")
    ask(team.alice.at, "task", "claim", ident["task"]["id"], "--lock", as_="alice")
    team.alice.at.write(HELD, WORK)
    team.alice.at.commit("better", HELD)
    team.alice.git("push", "-q", "origin", "feat/x")
    answer = ask(team.alice.at, "task", "review", ident["task"]["id"], as_="alice")
    assert [one["target"] for one in answer["pending"]] == [HELD]
    assert sorted(locks(team.alice)) == [("docs/guide.md", "held"), (HELD, "pending")]
    ask(team.bob.at, "task", "merge-point", ident["task"]["id"], as_="bob")
    done = ask(team.bob.at, "task", "done", ident["task"]["id"], as_="bob")
    assert [one["target"] for one in done["released"]] == ["docs/guide.md"]
    host.squash("feat/x")
    assert len(synced(team.bob)["landed"]) == 1
    assert locks(team.bob) == NONE


def test_a_commit_in_the_background_sees_it(team: Team, host: Host) -> None:
    """The fetch that a commit on an old copy starts, and that a refusal waits for."""
    pends(team.alice)
    host.squash("feat/x")
    team.bob.peer("hook", "refresh")
    assert locks(team.bob) == NONE


NAMES = ("with space/ä.txt", "line\nbreak", 'quo"te%41', "caf\udce9")  # the last is no UTF-8


def test_names_of_every_kind(team: Team, host: Host) -> None:
    """Many of them under one lock on a folder, which is too much for one event: the commits tell then."""
    team.alice.git("switch", "-q", "-c", "feat/x")
    team.alice.lock(":(top)")
    for name in NAMES:
        team.alice.at.write(name, f"{name}\n".encode("utf-8", "surrogateescape"))
    team.alice.git("add", "-A")
    team.alice.git("commit", "-qm", "names")
    team.alice.peer("push", "origin", "feat/x")
    team.alice.peer("unlock", "--pending", "--all")
    assert synced(team.bob)["landed"] == []
    host.squash("feat/x")
    assert len(synced(team.bob)["landed"]) == 1
    team.alice.git("switch", "-q", "-c", "feat/many")
    team.alice.lock("many/")
    for number in range(500):
        team.alice.at.write(f"many/{number}-{'x' * 60}.txt", f"{number}\n")
    team.alice.git("add", "-A")
    team.alice.git("commit", "-qm", "many")
    team.alice.peer("push", "origin", "feat/many")
    team.alice.peer("unlock", "--pending", "--all")
    assert synced(team.bob)["landed"] == []
    host.squash("feat/many")
    host.delete("feat/many")
    assert len(synced(team.bob)["landed"]) == 1


def test_work_on_main_itself(team: Team) -> None:
    """Committed on main and pushed by plain git: it lands by its own commits."""
    team.alice.lock(HELD)
    team.alice.at.write(HELD, WORK)
    team.alice.git("commit", "-qam", "better")
    team.alice.peer("unlock", "--pending", HELD)
    assert synced(team.bob)["landed"] == []
    team.alice.git("push", "-q", "origin", "main")
    assert [one["how"] for one in synced(team.bob)["landed"]] == ["landed"]


def test_what_a_look_noted_may_be_damaged(team: Team, host: Host) -> None:
    """It is looked at anew then."""
    pends(team.alice)
    synced(team.bob)
    notes = team.bob.at.common / "peer" / "landing.json"
    for text in ("{", "[]", notes.read_text().replace("tally", "t"), notes.read_text().replace("null", "3")):
        notes.write_text(text)
        assert synced(team.bob)["landed"] == []
    notes.unlink()
    host.squash("feat/x")
    assert len(synced(team.bob)["landed"]) == 1


def test_where_nothing_can_land(team: Team) -> None:
    """No integration branch is known: said, and the lock stays."""
    team.alice.git("switch", "-q", "-c", "feat/x")
    team.alice.lock(HELD)
    team.alice.git("update-ref", "-d", "refs/remotes/origin/main")
    team.alice.git("branch", "-q", "-D", "main")
    refused(team.alice.at, "not_found", "unlock", "--pending", HELD, as_="alice")
    assert locks(team.alice) == [(HELD, "held")]


def test_all_look_at_once(team: Team, host: Host) -> None:
    """Sessions and a job: all see it, and it is recorded once."""
    pends(team.alice)
    host.squash("feat/x")
    job = host.at
    running = [
        *(
            member.at.start_peer("--json", "sync", as_=member.name)
            for member in (team.alice, team.bob)
            for _ in range(2)
        ),
        *(job.start_peer("--json", "landed") for _ in range(2)),
    ]
    for one in running:
        one.finish(0)
    synced(team.bob)
    events = team.bob.peer("log", "--json", "--kind", "lock.land").objects()
    assert [one["how"] for one in events] == ["other"]
    assert ask(team.bob.at, "fsck")["problems"] == []


def test_an_agent_is_told(team: Team) -> None:
    """Its model hears of the branch at its first edit of the path."""
    pends(team.alice)
    synced(team.bob)
    agent = Agent(team.bob.at, kind="claude-code")
    agent.call("session-start")
    given = {"file_path": str(team.bob.at.path / HELD)}
    heard = context(agent.call("pre-edit", tool_name="Edit", tool_input=given))
    assert f"{HELD} builds on feat/x?" in heard


def test_bad_words(team: Team) -> None:
    """One clear error each."""
    refused(team.alice.at, "usage", "unlock", "--pending", as_="alice")
    refused(team.alice.at, "usage", "unlock", "--pending", "--force", "--reason", "x", HELD, as_="alice")
    refused(team.alice.at, "not_found", "unlock", "--pending", HELD, as_="alice")
    team.alice.git("config", "peer.pendingTtl", "0s")
    refused(team.alice.at, "invalid", "sync", as_="alice")


@pytest.mark.parametrize("how", ["unlock", "end"])
def test_work_on_a_branch_that_one_has_left(team: Team, host: Host, how: str) -> None:
    """Committed on a branch that nobody pushed with git-peer, and back on main: each lock waits for its branch."""
    for branch, path in (("feat/x", HELD), ("feat/y", "docs/guide.md")):
        team.alice.git("switch", "-q", "-c", branch, "main")
        team.alice.lock(path)
        team.alice.at.write(path, WORK)
        team.alice.git("commit", "-q", "-am", "better")
    team.alice.git("commit", "-q", "--amend", "-m", "better yet")
    team.alice.git("push", "-q", "origin", "feat/x")
    team.alice.git("switch", "-q", "main")
    words = ("session", "end") if how == "end" else ("unlock", "--pending", "--all")
    answer = ask(team.alice.at, *words, as_="alice")
    assert answer["released"] == []
    assert {one["target"]: one["work"]["branch"] for one in ask(team.alice.at, "locks")["locks"]} == {
        HELD: "feat/x",
        "docs/guide.md": "feat/y",
    }
    host.squash("feat/x")
    assert [one["target"] for one in synced(team.bob)["landed"]] == [HELD]


def test_branches_of_others_or_of_before_are_not_waited_for(team: Team) -> None:
    """What another committed in this clone, or the holder landed before its lock, says nothing of its work."""
    team.alice.git("switch", "-q", "-c", "feat/old")
    team.alice.commit(HELD)
    team.alice.git("switch", "-q", "main")
    import time

    time.sleep(1.1)  # the records are of whole seconds
    team.alice.lock(HELD)
    team.alice.git("switch", "-q", "-c", "feat/other")
    team.alice.at.write(HELD, WORK)
    team.alice.git("commit", "-q", "--no-verify", "-am", "not alice's", env={"GIT_PEER_SESSION": "carol"})
    team.alice.git("switch", "-q", "main")
    answer = ask(team.alice.at, "unlock", "--pending", HELD, as_="alice")
    assert ([one["target"] for one in answer["released"]], answer["pending"]) == ([HELD], [])


def test_a_range_waits_for_its_own_lines(team: Team, host: Host) -> None:
    """Two parts of one file: the lock of each ends when its own lines have landed, and one without work at once."""
    alice = team.alice
    alice.git("switch", "-q", "-c", "feat/x")
    alice.lock(f"{HELD}:2-6", f"{HELD}:14-18", f"{HELD}:9-11")
    alice.at.write(HELD, WORK)
    alice.git("commit", "-q", "-am", "both")
    alice.peer("push", "-u", "origin", "feat/x")
    answer = ask(alice.at, "unlock", "--pending", "--all", as_="alice")
    assert [one["target"] for one in answer["released"]] == [f"{HELD}:9-11"]
    assert sorted(one["target"] for one in answer["pending"]) == [f"{HELD}:14-18", f"{HELD}:2-6"]
    assert synced(team.bob)["landed"] == []
    host.write("at the top\n" + HALF, "Merge a part of feat/x")
    assert [one["target"] for one in synced(team.bob)["landed"]] == [f"{HELD}:2-6"]
    assert locks(team.bob) == [(f"{HELD}:14-18", "pending")]
    host.write("at the top\n" + WORK, "The rest of feat/x")
    assert [one["target"] for one in synced(team.bob)["landed"]] == [f"{HELD}:14-18"]


def test_a_push_gives_back_the_ranges_whose_lines_it_changes(team: Team) -> None:
    """Another part of the same file goes on."""
    team.alice.lock(f"{HELD}:2-6", f"{HELD}:14-18")
    team.alice.at.write(HELD, HALF)
    team.alice.git("commit", "-q", "-am", "the first")
    team.alice.peer("push", "origin", "main")
    assert team.alice.holds() == {f"{HELD}:14-18"}
    team.alice.at.write(HELD, WORK)
    team.alice.git("commit", "-q", "-am", "the second")
    team.alice.peer("push", "origin", "main")
    assert team.alice.holds() == set()


def test_a_log_of_the_first_format(world: World) -> None:
    """It has no pending locks: the word is refused, and all else is as it was before there were any."""
    alice = Member(world.clone("alice"), "alice")
    alice.at.write(HELD, BASE)
    alice.at.commit("lines", HELD)
    alice.git("push", "-q", "origin", "main")
    first_format(alice.at, "init", "--remote", "origin")
    bob = Member(world.clone("bob"), "bob")
    bob.peer("init")
    works(alice)
    said = refused(alice.at, "unsupported", "unlock", "--pending", HELD, as_="alice")
    assert "git peer init --upgrade" in said["error"]["hint"]
    assert locks(alice) == [(HELD, "held")]
    host = Host(world)
    host.squash("feat/x")
    assert synced(alice)["landed"] == []
    assert synced(bob)["landed"] == []
    assert ask(bob.at, "landed")["released"] == []
    assert locks(alice) == [(HELD, "held")]
    answer = ask(alice.at, "session", "end", as_="alice")
    assert [one["target"] for one in answer["released"]] == [HELD]
    assert ask(alice.at, "locks")["locks"] == []
    assert ask(bob.at, "fsck")["problems"] == []


def test_a_shallow_clone_ends_nothing_that_it_cannot_tell(team: Team, host: Host) -> None:
    """Its sync says nothing; a job there deepens a copy, and two at once record it once."""
    pends(team.alice)
    for number in range(3):
        host.write(f"top {number}\n" + BASE)
    host.squash("feat/x")
    host.delete("feat/x")
    thin = team.world.clone("thin", "--depth=1", url=f"file://{team.world.url}")
    thin.peer("init")
    assert ask(thin, "sync")["landed"] == []
    (lock,) = ask(thin, "locks")["locks"]
    assert (lock["state"], "landing" in lock) == ("pending", False)
    for one in [thin.start_peer("--json", "landed") for _ in range(2)]:
        one.finish(0)
    assert ask(thin, "sync")["landed"] == []
    assert ask(thin, "locks")["locks"] == []
    events = thin.peer("log", "--json", "--kind", "lock.land").objects()
    assert len(events) == 1


def test_a_look_costs_no_more_children_with_history(team: Team, host: Host) -> None:
    """git runs as often for fifty new commits as for two."""
    pends(team.alice)
    counts = []
    for many in (2, 50):
        host.start()
        for number in range(many):
            host.at.write("other.txt", f"{many} {number}\n")
            host.at.git("add", "-A")
            host.at.git("commit", "-q", "-m", "other", env=OTHERS)
        host.done()
        trace = team.world.folder / f"trace-{many}"
        ask(team.bob.at, "sync", as_="bob", env={"GIT_TRACE2": str(trace)})
        counts.append(sum(" start " in line for line in trace.read_text().splitlines()))
    assert counts[0] > 0
    assert counts[1] <= counts[0]
