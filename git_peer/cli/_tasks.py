"""What the commands about tasks have in common: finding one, and telling of it in a line."""

from __future__ import annotations

from typing import Any

from git_peer.cli._output import Call
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.record import Task


def named(call: Call, ident: str) -> Task:
    """The task that a writing command names."""
    return call.peer().look_up(lambda state: tasks.find(state, ident))


def in_words(view: dict[str, Any]) -> str:
    """A task in a line."""
    who = f", {view['assignee']}" if view["assignee"] else ""
    return f"{view['id']} “{view['title']}” ({view['status']}{who})"
