"""`git peer push` and `git push`, side by side on twins: refs, exit status, and what is said of each ref."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from git_peer.ops.push import STAGE_OVER
from tests.enforce.team import HELD, Member, Team
from tests.enforce.test_push import server_hook
from tests.servers import smart_http
from tests.world import Clone, Result, start

_OURS = re.compile(r"refs/(heads/peer/|peer/|notes/peer|remotes/origin/peer/)")
_ROW = re.compile(r" [-+=*! ] \S.*|[-+=*! ]\t.*")


@dataclass(frozen=True)
class Case:
    """What is there first, as git commands in alice's clone, and the words of the push."""

    args: tuple[str, ...]
    first: tuple[str, ...] = ()
    there: str = ""  # what somebody else pushes to the remote meanwhile, as a refspec
    status: int = 0
    atomic: bool = False  # git has to be told, what git-peer does anyway
    cwd: str = ""


COMMIT = "commit -q --allow-empty -m more"
TOPIC = ("branch topic", "switch -q topic", COMMIT, "switch -q main")
AWAY = (*TOPIC, "push -q --no-verify origin topic", "fetch -q")
AMENDED = (*AWAY, "switch -q topic", "commit -q --amend --allow-empty -m other", "switch -q main")
TAGGED = ("tag light", "tag -a heavy -m heavy", COMMIT)
CASES = {
    "nothing": Case(()),
    "plain": Case((), (COMMIT,)),
    "verbose": Case(("-v", "origin", "main", "topic"), AWAY),
    "quiet": Case(("-q",), (COMMIT,)),
    "dry": Case(("-n",), (COMMIT,)),
    "dry, long": Case(("--dry-run", "origin", "topic"), TOPIC),
    "porcelain": Case(("--porcelain", "origin", "main", "topic"), (*AWAY, COMMIT)),
    "porcelain, nothing": Case(("--porcelain",)),
    "porcelain, refused": Case(("--porcelain", "origin", "topic"), AMENDED, status=1),
    "new branch": Case(("origin", "topic"), TOPIC),
    "upstream": Case(("-u", "origin", "topic"), TOPIC),
    "upstream, dry": Case(("-n", "-u", "origin", "topic"), TOPIC),
    "upstream of what is up to date": Case(("-u", "origin", "topic", "main"), AWAY),
    "upstream of HEAD": Case(("-u", "origin", "HEAD"), (*TOPIC, "switch -q topic")),
    "upstream, long and short": Case(("--set-up", "origin", "topic"), TOPIC),
    "several": Case(("origin", "main", "topic:deep/er", "topic~1:refs/heads/first"), (*TOPIC, COMMIT)),
    "by id and by expression": Case(("origin", "HEAD~0:refs/heads/x", "topic^{commit}:refs/heads/y"), TOPIC),
    "deletion": Case(("origin", ":topic"), AWAY),
    "deletion, long": Case(("origin", "--delete", "topic"), AWAY),
    "deletion, short": Case(("-d", "origin", "topic", "refs/tags/light"), (*AWAY, *TAGGED, "push -q origin light")),
    "deletion of nothing": Case(("origin", "-d", "nowhere"), status=1),
    "deletion of all": Case(("--delete", "--all", "origin"), status=129),
    "behind": Case(("origin", "topic"), AMENDED, status=1),
    "behind what is not here": Case((), (COMMIT,), there="+other:main", status=1),
    "one of two is behind": Case(("origin", "main", "topic"), (*AMENDED, COMMIT), status=1, atomic=True),
    "force": Case(("-f", "origin", "topic"), AMENDED),
    "force, long": Case(("--force", "origin", "topic", "main"), (*AMENDED, COMMIT)),
    "force by a plus": Case(("origin", "+topic:topic"), AMENDED),
    "force taken back": Case(("-f", "--no-force", "origin", "topic"), AMENDED, status=1),
    "lease": Case(("--force-with-lease", "origin", "topic"), AMENDED),
    "lease of one": Case(("--force-with-lease=topic", "origin", "topic"), AMENDED),
    "lease with a commit": Case(("--force-with-lease=topic:topic@{1}", "origin", "topic"), AMENDED),
    "lease, wrong": Case(("--force-with-lease=topic:main", "origin", "topic"), AMENDED, status=1),
    "lease, stale": Case(("--force-with-lease", "origin", "topic"), AMENDED, there="+other:topic", status=1),
    "lease taken back": Case(("--force-with-lease", "--no-force-with-lease", "origin", "topic"), AMENDED, status=1),
    "lease, and seen": Case(("--force-with-lease", "--force-if-includes", "origin", "topic"), AMENDED),
    "tags": Case(("--tags",), TAGGED),
    "tags alone": Case(("origin", "--tags"), TAGGED),
    "a tag": Case(("origin", "tag", "light"), TAGGED),
    "a tag that moved": Case(("origin", "light"), (*TAGGED, "push -q origin light", "tag -f light"), status=1),
    "a tag that is moved": Case(("-f", "origin", "light"), (*TAGGED, "push -q origin light", "tag -f light")),
    "following tags": Case(("--follow-tags",), TAGGED),
    "following tags by setting": Case((), (*TAGGED, "config push.followTags true")),
    "not following": Case(("--no-follow-tags",), (*TAGGED, "config push.followTags true")),
    "all": Case(("--all",), (*TOPIC, COMMIT)),
    "all there": Case(("--all", "origin"), (*TOPIC, COMMIT)),
    "all and a refspec": Case(("--all", "origin", "main"), status=129),
    "all and tags": Case(("--all", "--tags"), status=129),
    "prune": Case(("--prune", "origin", "refs/heads/*"), (*AWAY, "branch -D topic")),
    "prune by a pattern": Case(("--prune", "origin", "refs/heads/t*:refs/heads/t*"), (*AWAY, "branch -D topic")),
    "pattern": Case(("origin", "refs/heads/*:refs/heads/copy/*"), TOPIC),
    "atomic": Case(("--atomic", "origin", "main", "topic"), (*TOPIC, COMMIT)),
    "no thin pack": Case(("--no-thin", "-4"), (COMMIT,)),
    "program": Case(("--receive-pack=git-receive-pack", "origin", "topic"), TOPIC),
    "program, by its other name": Case(("--exec", "git-receive-pack", "origin", "topic"), TOPIC),
    "program that is not there": Case(("--receive-pack=no-such-program", "origin", "topic"), TOPIC, status=3),
    "repo": Case(("--repo=origin",), (COMMIT,)),
    "unsigned": Case(("--signed=if-asked", "--no-signed"), (COMMIT,)),
    "not checked by one's own": Case(("--no-verify",), (COMMIT,)),
    "submodules": Case(("--recurse-submodules=check",), (COMMIT,)),
    "no submodules": Case(("--recurse-submodules", "no"), (COMMIT,)),
    "only submodules": Case(("--recurse-submodules=only",), (COMMIT,)),
    "setting: matching": Case((), (*AWAY, COMMIT, "config push.default matching")),
    "setting: current": Case((), ("switch -q -c fresh", "config push.default current")),
    "setting: nothing": Case((), (COMMIT, "config push.default nothing"), status=129),
    "setting: a new branch's upstream": Case((), ("switch -q -c fresh", "config push.autoSetupRemote true")),
    "setting: refspecs": Case(
        (), (*TOPIC, COMMIT, "config remote.origin.push topic:landing", "config --add remote.origin.push +main:main")
    ),
    "setting: no force": Case(("origin", "topic"), (*AMENDED, "config push.useForceIfIncludes true"), status=1),
    "colon": Case(("origin", ":"), (*AWAY, COMMIT)),
    "path": Case(("{remote}", "topic"), TOPIC),
    "path, from below": Case(("../{name}", "topic"), TOPIC, cwd="src"),
    "URL": Case(("file://{remote}", "topic:refs/heads/x", "main:y"), TOPIC),
    "here": Case((".", "topic:refs/heads/x"), TOPIC),
    "no such remote": Case(("nobody", "main"), status=1),
    "no such branch": Case(("origin", "nowhere"), status=129),
    "no such option": Case(("--bogus",), status=129),
    "cut too short": Case(("--f",), status=129),
}  # fmt: skip


