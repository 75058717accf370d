"""git peer lock, unlock, locks, check."""

from __future__ import annotations

import os
from typing import Any

import click
import msgspec

from git_peer.cli import _targets
from git_peer.cli._output import Call, Reply, table
from git_peer.cli._params import Duration, Place, given_text
from git_peer.cli.main import command
from git_peer.core import text as texts
from git_peer.core.errors import PeerError
from git_peer.core.lock.decide import Wish
from git_peer.core.rules import decide as commands
from git_peer.core.session import naming
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target
from git_peer.ops.peer import Peer
from git_peer.store.clone import times

_from_file = click.option("--pathspec-from-file", "source", metavar="F", help="Read targets from F (- is stdin).")
_nul = click.option("-z", "nul", is_flag=True, help="With --pathspec-from-file: NUL ends a target.")


@command("lock")
@click.argument("given", nargs=-1, metavar="TARGET...", type=Place())
@_from_file
@_nul
@click.option("--shared", is_flag=True, help="Others may share it; nobody may have it exclusively.")
@click.option("--ttl", type=Duration(), help="How long without a sign of life (30m for agents, 8h for people).")
@click.option("--reason", metavar="TEXT", help="Why; whoever is refused reads it.")
@click.option("--task", metavar="ID", help="The task it belongs to.")
@click.option("--priority", type=int, metavar="N", help="0 to 5 for agents, to 10 for people.")
@click.option("--preempt", is_flag=True, help="Break locks of strictly lower priority; their holders are told.")
@click.option("--wait", type=Duration(), metavar="TIME", help="Wait for it in the queue, at most so long.")
@click.option("--offline", is_flag=True, help="Take it tentatively, without the remote; `git peer sync` arbitrates.")
@click.option("--changed", is_flag=True, help="What I have changed and not committed.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, by the local copy.")
def lock_command(
    call: Call,
    given: tuple[str, ...],
    source: str | None,
    nul: bool,
    shared: bool,
    ttl: int | None,
    reason: str | None,
    task: str | None,
    priority: int | None,
    preempt: bool,
    wait: int | None,
    offline: bool,
    changed: bool,
    dry_run: bool,
) -> Reply:
    """Take locks on TARGETs: all of them, or none.

    A target is a file, a folder (`dir/`), a glob (`'src/**/*.py'`), lines or a section of a file as it is here
    (`src/a.py:10-45`, `src/a.py::Store.get`), or a name (`@deploy`). Those you hold are renewed.
    """
    peer = call.peer(writing=not dry_run, once=True)
    wanted = _targets.parsed(peer.repo, _targets.listed(given, source, nul))
    if changed:
        wanted += [targets.of_path("file", path) for path in peer.repo.changed()]
    if not wanted:
        raise PeerError(
            "usage",
            "nothing to lock" + (": nothing is changed" if changed else ""),
            "`git peer help lock` shows how",
        )
    if any(target.kind in ("lines", "section") for target in wanted):
        from git_peer.ops import lines

        wanted = lines.placed(peer, wanted)
    reason = given_text(reason)
    if reason is not None and len(reason.encode("utf-8", "surrogateescape")) > 2000:
        raise PeerError("invalid", "a reason of over 2,000 bytes", "say it in a line")
    if task is not None:
        task = _task(peer, task, fetch=not (offline or dry_run))
    wish = Wish(
        targets=tuple(dict.fromkeys(wanted)),
        mode="shared" if shared else "exclusive",
        ttl=ttl,
        reason=reason,
        task=task,
        priority=priority,
        preempt=preempt,
        wait=wait,
    )
    if dry_run:
        done = peer.dry_run(wish)
        peer.warned += _seen(peer, wanted)
        return Reply(done, "Would be granted, by the local copy.")
    if offline and peer.remote is not None:
        from git_peer.ops import sync as tentative

        done = {**tentative.take(peer, wish), "guarantee": "tentative"}
    else:
        done = peer.take(wish)
    peer.warned += _seen(peer, wanted) + _cut(done["locks"], ttl)
    done["builds_on"] = [one for one in peer.warned if one["code"] == "pending"]
    return Reply(done, _granted(done["locks"]), network=True, wrote=True)


def _cut(views: list[dict[str, Any]], ttl: int | None) -> list[dict[str, Any]]:
    """A notice of a lease that the project's settings have cut."""
    least = min((view["ttl"] for view in views), default=0)
    if ttl is None or least >= ttl:
        return []
    said = f"the lease is {times.span(least)}, and not {times.span(ttl)}: peer.maxTtl allows no more"
    return [{"code": "cut", "message": said, "ttl": least}]


