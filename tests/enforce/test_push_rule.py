"""What a push carries is asked of the remote, and judged by content at the ref: each history with its right answer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.enforce.team import HELD, Member, Team
from tests.world import Clone, World

DOC = "docs/guide.md"


def everything_is_a_gate(*members: Member) -> None:
    """Then no push to a branch passes with a warning."""
    for member in members:
        member.git("config", "peer.gateBranches", "**")


def quiet(member: Member, *args: str) -> None:
    """A push that passes, and of which git-peer has nothing to say."""
    told = member.git("push", "-q", *args).err
    assert "warning" not in told, told
    assert "locked" not in told, told


def lands(team: Team, *paths: str) -> str:
    """alice changes what she holds, lands it, and goes on holding it."""
    commit = team.alice.commit(*(paths or (HELD,)))
    team.alice.peer("push", "--keep")
    return commit


# -- what the hook is told ----------------------------------------------------------------------
def test_source_refspecs_of_any_form(held: Team) -> None:
    """White space, a line break, a reflog's time: a line counts from its right end."""
    bob = held.bob
    bob.change(HELD)
    bob.git("commit", "-q", "-a", "--no-verify", "-m", "fix the\nbug")
    sources = ("HEAD^{/fix the}", "HEAD^{/fix the\nbug}", "HEAD@{0 minutes ago}", ":/fix the")
    for source in sources:
        bob.refused("push", "-q", "origin", f"{source}:main")
        bob.refused("push", "-q", "origin", f"+{source}:peer/coordination", why="only git-peer writes it")
    bob.refused_push("origin", "HEAD^{/fix the}:main")
    bob.git("reset", "-q", "--hard", "origin/main")
    bob.commit(DOC)
    quiet(bob, "origin", "HEAD^{/bob changes}:main")


ZERO = "0" * 40


@pytest.mark.parametrize(
    "text",
    ["x", "HEAD {id} refs/heads/main", "{id} refs/heads/main {id}", "HEAD {id} refs/heads/main zzz", "a\tb\tc\td",
     "HEAD {id} refs/heads/ok {id}\nrefs/heads/main {id} refs/heads/main", "HEAD {short} refs/heads/main {id}",
     "HEAD {id} refs/heads/main {id} \u00e9", "\x00 {id}\x00"],
)  # fmt: skip
def test_a_line_that_is_not_understood(held: Team, text: str) -> None:
    """Refused, never ignored; whatever it is, no traceback."""
    head = held.bob.at.head()
    stdin = text.replace("{id}", head).replace("{short}", head[:12]).encode()
    told = held.bob.peer("hook", "pre-push", "origin", held.world.url, stdin=stdin + b"\n", status=1)
    assert "does not understand" in told.err
    assert "Traceback" not in told.err


# -- refs/remotes/* is no evidence ----------------------------------------------------------------
def test_a_topic_pushed_before_the_lock(team: Team) -> None:
    bob = team.bob
    bob.git("switch", "-q", "-c", "topic")
    bob.commit(HELD)
    quiet(bob, "-u", "origin", "topic")
    team.hold()
    bob.git("switch", "-q", "main")
    for way in ("--ff-only", "--no-ff"):
        bob.git("merge", "-q", "--no-edit", "--no-verify", way, "topic")
        bob.refused("push", "-q")
        bob.refused_push()
        bob.git("reset", "-q", "--hard", "origin/main")


def test_tracking_refs_of_all_kinds(held: Team) -> None:
    """A request's head, a branch that the host has deleted, another remote's: none makes a change old news."""
    bob, world = held.bob, held.world
    fork = world.folder / "fork.git"
    bob.git("clone", "-q", "--bare", world.url, str(fork))
    bob.git("remote", "add", "fork", str(fork))
    new = bob.sneaks(HELD)
    bob.git("push", "-q", "--no-verify", "fork", "main")
    for ref in ("origin/pr/1", "origin/gone", "origin/main", "elsewhere/main"):
        bob.git("update-ref", f"refs/remotes/{ref}", new)
    for url in ("origin", world.url, f"file://{world.url}", f"{world.url}/", f"../{world.remote.name}"):
        bob.refused("push", "-q", url, "main")
    bob.refused_push(f"file://{world.url}", "main")


