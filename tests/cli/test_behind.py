"""Who locks a path is told where something has landed on it that its branch does not have."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agents.calling import Agent, context
from tests.cli.asking import ask
from tests.world import Clone


def behind(answer: dict[str, Any]) -> list[str]:
    """The targets that an answer's notices call old."""
    return [one["target"] for one in answer["notices"] if one["code"] == "behind"]


def lock(clone: Clone, *targets: str) -> list[str]:
    """What is old of the targets that a session of its own locks, and gives back."""
    name = f"asker-{clone.path.name}"
    answer = ask(clone, "lock", *targets, as_=name)
    ask(clone, "unlock", "--all", as_=name)
    return behind(answer)


@pytest.fixture
def late(pair: tuple[Clone, Clone]) -> Clone:
    """A clone that has fetched a newer src/api.py, and is not on it."""
    one, two = pair
    one.write("src/api.py", "changed = True\n")
    one.commit("change", "src/api.py")
    one.git("push", "-q", "origin", "HEAD:main")
    two.git("fetch", "-q", "origin")
    return two


def test_what_landed_meanwhile(late: Clone) -> None:
    answer = ask(late, "lock", "src/api.py", "docs/guide.md", "src/new.py", as_="asker")
    assert behind(answer) == ["src/api.py"]
    notice = next(one for one in answer["notices"] if one["code"] == "behind")
    onto = late.git("rev-parse", "origin/main").line
    assert notice["message"] == f"src/api.py has changed on origin/main ({onto[:12]}) since your branch left it"
    assert notice["commit"] == onto
    assert "git merge origin/main" in notice["hint"]
    ask(late, "unlock", "--all", as_="asker")
    assert lock(late, "src/") == ["src/"]
    assert lock(late, "docs/") == lock(late, "src/*.py") == lock(late, "@deploy") == []
    ran = late.peer("lock", "src/api.py", as_="asker")
    assert "note: src/api.py has changed on origin/main" in ran.err


def test_not_once_it_is_here(late: Clone) -> None:
    """By a merge, and by the same change made again; one's own changes are no news."""
    late.write("src/auth.py", "mine = True\n")
    late.commit("mine", "src/auth.py")
    assert lock(late, "src/auth.py", "src/api.py") == ["src/api.py"]
    before = late.head()
    late.git("cherry-pick", "origin/main")
    assert lock(late, "src/api.py") == []
    late.git("reset", "-q", "--hard", before)
    late.git("merge", "-q", "--no-edit", "origin/main")
    assert lock(late, "src/api.py", "src/auth.py") == []


def test_many(pair: tuple[Clone, Clone]) -> None:
    """The first few are told one by one."""
    one, two = pair
    names = [f"many/{number}.py" for number in range(7)]
    for name in names:
        one.write(name, "x = 1\n")
    one.commit("many", *names)
    one.git("push", "-q", "origin", "HEAD:main")
    two.git("fetch", "-q", "origin")
    answer = ask(two, "lock", *names, as_="asker")
    assert behind(answer) == names[:5]
    assert answer["notices"][-1]["message"].endswith("since your branch left it, and 2 more")


def test_where_nothing_can_be_told(late: Clone) -> None:
    """No commit yet, or none in common: no notice, and no error."""
    late.git("checkout", "-q", "--orphan", "fresh")
    assert lock(late, "src/api.py") == []
    late.git("commit", "-q", "--no-verify", "-m", "apart")
    assert lock(late, "src/api.py") == []


def test_a_work_tree_in_local_mode(local: Clone) -> None:
    """What landed on the branch that is integrated in another work tree."""
    other = local.worktree("b", "topic")
    local.write("src/api.py", "changed = True\n")
    local.commit("change", "src/api.py")
    assert lock(other, "src/api.py") == ["src/api.py"]
    assert lock(local, "src/api.py") == []


def test_a_task(late: Clone) -> None:
    """Its paths, with the locks or without."""
    ident = ask(late, "task", "add", "serve", "--path", "src/api.py", as_="planner")["task"]["id"]
    assert behind(ask(late, "task", "claim", ident, "--lock", as_="asker")) == ["src/api.py"]


@pytest.mark.parametrize("kind", ["claude-code", "gemini"])
def test_an_agent(late: Clone, kind: str) -> None:
    """Its model is told once, at its first edit of the path or, where it does not listen then, with its next prompt."""
    agent = Agent(late, kind=kind)
    agent.call("session-start")
    given = {"file_path": str(late.path / "src/api.py")}
    heard = [context(agent.call("pre-edit", tool_name="Edit", tool_input=given)), context(agent.call("prompt"))]
    heard += [context(agent.call("pre-edit", tool_name="Edit", tool_input=given)), context(agent.call("prompt"))]
    told = ["src/api.py has changed on origin/main" in one for one in heard]
    assert told == ([True, False, False, False] if kind == "claude-code" else [False, True, False, False])
