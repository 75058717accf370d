"""docs/not-yet.md lists what the command contract has and the program has not: a line goes when its command comes."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from git_peer.cli.main import cli

PAGE = Path(__file__).parents[2] / "docs" / "not-yet.md"

# The contract's commands with their options, written out again.
CONTRACT = """
init --remote --local --branch --no-hooks --strict
uninstall --purge --yes
doctor --fix
demo --keep
session start --agent --doing --capability --takeover
session end
session renew
peers
whoami
version
help
status --live
brief --max
lock --shared --ttl --reason --task --priority --preempt --wait --offline --changed --dry-run --worktree
lock --pathspec-from-file -z
unlock --all --id --force --reason
locks --mine
check --staged --rev
verify
landed
plan new --planner --ask --yes
plan import
plan export --format
plan show --depth
plan check
plan replan
plan questions --for
plan answer
phase add
phase list
phase sync
task add --phase --after-task --path --accept
task edit
task move
task split
task assign
task show
task list --status --mine
task ready
task claim --lock
task next --lock
task release
task progress --note --check
task start
task review --note
task merge-point --note
task done --note
task reject --note
task reopen --note
task block --note
task drop --note
task note
task comment
task link
task stats
contract add --type --definition
contract change
contract approve
contract list
contract show
push-delta --type --summary --body --severity --path --contract --task --commit --to --supersedes --allow-secret
delta push
delta list
delta show
delta ack
deltas --all --after
ack --note
debate start --topic --position --constraint --alternative --delta --contract --with --evidence
debate respond --message --propose --accept --reject
debate escalate --reason
debate resolve --decision --as-human
debate show --format
debate list
debate run --model
notes
blame
sync
push -u --force-with-lease --dry-run -o --keep
watch --after --for --exec
log -n --since --until --after --by --kind --show-signature
conflicts
sections
fsck
compact
export
run --model --loop --attempts --votes --sandbox --exec --max-tasks --max-tokens --max-time
run status
run logs
run stop
integrate --into --phase
go --runners --timeout --detach
model pull
model list
model check
sandbox build
sandbox check
agent install --user --dry-run
agent remove --user --dry-run
agent list
mcp --http
dashboard
hook
land
server
gate
review
drive
report
fleet
remember
recall
forget
search
inbox
redact
completion
completion install
"""


def promised() -> list[str]:
    """Each command of the contract, and each option behind its command."""
    found = []
    for row in CONTRACT.split("\n"):
        words = row.split()
        name = " ".join(word for word in words if not word.startswith("-"))
        found += [name, *(f"{name} {word}" for word in words if word.startswith("-"))] if name else []
    return list(dict.fromkeys(found))


def missing() -> list[str]:
    """What the page lists."""
    cells = [row.split("|")[1] for row in PAGE.read_text().splitlines() if row.startswith("| `")]
    return [name for cell in cells for name in re.findall("`([^`]+)`", cell)]


def exists(name: str) -> bool:
    """Whether the program has a command, or an option of one."""
    command: click.Command | None = cli
    for word in name.split():
        if word.startswith("-"):
            return command is not None and any(word in param.opts for param in command.params)
        command = command.get_command(click.Context(command), word) if isinstance(command, click.Group) else None
        if command is None:
            return False
    return True


@pytest.mark.parametrize("name", promised())
def test_it_is_there_or_listed_as_missing(name: str) -> None:
    above = " ".join(word for word in name.split() if not word.startswith("-"))
    listed = name in missing() or (name != above and above in missing())
    assert exists(name) is not listed, f"{name}: docs/not-yet.md says otherwise"


def test_what_is_listed_is_promised() -> None:
    assert set(missing()) <= set(promised())