# -- no false refusal -------------------------------------------------------------------------------
def _bare(team: Team) -> Member:
    """`clone --bare`, and a work tree beside it: no tracking refs at all."""
    bare = team.world.folder / "bare"
    team.bob.git("clone", "-q", "--bare", team.world.url, str(bare))
    team.bob.git("-C", str(bare), "worktree", "add", "-q", "-b", "feature", "../tree", "main")
    return Member(Clone(team.world, team.world.folder / "tree"), "dan")


def _single(team: Team) -> Member:
    return Member(team.world.clone("single", "--single-branch", "--branch", "main"), "dan")


def _shallow(team: Team) -> Member:
    return Member(team.world.clone("shallow", "--depth=1", url=f"file://{team.world.url}"), "dan")


def _partial(team: Team) -> Member:
    team.bob.git("-C", team.world.url, "config", "uploadpack.allowFilter", "true")
    return Member(team.world.clone("partial", "--filter=blob:none", "-n", url=f"file://{team.world.url}"), "dan")


def _one_tag(team: Team) -> Member:
    """CI that has fetched one tag into an empty repository."""
    team.alice.git("tag", "v1")
    team.alice.git("push", "-q", "origin", "v1")
    clone = Clone(team.world, team.world.folder / "ci")
    team.bob.git("init", "-q", str(clone.path))
    clone.git("remote", "add", "origin", team.world.url)
    clone.git("fetch", "-q", "--no-tags", "origin", "refs/tags/v1:refs/tags/v1")
    clone.git("checkout", "-q", "-b", "feature", "v1")
    return Member(clone, "dan")


@pytest.mark.parametrize("kind", [_bare, _single, _shallow, _partial, _one_tag], ids=lambda kind: kind.__name__[1:])
def test_clones_of_every_kind(held: Team, kind: object) -> None:
    """What alice has landed is in each, and is no change of dan's; a change of dan's is one in each."""
    lands(held)
    assert callable(kind)
    dan: Member = kind(held)
    dan.peer("init")
    everything_is_a_gate(dan)
    dan.git("checkout", "-q", "-B", "feature", "HEAD")
    dan.commit(DOC)
    quiet(dan, "origin", "HEAD:refs/heads/fresh", "HEAD:main")
    lands_again = held.alice
    lands_again.git("pull", "-q")
    lands(held)
    dan.git("pull", "-q", "--rebase", held.world.url, "main")  # what it brings is nowhere but in FETCH_HEAD
    dan.commit("docs/more.md")
    quiet(dan, "origin", "HEAD:refs/heads/fresh", "HEAD:main")
    dan.sneaks(HELD)
    dan.refused("push", "-q", "origin", "HEAD:main")
    dan.refused("push", "-q", "origin", "HEAD:refs/heads/later")


def test_a_depth_one_fetch(held: Team) -> None:
    """`git fetch --depth=1 URL main`, and work on that: nothing is known of where it came from."""
    lands(held)
    bob = held.bob
    everything_is_a_gate(bob)
    bob.git("fetch", "-q", "--depth=1", f"file://{held.world.url}", "main")
    bob.git("checkout", "-q", "-b", "work", "FETCH_HEAD")
    bob.commit(DOC)
    quiet(bob, "origin", "work:main", "work")


