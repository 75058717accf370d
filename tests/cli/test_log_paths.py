"""`git peer log PATH`: all that happened to a path, in words, by events of every version."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import pytest

from tests.cli.asking import ask, refused
from tests.cli.test_locks import SHORT
from tests.cli.test_sessions import session_of
from tests.world import Clone, World, start

# The program of a release that knows only logs of the first format.
_FIRST = """
import sys
from git_peer import layout
layout.FORMAT = 1
from git_peer.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def first_format(clone: Clone, *args: str) -> None:
    start((sys.executable, "-P", "-c", _FIRST, *args), clone.path).finish(0)


def story(clone: Clone, *paths: str, args: Sequence[str] = ()) -> list[str]:
    """What the log says of paths, oldest first, without what tells when."""
    rows = clone.peer("--json", "log", *args, "--", *paths).objects()
    return [row["says"] for row in rows][::-1]


def live_through(one: Clone) -> None:
    """Of src/api.py: taken, told of, released; locked in its folder, broken; lapsed and taken over; landed."""
    ask(one, "lock", "src/api.py", as_="ana")
    ask(one, "push-delta", "--type", "discovery", "--summary", "it leaks", "--path", "src/api.py", as_="ana")
    ask(one, "unlock", "src/api.py", as_="ana")
    ask(one, "lock", "src/", as_="ana")
    ask(one, "unlock", "src/", "--force", "--reason", "away", as_="cid")
    ask(one, "lock", "src/*.py", "--ttl", "1s", as_="ana")
    time.sleep(2.1)
    ask(one, "lock", "src/api.py", as_="ben", env=SHORT)
    ask(one, "lock", "README.md", as_="ana")
    one.write("src/api.py", "landed\n")
    one.commit("work", "src/api.py")
    ask(one, "push", "origin", "main", as_="ben")


STORY = [
    "ana took src/api.py",
    "ana told of a discovery (info): it leaks",
    "ana released src/api.py",
    "ana took src/",
    "cid broke ana's lock on src/",
    "ana took src/*.py",
    "ben ended ana's lapsed lock on src/*.py",
    "ben took src/api.py",
    "ben landed work on main: src/api.py",
]


def test_all_that_happened_to_a_path(world: World) -> None:
    one = world.clone("a")
    one.peer("init", "--remote", "origin")
    live_through(one)
    told = story(one, "src/api.py")
    assert told[:-1] == STORY
    assert told[-1] == f"ben released src/api.py, landed as {one.head()[:12]}"
    assert story(one, "src/") == told  # what lies in it counts
    inner = [said for said in STORY if "src/api.py" not in said and "leaks" not in said]
    assert story(one, "src/auth.py") == inner  # of another file in the folder, what the folder and the glob saw
    assert story(one, "README.md") == ["ana took README.md"]
    assert story(one, "docs/") == []
    shown = one.peer("log", "src/api.py").out
    assert "cid broke ana's lock on src/: away" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "{" not in shown


def test_a_log_of_the_first_format_tells_the_same(world: World) -> None:
    """Its events name no path: what they name is looked up; a landing is looked up in the code."""
    one = world.clone("a")
    first_format(one, "init", "--remote", "origin")
    live_through(one)
    rows = one.peer("--json", "log", "src/api.py").objects()
    assert {row["v"] for row in rows} == {1}
    told = [(row["kind"], row["by"]) for row in rows][::-1]
    assert told == [
        ("lock.take", "ana"),
        ("delta.push", "ana"),
        ("lock.release", "ana"),
        ("lock.take", "ana"),
        ("lock.break", "cid"),
        ("lock.take", "ana"),
        ("lock.expire", "ben"),
        ("lock.take", "ben"),
        ("push.land", "ben"),
        ("lock.release", "ben"),
    ]
    assert ask(one, "fsck")["problems"] == []


