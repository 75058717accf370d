"""git peer lock, unlock, locks, check."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from git_peer.cli import _targets
from git_peer.cli._output import Call, Reply, table
from git_peer.cli._params import Duration, given_text
from git_peer.cli.main import command
from git_peer.core.errors import PeerError
from git_peer.core.lock.decide import Wish
from git_peer.core.rules import decide as commands
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target

_from_file = click.option("--pathspec-from-file", "source", metavar="F", help="Read targets from F (- is stdin).")
_nul = click.option("-z", "nul", is_flag=True, help="With --pathspec-from-file: NUL ends a target.")


@command("lock")
@click.argument("given", nargs=-1, metavar="TARGET...")
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

    A target is a file, a folder (`dir/`), a glob (`'src/**/*.py'`), or a name (`@deploy`). One's own are renewed.
    """
    peer = call.peer(writing=not dry_run, once=True)
    wanted = _targets.parsed(peer.repo, _targets.listed(given, source, nul))
    if changed:
        wanted += [targets.of_path("file", path) for path in _changed(call)]
    if not wanted:
        raise PeerError("usage", "nothing to lock" + (": nothing is changed" if changed else ""), "git peer help lock")
    _targets.supported(wanted)
    reason = given_text(reason)
    if reason is not None and len(reason.encode("utf-8", "surrogateescape")) > 2000:
        raise PeerError("invalid", "a reason of over 2,000 bytes", "say it in a line")
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
        return Reply(done, "Would be granted, by the local copy.")
    from git_peer.ops import behind

    if offline and peer.remote is not None:
        from git_peer.ops import sync as tentative

        done = tentative.take(peer, wish)
        peer.warned += behind.of(peer, wanted)
        done["builds_on"] = [one for one in peer.warned if one["code"] == "pending"]
        return Reply({**done, "guarantee": "tentative"}, _granted(done["locks"]), network=True, wrote=True)
    done = peer.take(wish)
    peer.warned += behind.of(peer, wanted)
    done["builds_on"] = [one for one in peer.warned if one["code"] == "pending"]
    return Reply(done, _granted(done["locks"]), network=True, wrote=True)


def _granted(views: list[dict[str, Any]]) -> list[str]:
    return [
        f"Locked {v['target']} ({v['mode']}, {v['guarantee']}) until {v['expires_at']}"
        + (f", as {v['session']}" if v["session"] else "")
        + "."
        for v in views
    ]


def _changed(call: Call) -> list[str]:
    repo = call.peer(once=True).repo
    from git_peer.store.git.remote import run

    out = run(
        ["status", "--porcelain=v2", "-z", "--no-renames", "--untracked-files=all"], repo.top or repo.gitdir, 60
    ).out
    found = []
    for row in out.split("\0"):
        fields = row.split(" ", 8)
        if row[:2] == "1 ":
            found.append(fields[8])
        elif row[:2] == "u ":
            found.append(row.split(" ", 10)[10])
        elif row[:2] == "? ":
            found.append(row[2:])
    return found


@command("unlock")
@click.argument("given", nargs=-1, metavar="TARGET...")
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
        raise PeerError("usage", "--force wants --reason", "the holder is told why")
    texts = _targets.listed(given, source, nul)
    if sum((bool(texts), everything, bool(ids))) != 1:
        raise PeerError("usage", "unlock wants targets, --all, or --id", "git peer help unlock")
    if everything and force:
        raise PeerError("usage", "--all gives back one's own; --force wants targets", "")
    peer = call.peer(writing=True, once=True)
    wanted = _targets.parsed(peer.repo, texts)
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
    text = [f"Unlocked {view['target']}." + (" Nothing of it is left to land." if pending else "") for view in released]
    text += [f"{view['target']} is pending until {view['branch'] or 'its work'} has landed." for view in waiting]
    data = {"released": released, **({"pending": waiting} if pending else {})}
    return Reply(data, text or "Nothing was locked.", network=True, wrote=True)


@command("locks")
@click.argument("given", nargs=-1, metavar="[PATH...]")
@_from_file
@_nul
@click.option("--mine", is_flag=True, help="One's own only.")
def locks_command(call: Call, given: tuple[str, ...], source: str | None, nul: bool, mine: bool) -> Reply:
    """What is locked, or what overlaps PATHs, by the local copy of the log."""
    peer = call.peer(once=True)
    among: list[Target] = _targets.parsed(peer.repo, _targets.listed(given, source, nul))
    found = peer.locks(among, mine)
    rows = [[v["target"], v["session"], v["mode"], _standing(v), v["expires_at"], v["reason"]] for v in found]
    text = table(rows, ["TARGET", "SESSION", "MODE", "STATE", "UNTIL", "REASON"])
    return Reply({"locks": found}, text or "Nothing is locked.")


def _standing(view: dict[str, Any]) -> str:
    """What a lock's state is in words: of a pending one also where its work is, and how much of it has landed."""
    if view["state"] != "pending":
        return str(view["state"] if view["live"] else "lapsed")
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
    """Whether this session may change PATHs, by the local copy of the log. Exit 1 where not."""
    peer = call.peer(once=True)
    paths = _targets.paths(peer.repo, _targets.listed(given, source, nul))
    if staged or rev is not None:
        from git_peer.ops import outgoing
    if staged:
        paths += outgoing.staged(peer)
    if not paths and not staged and rev is None:
        raise PeerError("usage", "check wants paths, --staged or --rev", "git peer help check")
    found = peer.check(paths)
    if rev is not None:
        known = {one["path"] for one in found}
        found += [one for one in outgoing.of_range(peer, rev) if one["path"] not in known]
    if found:
        from git_peer.ops.refusal import refusal

        why = refusal(found)
        raise PeerError(why.code, why.message, why.hint, allowed=False, violations=found)
    return Reply({"allowed": True, "violations": []}, f"{len(set(paths))} paths may be changed.")
