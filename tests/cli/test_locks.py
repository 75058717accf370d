"""Locks: modes, overlap, all or nothing, leases, force, notices, and how targets are given."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.asking import CLAUDE, Env, ask, codes, held, refused
from tests.world import Clone, World, merged

SHORT = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "peer.clockSkew", "GIT_CONFIG_VALUE_0": "0s"}


def lapsed() -> None:
    """Wait until a lease of one second has run out."""
    time.sleep(2.1)


def of(clone: Clone, *args: str, as_: str, env: Env | None = None) -> dict[str, Any]:
    """The one lock that `lock` answers with."""
    (found,) = ask(clone, "lock", *args, as_=as_, env=env)["locks"]
    return dict(found)


# -- who stands against whom ----------------------------------------------------------------------
def test_modes(local: Clone) -> None:
    """Shared beside shared; exclusive beside none; one's own shared lock goes up when it is alone."""
    shared = of(local, "src/", "--shared", as_="zoe")
    of(local, "src/api.py", "--shared", as_="abe")
    refused(local, "locked", "lock", "src/api.py", as_="kim")
    refused(local, "locked", "lock", "src/", as_="zoe")
    ask(local, "unlock", "src/api.py", as_="abe")
    up = of(local, "src/", as_="zoe")
    assert (up["id"], up["token"], up["mode"]) == (shared["id"], shared["token"], "exclusive")
    refused(local, "locked", "lock", "src/api.py", "--shared", as_="abe")
    down = of(local, "src/", "--shared", as_="zoe")
    assert (down["id"], down["mode"]) == (shared["id"], "shared")
    of(local, "src/api.py", "--shared", as_="abe")


def test_shared_locks_and_changes(local: Clone) -> None:
    """A shared lock refuses the changes of who has none on it."""
    of(local, "src/", "--shared", as_="zoe")
    of(local, "src/", "--shared", as_="abe")
    assert ask(local, "check", "src/api.py", as_="abe")["allowed"] is True
    refused(local, "locked", "check", "src/api.py", as_="kim")


OVERLAPS = [
    ("src/", "src/api.py", True), ("src/", "src/new/deep.py", True), ("src/", "src-a/x", False),
    ("src/*.py", "src/api.py", True), ("src/*.py", "src/sub/api.py", False), ("src/**/*.py", "src/sub/api.py", True),
    ("src/*.py", "src/a*", True), ("*.md", "*.py", False), ("src/[ab]*", "src/c*", False), ("src/a", "src/ab", False),
    (":/", "anything", True), ("new", "new/x", True), ("@deploy", "@deploy", True), ("@deploy", "@deploy/eu", False),
    ("@deploy", "./@deploy", False), ("@issue/42", "@issue/43", False), ("README.md", "readme.md", False),
    ("a b\tc", "a b\tc", True), ("caf\u00e9", "cafe\u0301", False),
]  # fmt: skip


def test_overlap(local: Clone) -> None:
    """Exact: folders, files, globs and names against each other, in both directions."""
    every = sorted({target for one, two, _ in OVERLAPS for target in (one, two)})
    taken = ask(local, "lock", "--shared", "--", *every, as_="zoe")["locks"]
    ids = {target: lock["id"] for target, lock in zip(every, taken, strict=True)}
    near = {target: {lock["id"] for lock in ask(local, "locks", "--", target)["locks"]} for target in every}
    for one, two, meets in OVERLAPS:
        for first, second in ((one, two), (two, one)):
            assert (ids[second] in near[first]) is meets, (first, second)
    for target in ("src/**/*.py", "@deploy", "a b\tc"):
        refused(local, "locked", "lock", "--", target, as_="abe")


def test_what_exists_is_no_glob(local: Clone) -> None:
    """`app/[id]/page.tsx` is that file where there is one; :(literal), :(glob) and ./@ say what is meant."""
    local.write("app/[id]/page.tsx", "x")
    local.write("@team", "x")
    kinds = {
        "app/[id]/page.tsx": "file", "app/[ab]/page.tsx": "glob", ":(literal)app/[xy]/page.tsx": "file",
        ":(glob)app/**": "glob", "./@team": "file", "@team": "name", "app": "dir", "new/": "dir", "new": "file",
    }  # fmt: skip
    for target, kind in kinds.items():
        (lock,) = ask(local, "lock", target, as_="zoe")["locks"]
        assert lock["kind"] == kind, target
        shown = ask(local, "locks", lock["target"], "--mine", as_="zoe")["locks"]
        assert lock["id"] in [view["id"] for view in shown]
        released = ask(local, "unlock", lock["target"], as_="zoe")["released"]
        assert [view["id"] for view in released] == [lock["id"]], target