def test_a_log_is_moved_to_the_new_format_when_somebody_says_so(world: World) -> None:
    one, two = world.clone("a"), world.clone("b")
    first_format(one, "init", "--remote", "origin")
    assert ask(two, "init")["format"] == 1
    ask(two, "session", "start", "--doing", "x", as_="ana")
    why = refused(two, "unsupported", "session", "start", "--capability", "sql", as_="ana")
    assert "git peer init --upgrade" in why["error"]["hint"]
    ask(two, "lock", "src/", as_="ana")
    ask(two, "unlock", "src/", as_="ana")
    assert ask(two, "init", "--upgrade")["format"] == 2
    assert ask(two, "init", "--upgrade")["format"] == 2
    assert [row["kind"] for row in two.peer("--json", "log", "--kind", "log.format").objects()] == ["log.format"]
    ask(two, "session", "start", "--capability", "sql", as_="ana")
    ask(two, "lock", "src/", as_="ana")
    ask(two, "unlock", "src/", as_="ana")
    rows = two.peer("--json", "log", "--kind", "lock.release").objects()
    assert [(row["v"], "paths" in row) for row in rows] == [(2, True), (1, False)]
    old = start((sys.executable, "-P", "-c", _FIRST, "lock", "docs/"), one.path).finish(None)
    assert old.status == 4  # an older release reads on, and does not write
    ask(one, "sync")
    assert ask(one, "fsck")["problems"] == []


def test_the_branch_of_a_record_is_the_one_of_now(local: Clone) -> None:
    ask(local, "lock", "src/", as_="ana")
    assert session_of(local, "ana")["branch"] == "main"
    local.git("checkout", "-qb", "topic")
    assert session_of(local, "ana")["branch"] == "main"  # readers write nothing
    ask(local, "lock", "docs/", as_="ana")
    assert session_of(local, "ana")["branch"] == "topic"
    assert {lock["branch"] for lock in ask(local, "locks")["locks"]} == {"topic"}
    before = len(local.peer("--json", "log").objects())
    ask(local, "lock", "README.md", as_="ana")
    assert len(local.peer("--json", "log").objects()) == before + 1  # once is enough
    local.git("checkout", "-q", "--detach")
    ask(local, "session", "renew", as_="ana")
    assert session_of(local, "ana")["branch"] == ""
    last, *rows = local.peer("--json", "log").objects()
    assert (last["kind"], last["branch"], last["head"]) == ("session.renew", "", local.head())
    assert last["height"] > rows[0]["height"]  # saying where it is, it has given its sign of life


def test_a_session_is_told_of_where_it_is_not_where_it_was(pair: tuple[Clone, Clone]) -> None:
    """What was kept offline on one branch is arbitrated from another: the record has the one of now."""
    one, _ = pair
    ask(one, "lock", "docs/", as_="ana")
    one.git("checkout", "-qb", "topic")
    ask(one, "lock", "src/", "--offline", as_="ana")
    one.git("checkout", "-qb", "later")
    ask(one, "sync", as_="ana")
    assert session_of(one, "ana")["branch"] == "later"


def test_more_files_than_an_event_holds_are_told_by_their_folders(world: World) -> None:
    one = world.clone("a")
    one.peer("init", "--remote", "origin")
    for folder in ("deep/one", "deep/two"):
        for number in range(300):
            one.write(f"{folder}/{'x' * 40}{number}.txt", "x")
    one.git("add", "-A")
    one.git("commit", "-qm", "many")
    ask(one, "push", "origin", "main", as_="ana")
    [row] = one.peer("--json", "log", "--kind", "push.land").objects()
    assert row["paths"] == [{"kind": "dir", "path": "deep/one"}, {"kind": "dir", "path": "deep/two"}]
    assert story(one, "deep/two/x.txt") == ["ana landed work on main: deep/one/, deep/two/"]


@pytest.mark.parametrize("path", ["with space.txt", "new\nline.txt", "ümlaut.txt"])
def test_odd_paths(local: Clone, path: str) -> None:
    ask(local, "lock", f":(literal){path}", as_="ana")
    ask(local, "unlock", f":(literal){path}", as_="ana")
    assert len(story(local, f":(literal){path}")) == 2
    assert len(local.peer("log", "--", f":(literal){path}").out.splitlines()) == 2