def _seen(peer: Peer, wanted: list[Target]) -> list[dict[str, Any]]:
    """What is to be said of targets: changed elsewhere, nothing of that name here, parts of a file that others have."""
    from git_peer.ops import behind

    found, top = behind.of(peer, wanted), peer.repo.top
    paths = [one.real for one in wanted if one.kind != "name"]
    # What is told to have changed elsewhere is no typo.
    if top is not None and not found and not all(os.path.lexists(os.fsencode(top / path)) for path in paths):
        from git_peer.ops import absent

        found += absent.of(peer, wanted)
    if any(target.blob for target in wanted):
        from git_peer.ops import lines

        found += lines.beside(peer, wanted)
    return found


def _task(peer: Peer, ident: str, fetch: bool) -> str:
    """The id of the task that a lock is said to belong to."""
    from git_peer.core.plan.task import record as tasks

    return (peer.look_up(lambda state: tasks.find(state, ident)) if fetch else tasks.find(peer.state, ident)).id


def _granted(views: list[dict[str, Any]]) -> list[str]:
    return [
        f"Locked {v['target']} ({v['mode']}, {v['guarantee']})"
        + (f" as {v['session']}" if v["session"] else "")
        + f"; lapses {times.when(v['expires_at'])}."
        for v in views
    ]


@command("unlock")
@click.argument("given", nargs=-1, metavar="TARGET...", type=Place())
@_from_file
@_nul
@click.option("--all", "everything", is_flag=True, help="All of this session's locks.")
@click.option("--id", "ids", multiple=True, metavar="ID", help="The lock of this id; may be repeated.")
@click.option("--force", is_flag=True, help="Break another's lock. A person's right; needs --reason.")
@click.option("--reason", metavar="TEXT", help="Why it is broken; its holder reads it.")
@click.option("--pending", is_flag=True, help="I am done: refuse nobody, and end when my branch's work has landed.")
def unlock_command(
    call: Call,
    given: tuple[str, ...],
    source: str | None,
    nul: bool,
    everything: bool,
    ids: tuple[str, ...],
    force: bool,
    reason: str | None,
    pending: bool,
) -> Reply:
    """Give locks back: exact targets, as they were taken.

    With --pending what your branch has changed and not landed waits for that: it refuses nobody, and whoever locks the
    path next is told of your branch.
    """
    if pending and force:
        raise PeerError("usage", "--force breaks another's lock; --pending is a word about one's own", "")
    if force and not reason:
        raise PeerError("usage", "--force needs --reason", "the holder is told why")
    texts = _targets.listed(given, source, nul)
    if sum((bool(texts), everything, bool(ids))) != 1:
        raise PeerError("usage", "unlock needs targets, --all, or --id", "`git peer help unlock` shows how")
    if everything and force:
        raise PeerError("usage", "--all gives back your own locks; --force needs targets", "")
    peer = call.peer(writing=True, once=True)
    wanted = _targets.parsed(peer.repo, texts)
    if any(target.kind in ("lines", "section") for target in wanted):
        from git_peer.ops import lines

        wanted = lines.named(peer, wanted)
    from git_peer.ops import sync as tentative

    dropped = tentative.drop(peer, [targets.show(t) for t in wanted], everything)
    left = [t for t in wanted if targets.show(t) not in {view["target"] for view in dropped}]
    done: dict[str, Any] = {"released": []}
    if left or ids or everything:
        wanted_by = commands.Release(
            me=peer.me, targets=tuple(left), ids=ids, all=everything, force=given_text(reason) if force else None
        )
        if pending:
            from git_peer.ops import unlanded

            wanted_by = msgspec.structs.replace(wanted_by, pending=True, **unlanded.for_word(peer))
        done = peer.run(wanted_by)
    released, waiting = [*dropped, *done["released"]], done.get("pending", [])
    peer.warned += peer.left_open(released)
    text = [
        f"Unlocked {view['target']}." + (" No branch of yours here has anything of it left to land." if pending else "")
        for view in released
    ]
    text += [f"{view['target']} is pending until {view['branch'] or 'its work'} has landed." for view in waiting]
    data = {"released": released, **({"pending": waiting} if pending else {})}
    return Reply(data, text or "Nothing was locked.", network=True, wrote=True)


