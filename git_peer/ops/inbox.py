"""The inbox: what waits for this run, each with its reason and the command that settles it; the most urgent first."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from git_peer.core import text
from git_peer.core.debate import record as debating
from git_peer.core.debate import view as moderating
from git_peer.core.delta import record as deltas
from git_peer.core.errors import PeerError
from git_peer.core.lock.record import rfc3339
from git_peer.core.plan.task import record as tasks
from git_peer.core.session import record as sessions
from git_peer.core.target.glob import covers
from git_peer.ops import notices, reviews
from git_peer.ops.peer import Peer

if TYPE_CHECKING:
    from git_peer.core.session.record import Session
    from git_peer.store.git.present import Place

Item = dict[str, Any]

# kind → how urgent, in the order in which they are shown. `now`: others wait for it, or it stops what you do.
URGENCY = {
    "lost": "now", "escalated": "now", "blocker": "now", "debate": "now", "question": "soon", "sent_back": "soon",
    "failed": "soon", "conflict": "soon", "delta": "soon", "review": "soon", "blocked": "later", "left": "later",
}  # fmt: skip
_RANK = {kind: at for at, kind in enumerate(URGENCY)}
_ALL = 1 << 30
_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
_WEEK, _COMMITS = 7 * 86400, 1000  # seconds and commits of the log in which sessions are sought whose run is gone


def quick(
    peer: Peer,
    noted: Sequence[Mapping[str, Any]],
    reviewing: Iterable[Mapping[str, Any]],
    argued: Iterable[Mapping[str, Any]] | None = None,
) -> list[Item]:
    """{kind, urgency, message, command, see?, ...} of what the log and this clone's notes tell.

    `noted` is notices.of(), `reviewing` reviews.waiting(), `argued` news.debated(), if known. `command` is a
    line for a shell, good as it stands: where it wants words it reads them from stdin. `see` is one that shows it.
    """
    found = [item for one in noted for item in _noticed(peer, one)]
    return _sorted([*found, *_escalated(peer, argued), *_mine(peer), *(_review(peer, one) for one in reviewing)])


def whole(peer: Peer) -> list[Item]:
    """The same with every delta, and with what git has to be asked about: conflicts, and what the dead have left."""
    noted = [one for one in notices.of(peer) if one["code"] != "delta"]
    noted += deltas.notices(peer.state, peer.reader(), _ALL)
    items = quick(peer, noted, reviews.waiting(peer))
    return _sorted([*items, *_still_lost(peer, items), *_blocked(peer), *_conflicts(peer), *_left(peer)])


def as_name(peer: Peer, items: Iterable[Item], name: str | None) -> list[Item]:
    """The same for who acts by a name that the command line gave: what is pasted acts by it, too."""

    def named(command: str) -> str:
        begins = next((one for one in ("git peer ", f"{_at_top(peer)} peer ") if command.startswith(one)), "")
        return f"{begins}--as {name} {command.removeprefix(begins)}" if begins and name else command

    return [{**one, **{key: named(one[key]) for key in ("command", "see") if key in one}} for one in items]


def _at_top(peer: Peer) -> str:
    """git, where paths are named from the top of the work tree."""
    top = peer.repo.top
    return "git" if top is None or os.path.samefile(top, ".") else f"git -C {typed(str(top))}"


def told_in(items: Sequence[Item], noted: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the notices that the items say already."""
    said = {one["message"] for one in items}
    back = {one["task"] for one in items if one["kind"] == "sent_back"}
    return [
        one for one in noted if one["message"] in said or (one.get("how") == "sent_back" and one.get("task") in back)
    ]


def _sorted(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda one: (_RANK[one["kind"]], one.get("since", "~")))


def _item(kind: str, message: str, command: str, see: str = "", since: int = 0, **more: Any) -> Item:
    shown = {"see": see} if see else {}
    when = {"since": rfc3339(since)} if since else {}
    return {"kind": kind, "urgency": URGENCY[kind], "message": message, "command": command, **shown, **when, **more}


def typed(word: str) -> str:
    """One argument for a shell."""
    return word if _PLAIN.fullmatch(word) else text.argument(word)


