"""git peer doctor."""

from __future__ import annotations

import click

from git_peer.cli._output import Call, Reply, table
from git_peer.cli.main import command
from git_peer.verbs import doctor


@command("doctor")
@click.option("--fix", is_flag=True, help="Mend what can be mended.")
def doctor_command(call: Call, fix: bool) -> Reply:
    """Tell what is wrong here, and what to do about it."""
    parts = call.parts(writing=fix)
    found = doctor.examine(parts, fix)
    rows = [[c["status"], c["name"], c["detail"]] for c in found]
    hints = [f"hint: {c['name']}: {c['hint']}" for c in found if c["hint"] and c["status"] != "ok"]
    bad = any(c["status"] == "fail" for c in found)
    text = "\n".join([table(rows, ["", "CHECK", "DETAIL"]), *hints])
    return Reply({"checks": found}, text, status=1 if bad else 0)
