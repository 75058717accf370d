"""git peer doctor."""

from __future__ import annotations

from typing import Any

import click

from git_peer.agents import health
from git_peer.cli._output import Call, Reply, table
from git_peer.cli.main import command
from git_peer.core.errors import EXIT
from git_peer.ops import doctor, models


@command("doctor")
@click.option("--fix", is_flag=True, help="Mend what can be mended.")
def doctor_command(call: Call, fix: bool) -> Reply:
    """Tell what is wrong here, and what to do about it."""
    parts = call.parts(writing=fix)
    found = doctor.examine(parts, fix)
    if parts.clone.is_set_up:
        found.append(health.check(parts.repo))
        if (model := models.check(parts.settings)) is not None:
            found.append(model)
    rows = [[c["status"], c["name"], c["detail"]] for c in found]
    hints = [f"hint: {c['name']}: {c['hint']}" for c in found if c["hint"] and c["status"] != "ok"]
    data: dict[str, Any] = {"checks": found}
    bad = [c for c in found if c["status"] == "fail"]
    if bad:
        names = ", ".join(c["name"] for c in bad)
        hint = next((c["hint"] for c in bad if c["hint"]), "git peer doctor --fix")
        data["error"] = {"code": "failed", "message": f"not in order: {names}", "hint": hint}
    return Reply(data, [*table(rows, ["", "CHECK", "DETAIL"]), *hints], status=EXIT["failed"] if bad else 0)