def _twin(team: Team) -> tuple[Clone, Member]:
    """alice's clone and the remote as they are, without git-peer."""
    world, alice = team.world, team.alice
    bare, there = world.folder / "twins.git", world.folder / "twin"
    shutil.copytree(world.remote, bare, symlinks=True)
    shutil.copytree(alice.at.path, there, symlinks=True)
    twin = Clone(world, there)
    shutil.rmtree(there / ".git" / "hooks")
    shutil.rmtree(there / ".git" / "peer")
    config = there / ".git" / "config"
    config.write_text(config.read_text().replace(world.url, str(bare)))
    for folder in (bare, there):
        for ref in _refs(folder, ours=True):
            start(("git", "update-ref", "-d", ref), folder).finish(0)
    return twin, Member(Clone(world, bare), "alice")


def _refs(folder: Path, ours: bool = False) -> dict[str, str]:
    rows = start(("git", "for-each-ref", "--format=%(refname) %(objectname)"), folder).finish(0).out.splitlines()
    return {ref: ident for ref, _, ident in (row.partition(" ") for row in rows) if bool(_OURS.match(ref)) is ours}


def _state(clone: Clone, remote: Path) -> tuple[Mapping[str, str], Mapping[str, str], list[str]]:
    """The remote's refs, the clone's, its upstreams."""
    told = clone.git("config", "--get-regexp", r"branch\..*", check=False).out
    return _refs(remote), _refs(clone.path), sorted(told.splitlines())


