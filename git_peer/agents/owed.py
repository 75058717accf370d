"""What a session owes the others when it stops: answers, uncommitted work under its locks, a task in progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from git_peer import layout
from git_peer.core import text
from git_peer.core.debate import record as debates
from git_peer.core.delta import record as deltas
from git_peer.core.plan import questions
from git_peer.core.plan.task import record as tasks
from git_peer.core.target.glob import covers
from git_peer.ops.peer import Peer

PATIENCE = 1.0  # seconds for git to tell what is uncommitted
MOST = 200  # locks that are looked at


class Debt(NamedTuple):
    """One thing owed: by what it is remembered, and in words."""

    key: str
    text: str

    @property
    def is_work(self) -> bool:
        """Whether it is work to be handed in, and not an answer."""
        return self.key.startswith(("dirty:", "task:"))


def of(peer: Peer) -> list[Debt]:
    """All that this run owes, what others wait for first."""
    state, name = peer.state, peer.name
    found = [
        Debt(f"delta:{delta.id}", f"answer delta {delta.id[:8]} from {text.word(delta.session)}, "
             f"{text.quoted(delta.summary, 80)}: `git peer ack {delta.id[:8]}`, or a debate about it")
        for delta, _ in deltas.pressing(state, peer.reader())
    ]  # fmt: skip
    scene = peer.scene(state)
    found += [
        Debt(f"debate:{one.id}:{one.round}", f"take your turn in debate {one.id[:8]}, {text.quoted(one.topic, 80)}: "
             f"`git peer debate show {one.id[:8]}`")
        for one in debates.of_side(state, name)
        if debates.status(one, scene) == "active" and name in debates.waited_for(one)
    ]  # fmt: skip
    found += [
        Debt(f"question:{one['question']}", f"{one['message']} ({one['hint']})")
        for one in questions.notices(state, name)
    ]
    found += [
        Debt(f"dirty:{path}", f"commit {text.word(path, 200)}, which you have changed under your lock, "
             f"or give it back: `git peer unlock {' '.join(map(text.argument, given))}`")
        for path, given in _uncommitted(peer).items()
    ]  # fmt: skip
    found += [
        Debt(f"task:{task.id}", f"task {task.id} ({text.quoted(task.title, 60)}) is in progress: `git peer task review "
             f"{task.id}` hands it in, `git peer task release {task.id}` gives it back")
        for task in tasks.claimed_by(state, name)
        if task.status == "in_progress"
    ]  # fmt: skip
    return found


def _uncommitted(peer: Peer) -> dict[str, list[str]]:
    """The changed paths that this session's locks cover, each with the targets of these."""
    held = [(view, _path(view)) for view in peer.locks(mine=True) if view["kind"] != "name"][:MOST]
    if not held or peer.repo.top is None:
        return {}
    specs = [f":(top,{'glob' if view['kind'] == 'glob' else 'literal'}){path}" for view, path in held]
    return {
        changed: [view["target"] for view, path in held if covers(view["kind"], path, changed, peer.state.log.folds)]
        for changed in peer.repo.changed(specs, PATIENCE)
    }


def _path(view: Mapping[str, Any]) -> str:
    return str(layout.unpercent(view["path"]) if view.get("path_encoding") else view["path"])