# -- of the log -----------------------------------------------------------------------------------
def _noticed(peer: Peer, one: Mapping[str, Any]) -> Iterator[Item]:
    """What a notice comes to, if it wants something."""
    code, message = one["code"], one["message"]
    if code == "lost":
        yield _lost(peer, one)
    elif code == "delta" and "delta" in one:
        delta = deltas.get(peer.state, one["delta"])
        kind = "blocker" if delta is not None and delta.severity == "blocking" else "delta"
        since, ident = delta.at if delta is not None else 0, one["delta"][:8]
        see = f"git peer delta show {ident}"
        yield _item(kind, message, f"git peer ack {ident}", see, since, delta=one["delta"])
    elif code == "delta":  # the number of the others
        yield _item("delta", message, "git peer inbox")
    elif code == "debate":
        debate = debating.get(peer.state, one["debate"])
        if debate is not None and debating.status(debate, peer.scene(peer.state)) == "active":
            ident = debate.id[:8]
            answer, see = f"git peer debate respond {ident} --message -", f"git peer debate show {ident}"
            yield _item("debate", message, answer, see, debate.last, debate=debate.id)
    elif code == "question":
        answer = f"git peer plan answer {one['question'][:8]} -"
        yield _item("question", message, answer, "git peer plan questions", question=one["question"])


def _lost(peer: Peer, one: Mapping[str, Any]) -> Item:
    target = one["target"]
    wait = " --wait 10m" if one["holder"] not in (None, peer.name) else ""
    git = _at_top(peer)
    see = f"{git} peer locks {typed(target)}"
    return _item("lost", one["message"], f"{git} peer lock{wait} -- {typed(target)}", see, lock=one["lock"])


def _escalated(peer: Peer, argued: Iterable[Mapping[str, Any]] | None) -> Iterator[Item]:
    """Debates that wait for a person's word, for a person."""
    mine = peer.session()
    if not peer.me.person or (mine is not None and mine.agent):
        return
    if argued is None:
        argued = (moderating.summary(one, peer.scene(peer.state)) for one in debating.all_of(peer.state))
    for one in argued:
        if one["status"] == "escalated":
            ident = one["id"][:8]
            message = f"debate {ident} waits for a person's word, nothing of it can land meanwhile: "
            answer, see = f"git peer debate resolve {ident} --decision -", f"git peer debate show {ident}"
            yield _item("escalated", message + text.quoted(one["topic"], 80), answer, see, debate=one["id"])


def _mine(peer: Peer) -> Iterator[Item]:
    """One's own tasks that were sent back, or whose acceptance failed."""
    for task in tasks.claimed_by(peer.state, peer.name):
        if task.status != "in_progress":
            continue
        named = f"{text.word(task.id)}, {text.quoted(task.title, 60)}"
        last = next((past for past in reversed(task.history) if past.what in (*tasks.STATUSES, "claimed")), None)
        failed = task.result is not None and not task.result.passed
        see, since = f"git peer task show {task.id}", last.at if last is not None else 0
        if last is not None and last.what == "in_progress" and last.by != peer.name:
            why = f": {text.quoted(last.note, 200)}" if last.note else ""
            message = f"{text.word(last.by)} sent {named} back to you{why}"
            yield _item("sent_back", message, f"git peer task review {task.id}", see, since, task=task.id)
        elif failed and task.result is not None:
            message = f"the acceptance of {named} failed on {task.result.commit[:12]}"
            again = f"git peer task result {task.id} --run"
            yield _item("failed", message, again, see, task.result.at, task=task.id)


def _review(peer: Peer, view: Mapping[str, Any]) -> Item:
    told = f", its acceptance {view['result']}" if view["result"] else ""
    message = f"{text.word(view['by'])} handed {text.word(view['task'])} in, {text.quoted(view['title'], 60)}{told}"
    command = view["command"].replace('"WHY"', "-")
    return _item("review", message, command, reviews.how_to_see(peer, dict(view)), task=view["task"])


def _blocked(peer: Peer) -> Iterator[Item]:
    """Tasks that somebody gave up, for who wrote them and for people."""
    for task in tasks.all_of(peer.state):
        if task.status == "blocked" and (peer.me.person or task.author == peer.name):
            last = next((past for past in reversed(task.history) if past.what == "blocked"), None)
            who, at = (text.word(last.by), last.at) if last is not None else ("somebody", 0)
            why = f": {text.quoted(task.note, 200)}" if task.note else ""
            message = f"{who} blocked {text.word(task.id)}, {text.quoted(task.title, 60)}{why}"
            again, see = f"git peer task reopen {task.id}", f"git peer task show {task.id}"
            yield _item("blocked", message, again, see, at, task=task.id)


# -- of git ---------------------------------------------------------------------------------------
def _still_lost(peer: Peer, known: Iterable[Item]) -> Iterator[Item]:
    """Losses that this run was told of, where it has work on the path still: its commits are refused."""
    told = [one for one in notices.losses(peer) if one["lock"] not in {item.get("lock") for item in known}]
    if not told or peer.repo.top is None:
        return
    from git_peer.store.git import work

    changed = [*work.uncommitted(peer.repo.handle), *peer.unlanded()]
    for one in told:
        if any(covers(one["kind"], one["real"], path, peer.state.log.folds) for path in changed):
            yield _lost(peer, one)