def test_a_stack_whose_base_was_squashed(held: Team) -> None:
    alice, bob = held.alice, held.bob
    everything_is_a_gate(bob)
    bob.git("switch", "-q", "-c", "base")
    bob.commit("docs/base.md")
    bob.commit("docs/base.md")
    bob.git("switch", "-q", "-c", "stacked")
    bob.commit("docs/stacked.md")
    quiet(bob, "origin", "base", "stacked")
    lands(held)
    alice.git("fetch", "-q")
    alice.git("merge", "-q", "--squash", "origin/base")
    alice.git("commit", "-q", "-m", "base, squashed")
    alice.git("push", "-q")
    bob.git("fetch", "-q")
    bob.git("rebase", "-q", "--onto", "origin/main", "base", "stacked")
    quiet(bob, "--force-with-lease", "origin", "stacked")
    quiet(bob, "origin", "stacked:main")


def test_branches_that_are_ones_own_or_there_already(held: Team) -> None:
    """One's own is deleted; the holder's, which is on the remote, is copied, and merged by somebody else's hands."""
    alice, bob = held.alice, held.bob
    bob.git("push", "-q", "origin", "main:mine")
    quiet(bob, "origin", ":mine")
    alice.git("switch", "-q", "-c", "topic")
    alice.commit(HELD)
    alice.peer("push", "-u", "origin", "topic")
    bob.commit(DOC)
    bob.git("fetch", "-q")
    everything_is_a_gate(bob)
    quiet(bob, "origin", "origin/topic:refs/heads/copy")
    bob.git("merge", "-q", "--no-edit", "--no-verify", "origin/topic")
    quiet(bob, "origin", "main")
    assert "peer" not in bob.git("log", "-1", "--format=%s").out
    alice.commit(HELD)
    alice.git("push", "-q")
    bob.git("fetch", "-q")
    bob.git("merge", "-q", "--squash", "origin/topic")
    bob.git("commit", "-q", "--no-verify", "-m", "her work, squashed")
    quiet(bob, "origin", "main")


# -- merges -----------------------------------------------------------------------------------------
def _ours(bob: Member, other: str) -> None:
    bob.git("merge", "-q", "-s", "ours", "--no-edit", other)


def _kept(bob: Member, other: str) -> None:
    bob.git("merge", "-q", "--no-commit", "--no-ff", other)
    bob.git("checkout", "-q", "HEAD", "--", HELD)
    bob.git("commit", "-q", "--no-verify", "--no-edit")


def _old_side(bob: Member, other: str) -> None:
    """The work tree of an old side, with both as parents."""
    tree = bob.git("rev-parse", "HEAD^{tree}").line
    commit = bob.git("commit-tree", "-p", other, "-p", "HEAD", "-m", "x", tree).line
    bob.git("reset", "-q", "--hard", commit)


def _reverted(bob: Member, other: str) -> None:
    """Merged, and taken back in the same push."""
    bob.git("merge", "-q", "--no-edit", "--no-ff", "--no-verify", other)
    bob.git("revert", "--no-edit", "-m1", "HEAD", check=False)
    bob.git("commit", "-q", "--no-verify", "-m", "x", check=False)


WAYS = [_ours, _kept, _old_side, _reverted]


@pytest.mark.parametrize("landed", [True, False], ids=["landed", "pushed"])
def test_merges_that_undo_the_holders_work(held: Team, landed: bool) -> None:
    """Of what she has landed, and of what she has only pushed; an honest merge of the same passes."""
    alice, bob = held.alice, held.bob
    if landed:
        lands(held)
        other = "origin/main"
    else:
        alice.git("switch", "-q", "-c", "topic")
        alice.commit(HELD)
        alice.peer("push", "-u", "origin", "topic")
        other = "origin/topic"
    bob.commit(DOC)
    start = bob.at.head()
    bob.git("fetch", "-q")
    for way in WAYS:
        way(bob, other)
        bob.refused("push", "-q", "origin", "main")
        bob.git("reset", "-q", "--hard", start)
    bob.git("merge", "-q", "--no-edit", "--no-verify", other)
    quiet(bob, "origin", "main")


