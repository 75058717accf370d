"""git peer gate: from a range to verdicts, what is run again, and whom a required gate holds."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.asking import ask, refused, snapshot
from tests.world import Clone, World

NO_PYTHON = "[gates.tests]\noff = true\n[gates.regression]\noff = true\n[gates.coverage]\noff = true\n"
STUB = "def f():\n    raise NotImplementedError\n"


def commit(clone: Clone, message: str, **files: str) -> str:
    for name, content in files.items():
        clone.write(name.replace("__", "/").replace("_py", ".py"), content)
    clone.git("add", "-A")
    clone.git("commit", "-q", "-m", message)
    return clone.head()


def rules(clone: Clone, text: str) -> str:
    """The integration branch gets these gates."""
    clone.write(".git-peer.toml", text)
    return commit(clone, "gates")


def words(answer: dict[str, object]) -> dict[str, str]:
    found = answer["gates"]
    assert isinstance(found, list)
    return {one["name"]: one["verdict"] for one in found}


@pytest.fixture
def clone(world: World) -> Clone:
    """A clone on a branch of its own, without a log."""
    found = world.clone("a")
    found.git("checkout", "-q", "-b", "work")
    return found


def test_without_set_up(clone: Clone) -> None:
    """A diff is judged with nothing set up; nothing is written. The range is what the branch adds."""
    commit(clone, "one", a_py=STUB)
    before = snapshot(clone.path)
    answer = refused(clone, "failed", "gate")
    assert words(answer) == {
        "stubs": "fail", "secrets": "pass", "size": "pass", "api": "pass", "dependencies": "pass",
    }  # fmt: skip
    assert answer["commit"] == clone.head()
    (found,) = next(one for one in answer["gates"] if one["name"] == "stubs")["findings"]
    assert (found["path"], found["line"]) == ("a.py", 1)
    assert words(ask(clone, "gate", "--only", "size", "--only", "secrets")) == {"size": "pass", "secrets": "pass"}
    assert snapshot(clone.path) == before


@pytest.mark.parametrize(
    ("code", "args"),
    [
        ("usage", ["nope"]), ("usage", ["nope..HEAD"]), ("usage", ["HEAD", "HEAD"]),
        ("not_found", ["--only", "sise"]), ("not_found", ["explain", "sise"]), ("usage", ["--baseline", "nope"]),
        ("usage", ["explain", "size", "api"]),
    ],
)  # fmt: skip
def test_bad_input(clone: Clone, code: str, args: list[str]) -> None:
    assert refused(clone, code, "gate", *args)["error"]["hint"]


def test_ranges(clone: Clone) -> None:
    """`A..B` from where they parted, one commit from the integration branch, what has landed by itself."""
    start = clone.head()
    first = commit(clone, "one", a_py=STUB)
    second = commit(clone, "two", b_py="x = 1\n")
    assert refused(clone, "failed", "gate", "--only", "stubs")["base"] == start
    assert ask(clone, "gate", f"{first}..{second}", "--only", "stubs")["base"] == first
    assert ask(clone, "gate", f"{first}...", "--only", "stubs")["commit"] == second
    clone.git("update-ref", "refs/remotes/origin/main", second)
    assert ask(clone, "gate", "--only", "stubs")["base"] == first
    assert refused(clone, "failed", "gate", first, "--only", "stubs")["base"] == start


def test_own_commands(clone: Clone) -> None:
    """0 is a pass, another status a fail; a program that is missing or too slow is unknown, and so exits 3."""
    rules(
        clone,
        NO_PYTHON
        + "[gates.good]\ncommand = 'test -f a.py'\n[gates.bad]\ncommand = 'echo no; exit 3'\n"
        + "[gates.gone]\ncommand = 'no-such-program'\n[gates.slow]\ncommand = 'sleep 30'\ntimeout = '1s'\n",
    )
    clone.git("update-ref", "refs/remotes/origin/main", "HEAD")
    commit(clone, "one", a_py="x = 1\n")
    answer = refused(clone, "failed", "gate", "--sandbox", "none")
    assert words(answer) | {"good": "pass", "bad": "fail", "gone": "unknown", "slow": "unknown"} == words(answer)
    bad = next(one for one in answer["gates"] if one["name"] == "bad")
    assert (bad["why"], bad["output"]) == ("exit status 3", "no")
    for name in ("gone", "slow"):
        refused(clone, "unknown", "gate", "--sandbox", "none", "--only", name)
    said = clone.peer("gate", "--sandbox", "none", "--only", "gone", status=3)
    assert said.err.splitlines()[-2].startswith("error: ")
    assert "not found" in said.out


def test_no_sandbox_is_no_pass(clone: Clone) -> None:
    """Where no engine answers a gate is unknown, and the command does not succeed."""
    rules(clone, NO_PYTHON + "[gates.good]\ncommand = 'true'\n")
    result = clone.peer("gate", "--only", "good", status=3, env={"DOCKER_HOST": "unix:///nowhere"})
    assert result.err.splitlines()[0].endswith("could not be run: good")


def test_what_has_been_run_is_not_run_again(clone: Clone, tmp_path: Path) -> None:
    """Fifty commits: a command is run once for each tree, and not again with a warm memory."""
    ran = tmp_path / "ran"
    rules(clone, f"[gates.count]\ncommand = 'cat n >> {ran}'\n")
    clone.git("update-ref", "refs/remotes/origin/main", "HEAD")
    commits = [commit(clone, f"{at}", n=f"{at % 10}\n") for at in range(50)]
    for each in commits:
        ask(clone, "gate", each, "--only", "count", "--sandbox", "none")
    assert len(ran.read_text().split()) == 10
    answer = ask(clone, "gate", commits[-1], "--only", "count", "--sandbox", "none")
    assert answer["gates"][0]["cached"] is True
    fresh = commit(clone, "new", n="new\n")
    for each in (*commits, fresh):
        ask(clone, "gate", each, "--only", "count", "--sandbox", "none")
    assert ran.read_text().split()[10:] == ["new"]
    ask(clone, "gate", "--only", "count", "--sandbox", "none", "--fresh")
    assert ran.read_text().split()[10:] == ["new", "new"]


def test_tests_and_regressions(clone: Clone) -> None:
    """A test that is deleted, or that fails, is told by its name; a project without tests has no such gate."""
    python = f"{Path(sys.executable).as_posix()} -m pytest -q -p no:cacheprovider"
    rules(clone, f"[gates.tests]\ncommand = '{python}'\n[gates.coverage]\noff = true\n")
    both = "def test_a():\n    assert 1\n\n\ndef test_b():\n    assert 1\n"
    commit(clone, "tests", tests__test_x_py=both)
    clone.git("update-ref", "refs/remotes/origin/main", "HEAD")
    commit(clone, "one", tests__test_x_py=both.replace("_b", "_c"))
    answer = refused(clone, "failed", "gate", "--sandbox", "none", "--only", "tests", "--only", "regression")
    assert words(answer) == {"tests": "pass", "regression": "fail"}
    assert [row["message"] for row in answer["gates"][1]["findings"]] == ["tests.test_x::test_b passed, and is gone"]
    commit(clone, "two", tests__test_x_py=both.replace("1\n\n", "0\n\n"))
    answer = refused(clone, "failed", "gate", "--sandbox", "none", "--only", "tests", "--only", "regression")
    assert words(answer) == {"tests": "fail", "regression": "fail"}


def test_reports(clone: Clone, tmp_path: Path) -> None:
    """JUnit XML, and GitHub's annotations, whose text cannot begin another."""
    commit(clone, "one", **{"a,b_py": STUB})
    file = tmp_path / "out put.xml"
    result = clone.peer("gate", "--junit", str(file), "--annotations", status=1)
    assert result.out.splitlines() == [
        "::error file=a%2Cb.py,line=1,title=git peer gate%3A stubs::f only raises NotImplementedError"
    ]
    suite = ElementTree.parse(file).getroot()  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("5", "1", "0")
    refused(clone, "failed", "gate", "--junit", str(tmp_path / "no" / "x.xml"))