def test_all_or_nothing(local: Clone) -> None:
    """One target that is taken: none is granted, nothing is written."""
    of(local, "src/api.py", as_="zoe")
    ask(local, "session", "start", as_="abe")
    before = ask(local, "status")["log"]["height"]
    told = refused(local, "locked", "lock", "docs/", "src/", "README.md", as_="abe")
    assert [conflict["target"] for conflict in told["conflicts"]] == ["src/"]
    assert held(ask(local, "locks")) == [("src/api.py", "zoe")]
    assert ask(local, "status")["log"]["height"] == before
    assert len(ask(local, "lock", "docs/", "README.md", "docs/", as_="abe")["locks"]) == 2
    assert ask(local, "status")["log"]["height"] == before + 1


def test_a_thousand_targets(local: Clone, tmp_path: Path) -> None:
    """They fit in one transaction; what passes the batch limit is `invalid` and grants nothing."""
    names = [f"gen/module_{number:04}.py" for number in range(1000)]
    source = tmp_path / "targets"
    source.write_text("\n".join(names) + "\n")
    locks = ask(local, "lock", "--pathspec-from-file", str(source), as_="zoe")["locks"]
    assert [view["path"] for view in locks] == names
    assert len({view["token"] for view in locks}) == 1000
    source.write_text("".join(f"{'deep/' * 200}{number}\n" for number in range(1000)))
    before = ask(local, "status")["log"]["height"]
    refused(local, "invalid", "lock", "--pathspec-from-file", str(source), as_="zoe")
    assert len(ask(local, "locks")["locks"]) == 1000
    assert ask(local, "status")["log"]["height"] == before


# -- leases ---------------------------------------------------------------------------------------
def test_renewal_moves_the_end(local: Clone) -> None:
    """Locking one's own again, any event of the session, and `session renew`: same id and token, a later end."""
    first = of(local, "src/", "--ttl", "60s", as_="zoe")
    seen = [first]
    for args in (("lock", "src/"), ("session", "renew"), ("lock", "docs/")):
        time.sleep(1.1)
        ask(local, *args, as_="zoe")
        seen.append(ask(local, "locks", "src/")["locks"][0])
    assert {lock["id"] for lock in seen} == {first["id"]}
    assert {lock["token"] for lock in seen} == {first["token"]}
    ends = [lock["expires_at"] for lock in seen]
    assert ends == sorted(set(ends))
    assert of(local, "src/", "--ttl", "2h", "--reason", "longer", as_="zoe")["ttl"] == 7200
    assert of(local, "src/", as_="zoe")["reason"] == "longer"


def test_a_lapsed_lock_refuses_nobody(local: Clone) -> None:
    """It is shown as lapsed, allows changes, and is taken with evidence; its owner is told and fenced."""
    lost = of(local, "src/", "--ttl", "1s", as_="zoe")
    refused(local, "locked", "check", "src/api.py", as_="abe")
    lapsed()
    assert ask(local, "locks")["locks"][0]["live"] is False
    assert ask(local, "check", "src/api.py", as_="abe")["allowed"] is True
    taken = of(local, "src/api.py", as_="abe")
    assert taken["token"] > lost["token"]
    events = local.peer("log", "--json", "--kind", "lock.expire").objects()
    assert [(event["lock"], event["evidence"]["how"]) for event in events] == [(lost["id"], "watch")]
    told = refused(local, "locked", "lock", "src/", as_="zoe")
    assert [notice["holder"] for notice in told["notices"]] == ["abe"]
    ask(local, "unlock", "src/api.py", as_="abe")
    refused(local, "fenced", "check", "src/api.py", as_="zoe")
    again = of(local, "src/", as_="zoe")
    assert again["id"] != lost["id"]
    assert ask(local, "check", "src/api.py", as_="zoe")["allowed"] is True


def test_clocks_may_differ(pair: tuple[Clone, Clone], world: World) -> None:
    """Who has not watched for a TTL waits out peer.clockSkew; then the wall clock is the evidence."""
    one, two = pair
    three = world.clone("c")
    three.peer("init")
    lost = of(one, "src/", "--ttl", "1s", as_="zoe")
    lapsed()
    refused(two, "locked", "lock", "src/", as_="abe")
    of(three, "src/", as_="abe", env=SHORT)
    (event,) = three.peer("log", "--json", "--kind", "lock.expire").objects()
    assert (event["lock"], event["holder"], event["by"]) == (lost["id"], "zoe", "abe")
    assert event["evidence"]["how"] == "wall"
    refused(one, "locked", "lock", "src/", as_="zoe")