def _rows(result: Result) -> list[str]:
    """What is said of refs, with white space as it falls."""
    lines = [*result.out.splitlines(), *result.err.splitlines()]
    return sorted(" ".join(line.split()) for line in lines if _ROW.fullmatch(line))


def _upstreams(result: Result) -> list[str]:
    """What is said of upstreams."""
    return sorted(line for line in result.out.splitlines() if "set up to track" in line)


@pytest.mark.parametrize("name", CASES)
def test_twins(team: Team, name: str) -> None:
    case, alice, world = CASES[name], team.alice, team.world
    for line in case.first:
        alice.git(*line.split())
    if case.there:
        team.bob.git("switch", "-q", "-c", "other")
        team.bob.git("commit", "-q", "--allow-empty", "-m", "theirs")
        team.bob.git("push", "-q", "--no-verify", "origin", case.there)
    twin, bare = _twin(team)

    def words(remote: Path) -> list[str]:
        place = str(remote)
        return [arg.replace("{remote}", place).replace("{name}", place.rpartition("/")[2]) for arg in case.args]

    told = twin.git("push", *words(bare.at.path), *(["--atomic"] * case.atomic), check=False, cwd=case.cwd)
    ours = alice.peer("push", *words(world.remote), status=case.status, cwd=case.cwd)
    assert (told.status == 0) == (case.status == 0), told
    if case.status == 1 and name != "no such remote":
        assert told.status == 1
    assert _state(alice.at, world.remote) == _state(twin, bare.at.path)
    assert _rows(ours) == _rows(told)
    assert _upstreams(ours) == _upstreams(told)
    for word in ("Everything up-to-date", "Done"):
        assert (word in ours.out + ours.err) == (word in told.out + told.err), (ours, told)
    if case.status:
        assert "peer/coordination" not in ours.err


def test_every_option_of_git(team: Team) -> None:
    """As this git lists them: each one is known here."""
    known = team.alice.peer("push", "--help").out
    told = start(("git", "push", "-h"), team.alice.at.path).finish()
    names = re.findall(r"^ +(?:-\w, )?--(?:\[no-\])?([a-z0-9-]+)", told.out + told.err, re.MULTILINE)
    assert len(names) > 20
    assert [name for name in names if f"--{name}" not in known and name not in ("exec", "quiet")] == []


MIRRORED: Mapping[str, Callable[[Member], None]] = {
    "option": lambda alice: None,
    "setting": lambda alice: (alice.git("config", "remote.origin.mirror", "true"), None)[1],
}


@pytest.mark.parametrize("how", MIRRORED)
def test_a_mirror_would_delete_the_log(team: Team, how: str) -> None:
    """Refused, with the reason; one's refs are pushed one by one, also where the remote is configured so."""
    alice = team.alice
    MIRRORED[how](alice)
    alice.commit("README.md")
    words = ["--mirror"] if how == "option" else []
    error = alice.refused_push(*words, code="not_allowed")["error"]
    assert "only git-peer writes it" in error["message"]
    if how == "setting":
        alice.git("config", "remote.origin.mirror", "false")
    alice.peer("push", "origin", "main")


def test_elsewhere_a_mirror_is_one(team: Team) -> None:
    alice = team.alice
    start(("git", "init", "-q", "--bare", "away.git"), team.world.folder).finish(0)
    alice.git("remote", "add", "--mirror=push", "away", "../away.git")
    alice.git("branch", "topic")
    alice.peer("push", "away")
    there = _refs(team.world.folder / "away.git")
    assert there["refs/heads/topic"] == there["refs/heads/main"] == alice.at.head()
    alice.git("branch", "-D", "topic")
    assert " - [deleted]" in alice.peer("push", "away").out
    assert "refs/heads/topic" not in _refs(team.world.folder / "away.git")