def test_who_is_judged_does_not_say_by_what(clone: Clone) -> None:
    """A branch that switches a gate off is judged by it all the same, and told."""
    rules(clone, "[gates.stubs]\nrequired = true\n")
    clone.git("update-ref", "refs/remotes/origin/main", "HEAD")
    clone.write(".git-peer.toml", "[gates.stubs]\noff = true\n")
    commit(clone, "one", a_py=STUB)
    answer = refused(clone, "failed", "gate")
    assert words(answer)["stubs"] == "fail"
    assert "changes the gates" in answer["warnings"][0]


def test_explained(clone: Clone) -> None:
    rules(clone, "[gates.size]\nlines = 7\n[gates.api]\noff = true\n[gates.lint]\ncommand = 'x'\n")
    assert "lines = 7" in clone.peer("gate", "explain", "size").out
    listed = {one["name"]: one["off"] for one in ask(clone, "gate", "explain")["gates"]}
    assert (listed["size"], listed["api"], listed["lint"]) == (False, True, False)


def test_a_wrong_file_is_named(clone: Clone) -> None:
    rules(clone, "[gates.size]\nlines = 'many'\n")
    assert "gates.size.lines" in refused(clone, "invalid", "gate")["error"]["message"]


# -- whom a required gate holds -------------------------------------------------------------------
@pytest.fixture
def held(pair: tuple[Clone, Clone]) -> tuple[Clone, Clone]:
    """Two clones; the integration branch requires no stubs, and a command."""
    one, two = pair
    rules(one, "[gates.stubs]\nrequired = true\n[gates.own]\ncommand = 'grep -q good a.py'\nrequired = true\n")
    one.git("push", "-q", "origin", "HEAD")
    two.git("pull", "-q")
    ask(one, "task", "add", "Do it", as_="planner")
    ask(one, "task", "claim", "t1", as_="ana")
    one.git("checkout", "-q", "-b", "work")
    return one, two


