"""Plans as a model returns them."""

from __future__ import annotations

from typing import Any

from tests.planner.api import Api
from tests.world import Clone


def task(ident: str, *after: str, **more: Any) -> dict[str, Any]:
    """A task of a plan, which changes a file of its own."""
    return {
        "id": ident,
        "title": f"Do {ident}",
        "depends_on": list(after),
        "paths": [f"src/{ident}.py"],
        "accept": "true",
        **more,
    }


def plan(*tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A plan of those tasks."""
    return {"tasks": list(tasks), **more}


GOOD = plan(
    task("model", phase="build", provides=["user"], checklist=["fields", "tests"], estimate=3600),
    task("api", "model", phase="build", uses=["user"], priority=7),
    task("page", "model", phase="build", description="A page.\n\nWith two paragraphs."),
    task("docs", "api", "page", phase="polish", paths=["docs/"]),
    phases=[{"id": "build", "name": "Build it"}, {"id": "polish", "name": "Polish it"}],
    contracts=[{"name": "user", "type": "type_definition", "definition": "User(name: str)"}],
)


def ask(clone: Clone, api: Api, *args: str, status: int = 0, **more: Any) -> dict[str, Any]:
    """Run `git peer plan …` against the scripted API: its JSON. Nothing of a traceback is ever said."""
    result = clone.peer("plan", *args, "--json", env={**api.env, **more.pop("env", {})}, status=status, **more)
    assert "Traceback" not in result.err, result
    return result.json()


def show(clone: Clone) -> dict[str, Any]:
    """The plan that is there."""
    return clone.peer("plan", "show", "--json").json()


def untouched(clone: Clone, **more: Any) -> None:
    """There is no plan, and nobody plans."""
    found = show(clone)
    assert (found["goal"], found["tasks"], found["phases"], found["contracts"]) == ("", [], [], []), found
    free(clone)


def free(clone: Clone) -> None:
    """Nobody plans, by the log."""
    assert [lock["target"] for lock in clone.peer("locks", "--json").json()["locks"]] == []
