"""`git peer blame`: git's blame, with the session, task and debate that each line came from."""

from __future__ import annotations

import re
from typing import Any

from git_peer import layout
from git_peer.core import text
from git_peer.core.debate import record as debates
from git_peer.core.errors import PeerError
from git_peer.core.note import Note, makers
from git_peer.ops.notes import Reader
from git_peer.ops.peer import Peer
from git_peer.store.git.remote import run

PATIENCE = 3600  # seconds; a file of a long history takes git its time
_HEAD = re.compile(r"([0-9a-f]{40,64}) \d+ (\d+)(?: \d+)?")


def blame(peer: Peer, path: str, spans: tuple[str, ...] = (), rev: str = "") -> list[dict[str, Any]]:
    """Each line of a file (from the top of the work tree): {line, commit, session, agent, task, debate, author, text}.

    `spans` are as git's -L takes them. What no note tells is None; so is the commit of a line that is in none.
    Raises PeerError("not_found") where git knows no such file, "usage" for a wrong span or revision.
    """
    top = peer.repo.top or peer.repo.gitdir
    args = ["blame", "--porcelain", *(f"-L{span}" for span in spans), *([rev] if rev else []), "--", path]
    ran = run(
        args,
        top,
        PATIENCE,
        {"GIT_DIR": str(peer.repo.gitdir), **({"GIT_WORK_TREE": str(top)} if peer.repo.top else {})},
    )
    if ran.status:
        said = next((row for row in ran.err.splitlines() if row.strip()), "git blame failed").removeprefix("fatal: ")
        missing = "no such path" in said or "no such file" in said.lower() or "cannot stat" in said.lower()
        hint = "is it committed? `git ls-files` lists what git knows" if missing else "as `git blame` takes it"
        raise PeerError("not_found" if missing else "usage", text.line(said), hint)
    return _lines(peer, ran.out)


def _lines(peer: Peer, out: str) -> list[dict[str, Any]]:
    reader, by_task = Reader(peer), _debated_tasks(peer)
    commits: dict[str, dict[str, Any]] = {}
    found: list[dict[str, Any]] = []
    commit, number = "", 0
    # Only newlines end a line here: a file may have any other character that Python takes for a line's end.
    for row in out.split("\n"):
        if row.startswith("\t"):
            about = commits[commit]
            shown = row[1:].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            found.append({"line": number, **about, "text": shown})
        elif head := _HEAD.fullmatch(row):
            commit, number = head[1], int(head[2])
            if commit not in commits:
                note = reader.note(commit) if commit.strip("0") else Note([], [])
                commits[commit] = {"commit": commit if commit.strip("0") else None, **origin(note, by_task)}
        elif row.startswith("author "):
            commits[commit]["author"] = text.line(row[7:].encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    return found


def origin(note: Note, by_task: dict[str, str]) -> dict[str, Any]:
    """{session, agent, task, debate, author} of a commit by its note: whose it was first, as git's author is."""
    found: dict[str, Any] = dict.fromkeys(("session", "agent", "task", "debate"))
    made = makers(note)
    if made:
        for key in ("session", "agent", "task"):
            value = made[0].fields.get(key)
            found[key] = text.line(value, 200) if isinstance(value, str) else None
        others = dict.fromkeys(str(line.fields.get("session")) for line in made[1:])
        if others:
            found["others"] = [text.line(name, 200) for name in others]
    about = [line.id for line in note.lines if line.kind == "debate"]
    found["debate"] = text.line(about[0]) if about else by_task.get(found["task"] or "")
    return {**found, "author": ""}


def _debated_tasks(peer: Peer) -> dict[str, str]:
    """Task → the debate that it came from, of the debates that are still in the tree."""
    ended = [one for one in debates.all_of(peer.state) if one.resolution is not None] if _any_debate(peer) else []
    return {task: one.id for one in ended for task in (one.resolution.tasks if one.resolution else ())}


def _any_debate(peer: Peer) -> bool:
    return bool(peer.state.entries(layout.T_DEBATES))