def test_review_and_merge_point(held: tuple[Clone, Clone]) -> None:
    """A stub holds it at once, a command until it has been run and passes, in each clone for itself."""
    one, two = held
    commit(one, "stub", a_py="# good\n" + STUB)
    answer = refused(one, "failed", "task", "review", "t1", as_="ana")
    assert {gate["name"]: gate["verdict"] for gate in answer["gates"]} == {"stubs": "fail", "own": "unknown"}
    commit(one, "bad", a_py="x = 1\n")
    refused(one, "unknown", "task", "review", "t1", as_="ana")
    refused(one, "failed", "gate", "--sandbox", "none", "--only", "own")
    refused(one, "failed", "task", "review", "t1", as_="ana")
    good = commit(one, "work", a_py="x = 1  # good\n")
    ask(one, "gate", "--sandbox", "none")
    ask(one, "task", "review", "t1", as_="ana")
    ask(two, "sync")
    assert "own:" in refused(two, "unknown", "task", "merge-point", "t1", as_="bob")["error"]["message"]
    assert ask(two, "task", "show", "t1")["task"]["status"] == "review"
    ask(two, "gate", good, "--only", "own", "--sandbox", "none")
    assert ask(two, "task", "merge-point", "t1", as_="bob")["task"]["status"] == "merge_point"


def test_integrate_runs_them(held: tuple[Clone, Clone]) -> None:
    """What was handed in before the gates were there is refused by name; what passes is merged."""
    one, _ = held
    commit(one, "work", a_py="x = 1  # good\n")
    ask(one, "gate", "--sandbox", "none")
    ask(one, "task", "review", "t1", as_="ana")
    one.git("checkout", "-q", "main")
    rules(one, "[gates.own]\ncommand = 'grep -q better a.py'\nrequired = true\n")
    one.git("push", "-q", "origin", "HEAD")
    answer = refused(one, "failed", "integrate", "--sandbox", "none", as_="bob")
    assert [(row["task"], row["why"]) for row in answer["failed"]] == [("t1", "gates")]
    rules(one, "[gates.own]\ncommand = 'grep -q good a.py'\nrequired = true\n")
    one.git("push", "-q", "origin", "HEAD")
    assert ask(one, "integrate", "--sandbox", "none", as_="bob")["merged"] == ["t1"]


def test_coverage_of_any_tool(clone: Clone) -> None:
    """A command that writes LCOV to $GIT_PEER_REPORT tells which of the changed lines no test runs."""
    report = "printf 'SF:a.py\\nDA:1,1\\nDA:2,%s\\n' $(cat hits) > \"$GIT_PEER_REPORT\""
    rules(clone, f"[gates.coverage]\ncommand = '''{report}'''\nrequired = true\n")
    commit(clone, "base", a_py="x = 1\n", hits="1")
    clone.git("update-ref", "refs/remotes/origin/main", "HEAD")
    commit(clone, "one", a_py="x = 1\ny = 2\n", hits="0")
    args = ("gate", "--sandbox", "none", "--only", "coverage")
    (gate,) = refused(clone, "failed", *args)["gates"]
    assert [(row["path"], row["line"]) for row in gate["findings"]] == [("a.py", 2)]
    commit(clone, "two", hits="3")
    assert words(ask(clone, *args)) == {"coverage": "pass"}


def test_odd_names(clone: Clone) -> None:
    """Paths with spaces, line ends and bytes that are not UTF-8 are told, each in one line."""
    for name in ("a b.py", "a\nb.py", "caf\udce9.py"):
        clone.write(name, STUB)
    clone.git("add", "-A")
    clone.git("commit", "-q", "-m", "odd")
    (gate,) = refused(clone, "failed", "gate", "--only", "stubs")["gates"]
    assert sorted(row["path"] for row in gate["findings"]) == ["a\nb.py", "a b.py", "caf%E9.py"]
    lines = clone.peer("gate", "--only", "stubs", "--annotations", status=1).out.splitlines()
    assert [line[:8] for line in lines] == ["::error "] * 3
