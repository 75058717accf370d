"""Contracts: what tasks agree on. The record, its versions, who approved it; events and apply()."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from git_peer import layout
from git_peer.core import text
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.lock.record import rfc3339
from git_peer.core.log.state import Kept, State, alike, decode
from git_peer.core.plan import record as plan
from git_peer.core.session import record as sessions

TYPES = ("api_endpoint", "type_definition", "database_schema", "function_signature", "free")


class Contract(Kept, frozen=True, kw_only=True):
    """contracts/<name>.json. `status` is draft, approved or locked; `at` is epoch seconds of its version."""

    name: str
    type: str
    definition: str
    version: int = 1
    status: str = "draft"
    approved: tuple[str, ...] = ()  # sessions that approved this very version
    author: str = ""
    at: int = 0
    debate: str = ""  # whose resolution made this version
    force: str = ""  # the reason with which a person made it


class ContractEvent(plan.PlanEvent, frozen=True, kw_only=True):
    """What happens to a contract."""

    contract: str

    def named(self, state: State) -> str:
        """Its name."""
        return self.contract


class ContractAdd(ContractEvent, tag="contract.add", frozen=True, kw_only=True):
    """A contract, in its first version unless it comes from elsewhere."""

    example = {"contract": "c", "type": "free", "definition": "d"}
    does = "added contract"

    type: str
    definition: str
    version: int = 1
    status: str = "draft"
    approved: tuple[str, ...] = ()

    def apply(self, state: State, height: int, index: int) -> None:
        """A new name."""
        sessions.touch(state, self, height)
        _check(self.type, self.definition)
        if not plan.is_id(self.contract) or get(state, self.contract) is not None:
            raise Malformed(f"no new contract: {self.contract!r}")
        if self.version < 1 or self.status not in ("draft", "approved", "locked") or len(self.approved) > 500:
            raise Malformed("a contract's version begins at 1; it is draft, approved or locked")
        _keep(state, Contract(**alike(self, Contract), name=self.contract, author=self.by))

    def says(self) -> str:
        return f"added contract {self.contract} ({self.type.replace('_', ' ')})"


class ContractChange(ContractEvent, tag="contract.change", frozen=True, kw_only=True):
    """The next version. A locked one changes only by a debate's resolution, or with a person's reason `force`."""

    example = {"contract": "c", "version": 2, "definition": "e"}
    does = "changed contract"

    version: int
    definition: str
    type: str = ""  # "": as it was
    debate: str = ""
    force: str = ""

    def apply(self, state: State, height: int, index: int) -> None:
        """One version on; what had been approved is to be approved again, what was locked stays so."""
        sessions.touch(state, self, height)
        old = _find(state, self.contract, self.version - 1)
        if self.debate:
            _check_version(state, self.debate, self.contract, self.version)
        else:
            _refuse_change(state, self.contract)
        kind = self.type or old.type
        _check(kind, self.definition)
        if old.status == "locked" and not (self.debate or self.force):
            raise Malformed(f"contract {old.name} is locked")
        changed = msgspec.structs.replace(
            old,
            type=kind,
            definition=self.definition,
            version=self.version,
            status="locked" if old.status == "locked" else "draft",
            approved=(),
            author=self.by,
            at=self.at,
            debate=self.debate,
            force=self.force,
        )
        _keep(state, changed)

    def says(self) -> str:
        why = f": {self.force}" if self.force else ""
        return f"changed contract {self.contract} to version {self.version}{why}"


class ContractApprove(ContractEvent, tag="contract.approve", frozen=True, kw_only=True):
    """The session agrees to that version."""

    example = {"contract": "c", "version": 1}
    does = "approved contract"

    version: int

    def apply(self, state: State, height: int, index: int) -> None:
        """Once for each session."""
        sessions.touch(state, self, height)
        contract = _find(state, self.contract, self.version)
        if self.by in contract.approved:
            raise Malformed(f"{self.by} has approved {self.contract} already")
        status = "locked" if contract.status == "locked" else "approved"
        _keep(state, msgspec.structs.replace(contract, status=status, approved=(*contract.approved, self.by)))

    def says(self) -> str:
        return f"approved contract {self.contract}, version {self.version}"


class ContractDrop(ContractEvent, tag="contract.drop", frozen=True, kw_only=True):
    """A contract that is not locked goes."""

    part = ""
    example = {"contract": "c", "version": 1}

    version: int

    def apply(self, state: State, height: int, index: int) -> None:
        """What is locked stays."""
        sessions.touch(state, self, height)
        if _find(state, self.contract, self.version).status == "locked":
            raise Malformed(f"contract {self.contract} is locked")
        _refuse_change(state, self.contract)
        state.delete(layout.contract(self.contract))

    def says(self) -> str:
        return f"dropped contract {self.contract}"


# -- reading --------------------------------------------------------------------------------------
def get(state: State, name: str) -> Contract | None:
    """The contract of that very name."""
    return state.get(layout.contract(name), Contract) if plan.is_id(name) else None


def all_of(state: State) -> Iterator[Contract]:
    """Every contract, by name."""
    for _, raw in state.walk(layout.T_CONTRACTS):
        yield decode(raw, Contract)


def find(state: State, name: str) -> Contract:
    """The contract of that name, or PeerError with near ones."""
    contract = get(state, name)
    if contract is None:
        from git_peer.core import near  # only where something is wrong

        names = [entry.removesuffix(".json") for entry in sorted(state.entries(layout.T_CONTRACTS) or ())]
        there = "`git peer contract list` shows them" if names else "`git peer contract add` adds one"
        raise PeerError("not_found", f"there is no contract {text.line(name, 64)}", near.hint(name, names, there))
    return contract


def describe(contract: Contract) -> dict[str, Any]:
    """A contract as it is told."""
    return {
        "name": contract.name,
        "type": contract.type,
        "definition": contract.definition,
        "version": contract.version,
        "status": contract.status,
        "approved_by": list(contract.approved),
        "author": contract.author,
        "at": rfc3339(contract.at),
        "debate": contract.debate or None,
        "forced": contract.force or None,
    }


# -- applying -------------------------------------------------------------------------------------
def _find(state: State, name: str, version: int) -> Contract:
    contract = get(state, name)
    if contract is None or contract.version != version:
        raise Malformed(f"no version {version} of contract {name!r}")
    return contract


def _check(kind: str, definition: str) -> None:
    if kind not in TYPES:
        raise Malformed(f"no type of contract: {kind!r}")
    if not definition or len(definition.encode("utf-8", "surrogatepass")) > plan.MAX_TEXT:
        raise Malformed(f"a definition of at most {plan.MAX_TEXT // 1024} KiB")


def _keep(state: State, contract: Contract) -> None:
    state.put(layout.contract(contract.name), contract)


class _Resolution(msgspec.Struct):
    version: int = 0


class _Debate(msgspec.Struct):
    """What a contract has to know of a debate about it."""

    id: str
    topic: str
    contract: str = ""
    resolution: _Resolution | None = None


def _refuse_change(state: State, contract: str) -> None:
    """Malformed with the code `disputed` while a person has to decide about a contract."""
    for ident in sorted(state.entries(f"{layout.T_ABOUT}/disputed/{layout.component(contract)}") or ()):
        debate = state.get(f"{layout.T_DEBATES}/{ident}.json", _Debate)
        if debate is not None:
            raise Malformed(
                f"contract {contract} is in dispute, in debate {debate.id[:8]}: {text.quoted(debate.topic)}",
                "disputed",
                f"a person decides it with `git peer debate resolve {debate.id[:8]}`",
            )


def _check_version(state: State, ident: str, contract: str, version: int) -> None:
    """Malformed unless that debate's resolution made this version of the contract."""
    debate = state.get(f"{layout.T_DEBATES}/{ident}.json", _Debate)
    end = debate.resolution if debate is not None and debate.contract == contract else None
    if end is None or end.version != version:
        raise Malformed(f"no debate {text.line(ident, 64)} made version {version} of contract {contract}")


def lock(state: State, name: str) -> None:
    """A phase has closed on it."""
    contract = get(state, name)
    if contract is not None and contract.status != "locked":
        _keep(state, msgspec.structs.replace(contract, status="locked"))