def test_a_lapsed_lock_that_nobody_took(local: Clone) -> None:
    """Its owner renews it: same id, same token, no notice."""
    lost = of(local, "src/", "--ttl", "1s", as_="zoe")
    lapsed()
    ask(local, "lock", "docs/", as_="abe", env=SHORT)
    answer = ask(local, "lock", "src/", "--ttl", "1h", as_="zoe")
    assert [(view["id"], view["token"]) for view in answer["locks"]] == [(lost["id"], lost["token"])]
    assert answer["notices"] == []
    refused(local, "locked", "lock", "src/", as_="abe", env=SHORT)


def test_a_sign_of_life_keeps_it(local: Clone) -> None:
    """A renewal before the thief comes: the thief is refused."""
    of(local, "src/", "--ttl", "4s", as_="zoe")
    for _ in range(2):
        time.sleep(2.2)
        ask(local, "session", "renew", as_="zoe")
    refused(local, "locked", "lock", "src/", as_="abe", env=SHORT)


def test_the_longest_ttl(local: Clone) -> None:
    """What is over peer.maxTtl is cut to it."""
    local.git("config", "peer.maxTtl", "10m")
    assert of(local, "src/", "--ttl", "4h", as_="zoe")["ttl"] == 600
    assert of(local, "docs/", as_="zoe")["ttl"] == 600


# -- giving back, and force ------------------------------------------------------------------------
def test_unlock(local: Clone) -> None:
    """Exact targets, ids by a unique prefix, all; what is not there or another's is refused."""
    lock = of(local, "src/", as_="zoe")
    of(local, "docs/", as_="abe")
    refused(local, "not_found", "unlock", "src/api.py", as_="zoe")
    refused(local, "not_yours", "unlock", "docs/", as_="zoe")
    refused(local, "not_yours", "unlock", "--id", ask(local, "locks", "docs/")["locks"][0]["id"], as_="zoe")
    refused(local, "not_found", "unlock", "--id", "zzzz", as_="zoe")
    refused(local, "not_yours", "unlock", "src/", "docs/", as_="zoe")
    assert len(ask(local, "locks")["locks"]) == 2
    assert [view["id"] for view in ask(local, "unlock", "--id", lock["id"][:8], as_="zoe")["released"]] == [lock["id"]]
    assert ask(local, "unlock", "--all", as_="zoe")["released"] == []
    assert len(ask(local, "unlock", "--all", as_="abe")["released"]) == 1


def test_an_ambiguous_id(local: Clone, tmp_path: Path) -> None:
    """A prefix of two locks names neither."""
    source = tmp_path / "targets"
    source.write_text("".join(f"x{number}\n" for number in range(40)))
    ask(local, "lock", "--pathspec-from-file", str(source), as_="zoe")
    found = ask(local, "locks")["locks"]
    firsts = [str(view["id"])[0] for view in found]
    twice = next(first for first in firsts if firsts.count(first) > 1)
    assert "more than one" in refused(local, "not_found", "unlock", "--id", twice, as_="zoe")["error"]["message"]
    assert len(ask(local, "locks")["locks"]) == 40


@pytest.mark.parametrize("target", ["src/", "@deploy"])
def test_force_is_told(local: Clone, target: str) -> None:
    """Readers show the loss and do not mark it; the first writer tells it, once; a file is fenced."""
    lost = of(local, target, as_="zoe")
    refused(local, "usage", "unlock", target, "--force", as_="abe")
    ask(local, "unlock", target, "--force", "--reason", "release day", as_="abe")
    (event,) = local.peer("log", "--json", "--kind", "lock.break").objects()
    assert (event["lock"], event["holder"], event["reason"], event["by"]) == (lost["id"], "zoe", "release day", "abe")
    for _ in range(2):
        answer = ask(local, "status", as_="zoe")
        assert [(n["code"], n["target"], n["lock"]) for n in answer["notices"]] == [("lost", target, lost["id"])]
    assert "lost" in local.peer("status", as_="zoe").out
    assert "lost" in local.peer("locks", as_="zoe").err
    assert codes(ask(local, "status", as_="abe")) == []
    assert codes(ask(local, "lock", "docs/", as_="zoe")) == ["lost"]
    assert codes(ask(local, "lock", "docs/", as_="zoe")) == codes(ask(local, "status", as_="zoe")) == []
    ask(local, "check", "src/api.py", as_="zoe")  # nobody has held it since: the work goes on
    of(local, target, as_="abe")
    if target == "src/":
        refused(local, "locked", "check", "src/api.py", as_="zoe")
        ask(local, "unlock", target, as_="abe")
        refused(local, "fenced", "check", "src/api.py", as_="zoe")