def test_a_conflict_that_the_pusher_resolved(held: Team) -> None:
    """Both changed one line: it is for the holder to say what becomes of it."""
    alice, bob = held.alice, held.bob
    alice.peer("unlock", HELD)
    bob.peer("sync")
    bob.commit(HELD)
    bob.peer("push")
    alice.lock(HELD)
    alice.git("switch", "-q", "-c", "topic")
    alice.commit(HELD)
    alice.peer("push", "-u", "origin", "topic")
    bob.git("fetch", "-q")
    assert bob.git("merge", "-q", "origin/topic", check=False).status == 1
    bob.at.write(HELD, "both\n")
    bob.git("commit", "-q", "-a", "--no-verify", "--no-edit")
    told = bob.refused("push", "-q", "origin", "main")
    assert "let alice merge" in told.err
    alice.git("fetch", "-q")
    assert alice.git("merge", "-q", "origin/main", check=False).status == 1
    alice.at.write(HELD, "both\n")
    alice.git("commit", "-q", "-a", "--no-edit")
    alice.peer("push", "origin", "topic:main")


def test_a_merge_with_renames_and_attributes(held: Team) -> None:
    """What git's own merge makes of it is a clean merge: a file that moved, one with a merge driver."""
    alice, bob = held.alice, held.bob
    alice.peer("unlock", HELD)
    alice.at.write(HELD, "".join(f"line {n}\n" for n in range(40)))
    alice.at.write("list.txt", "one\n")
    alice.at.write(".gitattributes", "*.txt merge=union\n")
    alice.git("add", "-A")
    alice.git("commit", "-q", "-m", "long")
    alice.peer("push")
    bob.git("pull", "-q")
    alice.lock("src/", "list.txt")
    alice.git("switch", "-q", "-c", "topic")
    alice.git("mv", HELD, "src/moved.py")
    alice.at.write("list.txt", "one\nhers\n")
    alice.git("commit", "-q", "-a", "-m", "moved")
    alice.peer("push", "-u", "origin", "topic")
    alice.git("switch", "-q", "main")
    alice.at.write(HELD, "".join(f"line {n}\n" for n in range(39)) + "last\n")
    alice.at.write("list.txt", "one\nmain's\n")
    alice.git("commit", "-q", "-a", "-m", "on main")
    alice.peer("push", "--keep")
    bob.git("pull", "-q")
    bob.git("fetch", "-q")
    bob.git("merge", "-q", "--no-edit", "--no-verify", "origin/topic")
    assert "last" in bob.at.read("src/moved.py")
    quiet(bob, "origin", "main")


# -- behind -----------------------------------------------------------------------------------------
def test_merely_behind(held: Team) -> None:
    """Nothing locked was touched: fetch first. Forced, it would undo her work."""
    lands(held)
    bob = held.bob
    bob.commit(DOC)
    with held.nothing_moves():
        told = bob.git("push", "origin", "main", check=False)
    assert told.status == 1
    assert "fetch first" in told.err
    assert "locked by" not in told.err
    bob.git("fetch", "-q")
    with held.nothing_moves():
        told = bob.git("push", "origin", "main", check=False)
    assert "non-fast-forward" in told.err
    assert "alice" not in told.err
    told = bob.refused("push", "-q", "--force", "origin", "main")
    assert "undo what alice has landed" in told.err


def test_behind_what_nobody_locks(held: Team) -> None:
    held.alice.commit("README.md")
    held.alice.peer("push")
    held.bob.commit(DOC)
    told = held.bob.git("push", "origin", "main", check=False)
    assert "fetch first" in told.err  # git's own words
    assert "alice" not in told.err