@command("locks")
@click.argument("given", nargs=-1, metavar="[PATH...]")
@_from_file
@_nul
@click.option("--mine", is_flag=True, help="Only your own.")
@click.option("--id", "ids", multiple=True, metavar="ID", help="The lock of this id; may be repeated.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most N locks.")
def locks_command(
    call: Call,
    given: tuple[str, ...],
    source: str | None,
    nul: bool,
    mine: bool,
    ids: tuple[str, ...],
    limit: int | None,
) -> Reply:
    """What is locked, or what overlaps PATHs, by the local copy of the log."""
    peer = call.peer(once=True)
    among: list[Target] = _targets.parsed(peer.repo, _targets.listed(given, source, nul))
    if any(target.kind in ("lines", "section") for target in among):
        from git_peer.ops import lines

        among = lines.placed(peer, among)
    found = peer.locks(among, mine)
    if any(view.get("blob") for view in found):
        from git_peer.ops import lines

        lines.shown_here(peer, found)
    if ids:
        from git_peer.core import near

        known = [view["id"] for view in found]
        named = {near.begun(known, ident, "lock", "`git peer locks` lists them") for ident in ids}
        found = [view for view in found if view["id"] in named]
    many = len(found)
    found = found[:limit]
    rows = [
        [
            _where(v),
            v["session"],
            naming.where(v["session"], v["host"], v["worktree"]),
            _standing(v),
            times.when(v["expires_at"]),
            v["id"][:8],
            v["reason"],
        ]
        for v in found
    ]
    text = table(rows, ["TARGET", "SESSION", "WHERE", "STATE", "LAPSES", "ID", "REASON"])
    if many > len(found):
        text.append(f"and {many - len(found)} more: `git peer locks` lists all")
    return Reply({"locks": found, "total": many}, text or "Nothing is locked.")


def _where(view: dict[str, Any]) -> str:
    """A lock's target, and where its lines are in the work tree if that is elsewhere."""
    here, taken = view.get("here"), view.get("spans") or (view.get("lines"),)
    if here is None or tuple(map(tuple, here)) == tuple(map(tuple, taken)):
        return str(view["target"])
    rows = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in here)
    return f"{view['target']} (here {rows})" if rows else f"{view['target']} (not here)"


def _standing(view: dict[str, Any]) -> str:
    """How a lock stands: its mode while it is held; of a pending one where its work is, and how much has landed."""
    if view["state"] != "pending":
        return str(view["mode"] if view["live"] else "lapsed")
    landing = view.get("landing", {})
    part = f", {landing['done']} of {landing['of']} landed" if landing.get("done") else ""
    where = f" on {view['branch']}" if view["branch"] else ""
    gone = ", its branch is gone" if landing.get("gone") else ""
    return f"pending{where}{part}{gone}"


@command("check")
@click.argument("given", nargs=-1, metavar="PATH...")
@_from_file
@_nul
@click.option("--staged", is_flag=True, help="What the index changes.")
@click.option("--rev", metavar="RANGE", help="What the commits of RANGE change.")
def check_command(
    call: Call, given: tuple[str, ...], source: str | None, nul: bool, staged: bool, rev: str | None
) -> Reply:
    """Whether this session may change PATHs, by the local copy of the log. Exit 1 where not.

    A PATH is a file or a folder, whatever characters it has; a name (`@deploy`) asks whether it could be locked.
    """
    peer = call.peer(once=True)
    paths, of_lines, names = _targets.checked(peer.repo, _targets.listed(given, source, nul))
    if staged or rev is not None:
        from git_peer.ops import outgoing
    if not paths and not of_lines and not names and not staged and rev is None:
        raise PeerError("usage", "check needs paths, --staged or --rev", "`git peer help check` shows how")
    found = [*peer.check(paths), *map(peer.violation, peer.required(paths)), *peer.taken(names)]
    if of_lines:
        from git_peer.ops import lines as ranges

        found += ranges.check(peer, of_lines)
    if staged:
        among = outgoing.staged(peer)
        found += outgoing.of_staged(peer, [path for path in among if path not in paths])
        paths += among
    if rev is not None:
        known = {one["path"] for one in found}
        found += [one for one in outgoing.of_range(peer, rev) if one["path"] not in known]
    if found:
        from git_peer.ops.refusal import refusal

        why = refusal(found)
        raise PeerError(why.code, why.message, why.hint, allowed=False, violations=found)
    over = peer.lapsed([*(targets.of_path("file", path) for path in paths), *names])
    files = {*paths, *(one.real for one in of_lines)}
    count = [texts.count(len(files), "path")] if files or not names else []
    count += [texts.count(len(names), "name")] if names else []
    lines = [f"{' and '.join(count)} may be {'changed' if files or not names else 'locked'}."]
    lines += [f"{v['target']}: the lock of {v['session']} {times.lapse(v['expires_at'], False)}." for v in over]
    return Reply({"allowed": True, "violations": [], "lapsed": over}, lines)
