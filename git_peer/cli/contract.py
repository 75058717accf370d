"""git peer contract: what tasks agree on."""

from __future__ import annotations

import click

from git_peer.cli._output import Call, Reply, table
from git_peer.cli._params import given_text
from git_peer.cli.main import command, group
from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.plan import contracts
from git_peer.core.plan.edits import AddContract, ApproveContract, ChangeContract, CutContract, EditPlan


@group("contract")
def contract_command() -> None:
    """What tasks agree on: an interface, a type, a schema, in versions."""


def _reply(call: Call, name: str, word: str) -> Reply:
    view = contracts.describe(contracts.find(call.peer().state, name))
    said = f"{word} {name}@{view['version']} ({view['status']})."
    return Reply({"contract": view}, said, network=True, wrote=True)


_definition = click.option("--definition", metavar="TEXT", required=True, help="What is agreed; @FILE reads a file.")


@command("add")
@click.argument("name")
@click.option("--type", "kind", type=click.Choice(contracts.TYPES), required=True, help="What it describes.")
@_definition
def add(call: Call, name: str, kind: str, definition: str) -> Reply:
    """Put down what tasks are to agree on, as version 1."""
    peer = call.peer(writing=True)
    said = given_text(definition) or ""
    peer.run(EditPlan(me=peer.me, edits=(AddContract(name=name, type=kind, definition=said),)))
    return _reply(call, name, "Added")


@command("change")
@click.argument("name", metavar="NAME[@VERSION]")
@_definition
@click.option("--type", "kind", type=click.Choice(contracts.TYPES), default=None, help="Another type.")
@click.option("--force", is_flag=True, help="Although it is locked. A person's right; needs --reason.")
@click.option("--reason", metavar="TEXT", help="Why it is changed; it stays with the contract.")
def change(call: Call, name: str, definition: str, kind: str | None, force: bool, reason: str | None) -> Reply:
    """Make the next version of a contract, on the one that you have seen. It is to be approved again."""
    if force and not reason:
        raise PeerError("usage", "--force needs --reason", "who relies on it is told why")
    peer = call.peer(writing=True)
    bare, version = _versioned(name)
    saw = version or peer.look_up(lambda state: contracts.find(state, bare)).version
    said = given_text(definition) or ""
    why = given_text(reason) if force else None
    edit = ChangeContract(name=bare, saw=saw, definition=said, type=kind or "", force=why)
    peer.run(EditPlan(me=peer.me, edits=(edit,)))
    return _reply(call, bare, "Changed")


def _versioned(name: str) -> tuple[str, int]:
    """(name, version) of NAME@VERSION; 0 where none is given."""
    bare, at, version = name.rpartition("@")
    if not at:
        return name, 0
    if not version.isdigit() or not int(version):
        raise PeerError("usage", f"not a version: {version!r}", "NAME@2 is the second version of NAME")
    return bare, int(version)


@command("approve")
@click.argument("name", metavar="NAME@VERSION")
def approve(call: Call, name: str) -> Reply:
    """Agree to a version of a contract: to that one, and to no other."""
    peer = call.peer(writing=True)
    bare, version = _versioned(name)
    if not version:
        there = peer.look_up(lambda state: contracts.find(state, bare))
        raise PeerError(
            "usage", "approve needs the version that you have read", f"{bare}@{there.version} is the present"
        )
    peer.run(EditPlan(me=peer.me, edits=(ApproveContract(name=bare, version=version),)))
    return _reply(call, bare, "Approved")


@command("remove")
@click.argument("name", metavar="NAME")
def remove(call: Call, name: str) -> Reply:
    """Take out a contract that is not locked."""
    peer = call.peer(writing=True)
    there = peer.look_up(lambda state: contracts.find(state, name))
    peer.run(EditPlan(me=peer.me, edits=(CutContract(name=name, saw=there.version),)))
    return Reply({"contract": contracts.describe(there)}, f"Removed {name}.", network=True, wrote=True)


@command("list")
def list_(call: Call) -> Reply:
    """Every contract."""
    views = [contracts.describe(one) for one in contracts.all_of(call.peer().state)]
    rows = [[f"{v['name']}@{v['version']}", v["type"], v["status"], ", ".join(v["approved_by"])] for v in views]
    return Reply({"contracts": views}, table(rows, ["CONTRACT", "TYPE", "STATUS", "APPROVED BY"]) or "No contracts.")


@command("show")
@click.argument("name")
def show(call: Call, name: str) -> Reply:
    """A contract, and what it says."""
    view = contracts.describe(contracts.find(call.peer().state, name))
    by = f", approved by {', '.join(view['approved_by'])}" if view["approved_by"] else ""
    head = f"{name}@{view['version']} ({view['type']}, {view['status']}{by})"
    return Reply({"contract": view}, [head, "", *text.framed(view["definition"])])


for _each in (add, change, approve, remove, list_, show):
    contract_command.add_command(_each)