# -- gates ------------------------------------------------------------------------------------------
def test_what_is_no_gate(held: Team) -> None:
    """Other branches warn and pass, in both ways; tags, requests for review and other refs are nobody's concern."""
    bob = held.bob
    bob.sneaks(HELD)
    told = bob.git("push", "-q", "origin", "main:topic").err
    assert told.startswith(f"warning: {HELD} is locked by alice")
    assert "topic" in told
    bob.git("tag", "-a", "v1", "-m", "v1")
    quiet(bob, "origin", "v1", "HEAD:refs/for/main", "HEAD:refs/changes/1")
    answer = bob.peer("push", "origin", "main:other", "--json").json()
    assert [one["code"] for one in answer["notices"]] == ["locked"]
    assert HELD in answer["notices"][0]["message"]
    bob.git("config", "peer.integration", "main release/*")
    bob.refused("push", "-q", "origin", "main:release/1.0", "main:fine")
    bob.git("config", "peer.gateBranches", "feat[")
    told = bob.git("push", "-q", "origin", "main:more", check=False).err
    assert told.startswith("error: peer.gateBranches: not a branch")


def test_a_remote_that_has_no_log(held: Team) -> None:
    """A fork, a mirror, a place to deploy to: nothing lands there, whatever its branches are called."""
    bob, world = held.bob, held.world
    fork = world.folder / "fork.git"
    bob.git("clone", "-q", "--bare", world.url, str(fork))
    bob.git("-C", str(fork), "update-ref", "-d", "refs/heads/peer/coordination")
    bob.git("remote", "add", "fork", str(fork))
    bob.sneaks(HELD)
    quiet(bob, "fork", "main")
    quiet(bob, str(fork), "main:release")
    quiet(bob, "--force", "fork", "HEAD~1:main")
    bob.refused("push", "-q", "origin", "main")


def test_another_root(held: Team) -> None:
    """A subtree's paths are other paths, whatever they are called; what it puts under a locked one is a change."""
    bob = held.bob
    everything_is_a_gate(bob)
    main = bob.at.head()
    bob.git("switch", "-q", "--orphan", "lib")
    bob.at.write(HELD, "another file\n")
    bob.git("add", "-A")
    bob.git("commit", "-q", "--no-verify", "-m", "a library")
    bob.git("config", "peer.gateBranches", "main")
    quiet(bob, "origin", "lib")
    bob.git("switch", "-q", "main")
    bob.git("merge", "-q", "-s", "ours", "--no-commit", "--allow-unrelated-histories", "lib")
    bob.git("read-tree", "--prefix=vendor/", "-u", "lib")
    bob.git("commit", "-q", "--no-verify", "-m", "the library under vendor/")
    quiet(bob, "origin", "main")
    bob.git("switch", "-q", "-c", "bad", main)
    bob.git("read-tree", "--prefix=src/auth.py.d/", "-u", "lib")
    bob.git("commit", "-q", "--no-verify", "-m", "beside it")
    bob.git("rebase", "-q", "origin/main")
    quiet(bob, "origin", "bad:main")
    bob.git("rm", "-q", HELD)
    bob.at.write(f"{HELD}/x", "inside\n")
    bob.git("add", "-A")
    bob.git("commit", "-q", "--no-verify", "-m", "a folder in its place")
    bob.refused("push", "-q", "origin", "bad:main")


def test_another_session_rebases_the_holders_commits(team: Team) -> None:
    """They stay the holder's, where their patch is what it was."""
    bob = team.bob
    alice = Member(bob.at.worktree("hers"), "alice")
    alice.lock(HELD)
    alice.commit(HELD)
    bob.commit(DOC)
    bob.git("switch", "-q", "-c", "mine", "hers")
    bob.git("rebase", "-q", "main")
    bob.git("commit", "-q", "--amend", "-m", "said better")
    quiet(bob, "origin", "mine:main")
    alice.commit(HELD)
    bob.git("cherry-pick", "hers")
    quiet(bob, "origin", "mine:main")
    bob.at.write(HELD, "changed on the way\n")
    bob.git("commit", "-q", "-a", "--no-verify", "--amend", "-m", "and changed")
    bob.git("push", "-q", "--no-verify", "--force", "origin", "HEAD~1:main")
    bob.refused("push", "-q", "origin", "mine:main")