def _conflicts(peer: Peer) -> Iterator[Item]:
    from git_peer.ops import conflicts

    try:
        found = conflicts.collide_with_mine(peer)
    except PeerError as why:
        peer.warned.append({"code": "conflicts", "message": f"conflicts are not known: {why.message}"})
        return
    for view in found:
        message = conflicts.in_words({**view, "next": ()}, peer.name)[0]
        command = next(iter(view["next"]), "git peer conflicts --mine").replace("--summary TEXT", "--summary -")
        see = "git peer conflicts --mine --diff"
        yield {**_item("conflict", message, command, see, path=view["path"]), "since": view["since"]}


def _left(peer: Peer) -> Iterator[Item]:
    """Work that sessions of this clone left when they died: in a work tree, or on a branch that has not landed."""
    state, scene = peer.state, peer.scene(peer.state)
    here = {one.name: one for one in sessions.all_of(state) if one.clone == peer.me.clone}
    live = [one for one in here.values() if sessions.is_live(one, scene) or one.name == peer.name]
    dead = {one.name: one for one in _ended(peer) if one.name not in here}
    dead |= {one.name: one for one in here.values() if one not in live}
    if not dead:
        return
    from git_peer.store.git import present

    places = {_gitdir(place): place for place in present.places(peer.repo.common)}
    trees = {one.gitdir for one in live} | {peer.me.gitdir}  # whoever goes on there has that work
    branches = {one.branch for one in live} | {peer.repo.branch}
    for session in sorted(dead.values(), key=lambda one: (-one.at, one.name)):
        place = places.get(session.gitdir)
        if place is not None and session.gitdir not in trees:
            trees.add(session.gitdir)
            yield from _uncommitted(session, place)
        if session.branch not in branches:
            branches.add(session.branch)
            yield from _unlanded(peer, session)


def _uncommitted(session: Session, place: Place) -> Iterator[Item]:
    from git_peer.store.git.remote import run

    out = run(["status", "--porcelain", "-z"], place.top, 5.0, {"GIT_OPTIONAL_LOCKS": "0"}).out
    count = sum(len(row) > 3 and row[2] == " " for row in out.split("\0"))
    if count:
        git = f"git -C {typed(str(place.top))}"
        message = f"{text.word(session.name)}, whose run is over, left {text.count(count, 'change')} uncommitted in "
        keep = f"{git} add -A && {git} commit -m {typed(f'What {session.name} left')}"
        yield _item(
            "left", message + text.word(str(place.top), 200), keep, f"{git} status", session.at, session=session.name
        )


def _unlanded(peer: Peer, session: Session) -> Iterator[Item]:
    from git_peer.store.git import refs

    tip = refs.read(peer.repo.git, f"refs/heads/{session.branch}") if session.branch else None
    name, commit = (session.branch, tip) if tip else (session.head[:12], session.head)
    paths = peer.unlanded_of(commit) if commit else None
    if paths and not (peer.repo.head and peer.chain.descends(peer.repo.head, commit)):
        count, verb = text.count(len(paths), "file"), "has" if len(paths) == 1 else "have"
        where = f"left {count} on {text.word(name, 200)} that {verb} not landed on {peer.state.log.integration}"
        command, see = f"git merge {typed(name)}", f"git log -p HEAD..{typed(name)} --"
        message = f"{text.word(session.name)}, whose run is over, {where}"
        yield _item("left", message, command, see, session.at, session=session.name)


def _gitdir(place: Place) -> str:
    """The git directory of a work tree as a session has it: relative to the common one."""
    found = os.path.relpath(place.gitdir.resolve(), place.common.resolve())
    return "" if found == "." else found


def _ended(peer: Peer) -> Iterator[Session]:
    """The sessions of this clone that another has ended, for their run was gone, as they were; the latest first."""
    from git_peer.core.session.record import SessionEnd
    from git_peer.store.git.objects import Missing

    since = time.time() - _WEEK
    try:
        for number, entry in enumerate(peer.chain.history(peer.engine.tip())):
            if number >= _COMMITS or entry.events[-1].at < since:
                return
            for event in entry.events:
                if isinstance(event, SessionEnd) and event.left and entry.parent is not None:
                    gone = sessions.get(peer.chain.state(entry.parent), event.name)
                    if gone is not None and gone.clone == peer.me.clone:
                        yield gone
    except Missing:  # the clone has no more of the log
        return