def test_one_s_own_word_is_no_loss(local: Clone) -> None:
    """Unlocking, ending, and being renewed leave no notice and no fence."""
    ask(local, "lock", "src/", "docs/", as_="zoe")
    ask(local, "unlock", "src/", as_="zoe")
    of(local, "src/", as_="abe")
    ask(local, "unlock", "src/", as_="abe")
    assert codes(ask(local, "status", as_="zoe")) == []
    assert ask(local, "check", "src/api.py", as_="zoe")["allowed"] is True


def test_force_over_the_remote(pair: tuple[Clone, Clone]) -> None:
    """The holder in another clone learns of it when its copy does."""
    one, two = pair
    of(one, "src/", as_="zoe")
    ask(two, "sync")
    ask(two, "unlock", "src/", "--force", "--reason", "away", as_="abe")
    of(two, "src/", as_="abe")
    assert codes(ask(one, "status", as_="zoe")) == []
    ask(one, "sync", as_="kim")
    for args in (("status",), ("sync",)):
        (notice,) = ask(one, *args, as_="zoe")["notices"]
        assert (notice["code"], notice["holder"]) == ("lost", "abe")
    assert codes(ask(one, "sync", as_="zoe")) == []


def test_a_stale_copy_is_said(pair: tuple[Clone, Clone]) -> None:
    """Readers that answer from an old copy say so."""
    one, two = pair
    of(two, "src/", as_="abe")
    (one.common / "peer" / "stale-at").write_text(f"{int(time.time()) - 100}\n")
    answer = ask(one, "locks")
    assert answer["locks"] == []
    assert codes(answer) == ["stale"]
    assert ask(one, "status")["log"]["age"] >= 100
    ask(one, "sync")
    answer = ask(one, "locks")
    assert (held(answer), codes(answer)) == ([("src/", "abe")], [])


# -- how targets are given -----------------------------------------------------------------------
def test_relative_to_the_current_folder(local: Clone) -> None:
    """As git's are; :(top) and :/ are the top."""
    expected = {
        "api.py": "src/api.py", "../README.md": "README.md", ".": "src/", "..": ":/", ":/docs": "docs/",
        ":(top)README.md": "README.md", "./new.py": "src/new.py", "*.py": "src/*.py", "sub/": "src/sub/",
        str(local.path / "docs" / "guide.md"): "docs/guide.md",
    }  # fmt: skip
    for given, shown in expected.items():
        assert held(ask(local, "lock", given, as_="zoe", cwd="src")) == [(shown, "zoe")]
        ask(local, "unlock", given, as_="zoe", cwd="src")
    assert ask(local, "check", "api.py", "../README.md", cwd="src")["allowed"] is True


def test_pathspecs_from_a_file(local: Clone, tmp_path: Path) -> None:
    """Lines, NUL with -z, stdin; newlines in names survive -z."""
    source = tmp_path / "list"
    source.write_bytes(b"src/api.py\r\nREADME.md\n\n")
    assert [view["path"] for view in ask(local, "lock", "--pathspec-from-file", str(source), as_="zoe")["locks"]] == [
        "src/api.py", "README.md",
    ]  # fmt: skip
    odd = b"a\nb\0caf\xe9\0@deploy\0"
    locks = ask(local, "lock", "-z", "--pathspec-from-file=-", as_="zoe", stdin=odd)["locks"]
    assert [view["path"] for view in locks] == ["a\nb", "caf%E9", "deploy"]
    told = refused(local, "locked", "check", "-z", "--pathspec-from-file=-", as_="abe", stdin=b"a\nb\0")
    assert [row["path"] for row in told["violations"]] == ["a\nb"]
    assert len(ask(local, "locks", "-z", "--pathspec-from-file=-", stdin=odd)["locks"]) == 3
    assert len(ask(local, "unlock", "-z", "--pathspec-from-file=-", as_="zoe", stdin=odd)["released"]) == 3


def test_what_is_changed(local: Clone) -> None:
    """--changed: what git status names, new files and odd names too."""
    refused(local, "usage", "lock", "--changed", as_="zoe")
    local.write("src/api.py", "changed\n")
    local.write("new/caf\udce9 [x].txt", "new\n")
    local.git("mv", "README.md", "READ ME.md")
    locks = ask(local, "lock", "--changed", as_="zoe")["locks"]
    assert sorted(view["path"] for view in locks) == ["READ ME.md", "README.md", "new/caf%E9 [x].txt", "src/api.py"]
    assert {view["kind"] for view in locks} == {"file"}