# -- the log ----------------------------------------------------------------------------------------
def test_the_log_by_any_name(held: Team) -> None:
    """It is where a push leads that counts: spellings of a path, links, aliases of git's settings, other remotes."""
    bob, world = held.bob, held.world
    link = world.folder / "link.git"
    link.symlink_to(world.remote)
    spelled = [
        f"file://{world.url}", f"{world.url}/", str(world.remote.with_suffix("")), str(link),
        f"{world.remote.parent}/./{world.remote.name}//", f"../{world.remote.name}",
    ]  # fmt: skip
    for number, url in enumerate(spelled):
        bob.git("remote", "add", f"r{number}", url)
    bob.git("config", f"url.{world.url}.insteadOf", "there:")
    bob.git("config", f"url.{world.folder}/.pushInsteadOf", "push:")
    bob.git("remote", "add", "alias", "there:")
    bob.git("remote", "add", "pushed", f"push:{world.remote.name}")
    everywhere = [*(f"r{n}" for n in range(len(spelled))), "alias", "pushed", "there:", spelled[0], str(link)]
    for to in everywhere:
        bob.refused("push", "-q", "--mirror", to, why="only git-peer writes it")
        bob.refused("push", "-q", to, ":peer/coordination", why="only git-peer writes it")
    bob.refused_push("alias", ":peer/coordination", code="not_allowed")
    bob.sneaks(HELD)
    for to in ("alias", "pushed", str(link)):
        bob.refused("push", "-q", to, "main")


def test_the_log_behind_a_name_that_tells_nothing(held: Team) -> None:
    """No spelling leads there; that it has our log's commits tells what it is."""
    bob, world = held.bob, held.world
    bob.git("config", "protocol.ext.allow", "always")
    bob.git("remote", "add", "two", f"ext::git %s {world.url}")
    bob.sneaks(HELD)
    bob.refused("push", "-q", "--mirror", "two", why="only git-peer writes it")
    bob.refused("push", "-q", "two", "main")


# -- what is told -----------------------------------------------------------------------------------
def test_every_path_is_named(team: Team) -> None:
    """The first ten and how many, each lock once; `check --rev` says the same."""
    bob = team.bob
    team.hold("src/", "README.md")
    bob.sneaks(*(f"src/{n:02}.py" for n in range(13)), "README.md")
    told = bob.refused("push", "-q", why="README.md is locked by alice")
    for number in range(9):
        assert f"src/{number:02}.py" in told.err
    assert "src/09.py" not in told.err
    assert "and 4 more paths" in told.err
    answer = bob.peer("check", "--rev", "origin/main..main", "--json", status=1).json()
    assert len(answer["violations"]) == 14
    assert answer["error"]["message"] in told.err
    assert len(bob.refused_push()["violations"]) == 14
    bob.git("revert", "--no-edit", "HEAD", check=False)
    bob.git("commit", "-q", "--no-verify", "-m", "taken back", check=False)
    bob.peer("check", "--rev", "origin/main..main")
    quiet(bob, "origin", "main")


def test_no_answer_in_time(held: Team, tmp_path: Path) -> None:
    """What is not gated does not wait for a remote that hangs, nor is it refused."""
    bob = held.bob
    bob.git("switch", "-q", "-c", "topic")
    bob.commit(DOC)
    script = tmp_path / "hangs"
    script.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    script.chmod(0o755)
    bob.git("config", "protocol.ext.allow", "always")
    head = bob.at.head()
    line = f"refs/heads/topic {head} refs/heads/topic {ZERO}\n".encode()
    told = bob.peer("hook", "pre-push", "odd", f"ext::{script}", stdin=line)
    assert told.err == ""


def test_not_set_up(world: World) -> None:
    """Then the hook has nothing to say."""
    clone = world.clone("plain")
    clone.peer("hook", "pre-push", "origin", world.url, stdin=b"nonsense\n")
