"""git peer gate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from git_peer.cli._output import Call, Reply, table, write
from git_peer.cli.main import command
from git_peer.core.errors import PeerError

if TYPE_CHECKING:
    from git_peer.core.quality_gate.definition import Definition
    from git_peer.ops.gate_runs import Result
    from git_peer.ops.peer import Peer
    from git_peer.ops.quality_gates import Span


@command("gate")
@click.argument("what", nargs=-1, metavar="[RANGE | explain NAME]")
@click.option("--only", multiple=True, metavar="GATE", help="Only this gate; may be repeated.")
@click.option("--baseline", metavar="REV", default="", help="What tests and coverage are compared with.")
@click.option(
    "--sandbox", "box", type=click.Choice(["docker", "none"]), default="docker", show_default=True,
    help="Where commands are run; `none` is this machine, unprotected.",
)  # fmt: skip
@click.option("--fresh", is_flag=True, help="Run again what was run on the same files before.")
@click.option("--junit", metavar="FILE", type=click.Path(path_type=Path), help="Write the verdicts as JUnit XML.")
@click.option("--annotations", is_flag=True, help="Print findings as GitHub's workflow commands.")
def gate_command(
    call: Call,
    what: tuple[str, ...],
    only: tuple[str, ...],
    baseline: str,
    box: str,
    fresh: bool,
    junit: Path | None,
    annotations: bool,
) -> Reply:
    """Judge a commit by quality gates: tests, coverage, stubs, secrets, size, API, dependencies, commands of your own.

    RANGE is `A..B`, or one commit (default: HEAD), which is judged by what it adds to the integration branch. Each gate
    says pass, fail or unknown, with its evidence. `gate explain NAME` tells what a gate wants, and how it is set here.
    """
    from git_peer.ops import quality_gates

    parts = call.parts()
    peer = call.peer() if parts.clone.is_set_up else None
    explains = what[:1] == ("explain",)
    if len(what) > (2 if explains else 1):
        raise PeerError("usage", f"one RANGE, not {len(what)}", "git peer help gate")
    at = quality_gates.span(parts.repo, peer, "" if explains or not what else what[0], baseline)
    found, warnings = quality_gates.rules(parts.repo, at)
    if explains:
        return _explained(found, what[1:])
    chosen = quality_gates.chosen(found, only)
    for line in warnings:
        call.progress(f"note: {line}")
    results = _evaluated(call, peer, at, chosen, (box, fresh))
    views = [one.view(parts.settings) for one in results]
    data: dict[str, Any] = {"commit": at.tip, "base": at.base or None, "baseline": at.baseline or None}
    data |= {"gates": views, "warnings": warnings}
    if junit is not None:
        _write(junit, at.tip, views)
    lines = _annotations(views) if annotations else _lines(views)
    why = quality_gates.stopped(results, chosen)
    if why is None:
        return Reply(data, lines)
    if not call.json and not call.quiet:
        write(lines)
    raise PeerError(why.code, f"{at.tip[:12]} {why.message}", why.hint, **data)


def _evaluated(
    call: Call, peer: Peer | None, at: Span, chosen: dict[str, Definition], how: tuple[str, bool]
) -> list[Result]:
    from git_peer.ops import gate_runs
    from git_peer.runner import results

    parts, (box, fresh) = call.parts(), how
    with gate_runs.running(parts.repo, parts.settings, box, fresh, call.progress) as (run, taken):
        return gate_runs.evaluate(parts.repo, parts.settings, peer, at, chosen, run, results.outcomes, taken)


def _write(path: Path, commit: str, views: list[dict[str, Any]]) -> None:
    from git_peer.ops import gate_runs

    try:
        path.write_text(gate_runs.junit(commit, views), "utf-8", errors="replace")
    except OSError as why:
        raise PeerError("failed", f"cannot write {path}: {why.strerror}", "--junit names a file") from None


def _place(found: dict[str, Any]) -> str:
    return ":".join(str(found[key]) for key in ("path", "line") if key in found)


def _lines(views: list[dict[str, Any]]) -> list[str]:
    rows: list[list[str]] = [
        [
            one["verdict"],
            one["name"] + (" (required)" if one["required"] else ""),
            f"{one['seconds']:.1f} s",
            one["why"],
        ]
        for one in views
    ]
    lines = table(rows, ["", "GATE", "TIME", "WHY"])
    for one in views:
        if one["verdict"] == "pass" or not (one["findings"] or one["output"]):
            continue
        lines += ["", f"{one['name']}:"]
        lines += [f"  {_place(found)}  {found['message']}".replace("    ", "  ") for found in one["findings"][:20]]
        hidden = len(one["findings"]) - 20 + one["more"]
        lines += [f"  … and {hidden} more"] if hidden > 0 else []
        if not one["findings"]:
            lines += [f"  | {line}" for line in one["output"].split("\n")[-20:]]
    return lines


def _annotations(views: list[dict[str, Any]]) -> list[str]:
    """GitHub's workflow commands: an error for what failed, a warning for what is unknown."""
    lines = []
    for one in views:
        if one["verdict"] == "pass":
            continue
        kind = "error" if one["verdict"] == "fail" else "warning"
        for found in one["findings"] or [{"message": one["why"]}]:
            where = [f"file={_escaped(found['path'], True)}"] if "path" in found else []
            where += [f"line={found['line']}"] if "line" in found else []
            where.append(f"title={_escaped('git peer gate: ' + one['name'], True)}")
            lines.append(f"::{kind} {','.join(where)}::{_escaped(found['message'])}")
    return lines


def _escaped(text: str, inside: bool = False) -> str:
    """For the message, or for a property; whatever ends a line is escaped where it is written."""
    for char, code in (("%", "%25"), *(((":", "%3A"), (",", "%2C")) if inside else ())):
        text = text.replace(char, code)
    return text


def _explained(found: dict[str, Definition], names: tuple[str, ...]) -> Reply:
    """What a gate wants; without a name, what there is."""
    from git_peer.core.quality_gate import definition
    from git_peer.ops import quality_gates

    every = {**{name: definition.Definition(name, {"off": True}) for name in definition.KINDS}, **found}
    if names and names[0] not in every:
        raise quality_gates.unknown(names[0], every)
    shown = {name: every[name] for name in names} or every
    views: list[dict[str, Any]] = [
        {
            "name": name,
            "does": one.kind.does,
            "off": bool(one.get("off")),
            "declared": one.declared,
            "options": [
                {"name": key, "value": one.get(key), "default": option.default, "does": option.does}
                for key, option in definition.options(one.kind).items()
            ],
        }
        for name, one in shown.items()
    ]
    if not names:
        rows = [[one["name"], "off" if one["off"] else "", one["does"]] for one in views]
        return Reply({"gates": views}, table(rows, ["GATE", "", "PASSES WHERE"]))
    (view,) = views
    lines = [f"{view['name']} passes where {view['does']}.", "", f"[gates.{view['name']}]"]
    lines += [f"{one['name']} = {_toml(one['value'])}  # {one['does']}" for one in view["options"]]
    return Reply({"gate": view}, lines)


def _toml(value: Any) -> str:
    import json

    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