def test_dry_run(local: Clone) -> None:
    """It grants nothing, and refuses what would be refused."""
    assert ask(local, "lock", "src/", "--dry-run", as_="zoe")["acquired"] is False
    assert ask(local, "locks")["locks"] == []
    of(local, "src/", as_="zoe")
    assert refused(local, "locked", "lock", "src/", "--dry-run", as_="abe")["conflicts"]


def test_check_staged_and_ranges(local: Clone) -> None:
    """Both sides of a move, deletions; of a range what it makes of a place, unless that is its holder's own work."""
    base = local.head()
    local.git("mv", "src/api.py", "docs/api.py")
    ask(local, "lock", "src/api.py", as_="zoe")
    told = refused(local, "locked", "check", "--staged", as_="abe")
    assert [row["path"] for row in told["violations"]] == ["src/api.py"]
    local.commit("move", env={"GIT_PEER_SESSION": "zoe"})
    moved = local.head()
    assert ask(local, "check", "--rev", f"{base}..HEAD", as_="abe")["allowed"] is True  # zoe's, whoever lands it
    local.git("reset", "-q", "--hard", base)
    local.git("mv", "src/api.py", "docs/api.py")
    local.git("commit", "-q", "--no-verify", "-m", "sneaked", env=merged({"GIT_PEER_SESSION": "abe"}))
    local.write("README.md", "changed\n")
    local.commit("beside", env={"GIT_PEER_SESSION": "abe"})
    for given in (f"{base}..HEAD", "HEAD~1"):  # a range, and a commit alone
        told = refused(local, "locked", "check", "--rev", given, as_="abe")
        assert [(row["path"], row["how"]) for row in told["violations"]] == [("src/api.py", "changed")]
    assert ask(local, "check", "--rev", "HEAD", as_="abe")["allowed"] is True
    local.git("reset", "-q", "--hard", moved)
    local.git("checkout", "-q", base, "--", "src/api.py")
    local.git("commit", "-q", "--no-verify", "-m", "back", env=merged({"GIT_PEER_SESSION": "abe"}))
    told = refused(local, "locked", "check", "--rev", f"{base}..HEAD", as_="abe")
    assert [(row["path"], row["how"]) for row in told["violations"]] == [("src/api.py", "buried")]
    assert ask(local, "check", "--rev", "HEAD..HEAD", as_="abe")["allowed"] is True
    assert ask(local, "check", "--staged", as_="abe")["allowed"] is True


def test_tentative(pair: tuple[Clone, Clone]) -> None:
    """--offline grants by the local copy; the same clone's others are refused; `sync` names what was lost."""
    one, two = pair
    answer = ask(one, "lock", "src/", "docs/", "--offline", as_="zoe")
    assert answer["guarantee"] == "tentative"
    assert {(view["guarantee"], view["token"]) for view in answer["locks"]} == {("tentative", None)}
    refused(one, "locked", "lock", "src/api.py", as_="abe")
    refused(one, "locked", "lock", "src/api.py", "--offline", as_="abe")
    refused(one, "locked", "check", "src/api.py", as_="abe")
    assert ask(one, "check", "src/api.py", as_="zoe")["allowed"] is True
    assert ask(one, "status")["log"]["tentative"] == 2
    of(two, "src/api.py", as_="kim")
    told = refused(one, "lost", "sync", as_="zoe")
    assert [(loss["holder"]) for loss in told["lost"]] == ["kim"]
    assert "src/" in told["lost"][0]["command"]
    assert held(ask(one, "locks")) == [("src/api.py", "kim")]
    ask(one, "lock", "docs/", "--offline", as_="zoe")
    assert ask(one, "sync", as_="zoe")["pushed"] == 1
    (lock,) = ask(one, "locks", "docs/")["locks"]
    assert (lock["guarantee"], lock["session"]) == ("remote", "zoe")


def test_tentative_given_back(pair: tuple[Clone, Clone]) -> None:
    """Unlocking a tentative lock leaves nothing for `sync`."""
    one, _ = pair
    ask(one, "lock", "src/", "docs/", "--offline", as_="zoe")
    assert held({"locks": ask(one, "unlock", "src/", as_="zoe")["released"]}) == [("src/", "zoe")]
    assert held(ask(one, "locks")) == [("docs/", "zoe")]
    ask(one, "unlock", "--all", as_="zoe")
    assert ask(one, "sync")["pushed"] == 0
    assert ask(one, "locks")["locks"] == []


def test_agents_take_and_their_person_is_not_refused(local: Clone) -> None:
    """A commit by the person of the work tree, of what the agent locked there."""
    ask(local, "lock", "src/", env=CLAUDE)
    local.write("src/api.py", "edited\n")
    local.commit("mine")