def test_what_cannot_be_is_refused_with_its_reason(team: Team) -> None:
    alice = team.alice
    alice.commit("README.md")
    with team.nothing_moves():
        error = alice.peer("push", "--no-atomic", "--json", status=129).json()["error"]
        assert "one step" in error["message"]
        alice.git("remote", "set-url", "--add", "--push", "origin", team.world.url)
        alice.git("remote", "set-url", "--add", "--push", "origin", str(team.world.folder / "away.git"))
        error = alice.peer("push", "--json", status=4).json()["error"]
        assert "several push URLs" in error["message"]


def test_the_server_is_heard_at_once(team: Team) -> None:
    """Not when the push is over: its hook goes on only when its line has been seen."""
    alice, go = team.alice, team.world.folder / "go"
    server_hook(
        team.world,
        "post-receive",
        f'echo "open a request: https://example.com/new"; while [ ! -e "{go}" ]; do sleep 0.05; done',
    )
    alice.commit("README.md")
    pushing = alice.at.start_peer("push", as_="alice")
    assert pushing.process.stderr is not None
    line = pushing.process.stderr.readline()
    assert line == b"remote: open a request: https://example.com/new\n"
    assert pushing.process.poll() is None
    go.touch()
    assert "main -> main" in pushing.finish(0).out


def test_signed(team: Team) -> None:
    """The server gets the certificate; what it says of code and log is one statement."""
    alice, key, seen = team.alice, team.world.folder / "key", team.world.folder / "seen"
    start(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)), team.world.folder).finish(0)
    alice.git("config", "gpg.format", "ssh")
    alice.git("config", "user.signingKey", f"{key}.pub")
    alice.git("config", "receive.certNonceSeed", "seed", cwd=str(team.world.remote))
    server_hook(team.world, "post-receive", f'git cat-file blob "$GIT_PUSH_CERT" >"{seen}" 2>/dev/null || :')
    new = alice.commit("README.md")
    alice.peer("push", "--signed")
    assert f"{new} refs/heads/main" in seen.read_text()
    assert "refs/heads/peer/coordination" in seen.read_text()
    alice.commit("README.md")
    alice.git("config", "push.gpgSign", "true")
    alice.peer("push")
    assert alice.at.head() in seen.read_text()


def test_submodules(team: Team) -> None:
    """`check` refuses what nobody could fetch; `on-demand`, said or configured, pushes it first."""
    alice, world = team.alice, team.world
    start(("git", "clone", "-q", "--bare", world.url, "part.git"), world.folder).finish(0)
    alice.git("submodule", "--quiet", "add", str(world.folder / "part.git"), "part")
    alice.git("commit", "-q", "-m", "part")
    alice.peer("push")

    def works() -> str:
        for where in ("part", ""):
            alice.git("commit", "-q", "--allow-empty", "-a", "-m", "more", cwd=where)
        return alice.git("rev-parse", "HEAD", cwd="part").line

    new = works()
    error = alice.refused_push("--recurse-submodules=check", code="rejected")["error"]
    assert "part" in error["message"]
    alice.peer("push", "--recurse-submodules=on-demand")
    assert _refs(world.folder / "part.git")["refs/heads/main"] == new
    new = works()
    alice.git("config", "push.recurseSubmodules", "on-demand")
    alice.peer("push")
    assert _refs(world.folder / "part.git")["refs/heads/main"] == new
    assert world.refs()["refs/heads/main"] == alice.at.head()


def test_who_may_not_push_at_all(held: Team) -> None:
    """A server that takes nothing from this user is told as that, not as a refusal of the log."""
    alice = held.alice
    alice.commit(HELD)
    with smart_http(held.world.folder, writable=False) as server:
        alice.git("remote", "set-url", "origin", f"{server.url}/remote.git")
        error = alice.peer("push", "--json", status=1).json()["error"]
    assert error["code"] == "rejected"
    assert "403" in error["message"]
    assert "coordination" not in error["message"] + error["hint"]
    assert alice.holds() == {HELD}


def test_several_branches_of_much_code(team: Team) -> None:
    """All of it goes ahead, and nothing of that stays."""
    alice = team.alice
    for name in ("one", "two"):
        alice.git("switch", "-q", "-c", name, "main")
        alice.at.write(f"{name}.bin", os.urandom(STAGE_OVER))
        alice.commit(f"{name}.bin")
    alice.peer("push", "origin", "one", "two")
    refs = team.world.refs()
    assert {"refs/heads/one", "refs/heads/two"} <= refs.keys()
    assert not [ref for ref in refs if "stage" in ref]
