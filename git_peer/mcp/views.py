"""What tools answer, as schemas: the nouns of the command contract. More keys may come with them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    """Keys that are not named here are kept."""

    model_config = ConfigDict(extra="allow")


class Answer(View):
    """What every answer has: the session that asked, and notices that it should read."""

    ok: bool
    session: str | None = None
    notices: list[dict[str, Any]] = []


class Lock(View):
    """A lock."""

    id: str
    target: str
    kind: str
    mode: str
    state: str
    session: str
    expires_at: str
    live: bool
    guarantee: str
    reason: str = ""


class Task(View):
    """A task of the plan."""

    id: str
    title: str
    status: str
    description: str = ""
    phase: str | None = None
    depends_on: list[str] = []
    paths: list[str] = []
    accept: str = ""
    priority: int = 5
    assignee: str | None = None
    progress: int = 0


class Delta(View):
    """News of another session."""

    id: str
    type: str
    severity: str
    summary: str
    body: str = ""
    session: str
    requires_action: bool = False


class Debate(View):
    """A debate and its turns."""

    id: str
    topic: str
    status: str
    round: int
    turns: list[dict[str, Any]] = []


class Sections(Answer):
    """The sections of a file."""

    path: str
    by: str
    sections: list[dict[str, Any]]


class Conflicts(Answer):
    """What would collide, and whose present work was looked at."""

    conflicts: list[dict[str, Any]]
    sides: list[dict[str, Any]]


class Locks(Answer):
    """Locks that were taken."""

    acquired: bool
    locks: list[Lock]


class Held(Answer):
    """Locks that somebody holds."""

    locks: list[Lock]


class Checked(Answer):
    """Whether paths may be changed."""

    allowed: bool
    violations: list[dict[str, Any]]


class Released(Answer):
    """Locks that were given back."""

    released: list[Lock]


class OneTask(Answer):
    """A task."""

    task: Task


class Claimed(OneTask):
    """A task that is now this session's, and the locks that came with it."""

    locks: list[Lock] = []


class Phases(Answer):
    """The phases of the plan."""

    phases: list[dict[str, Any]]


class Project(Answer):
    """The plan, what is locked, and who is here."""

    goal: str
    phases: list[dict[str, Any]]
    tasks: list[Task]
    contracts: list[dict[str, Any]]
    locks: list[Lock]
    sessions: list[dict[str, Any]]


class Plan(Answer):
    """The plan."""

    goal: str
    phases: list[dict[str, Any]]
    tasks: list[Task]
    contracts: list[dict[str, Any]]


class OneDelta(Answer):
    """A delta."""

    delta: Delta


class Deltas(Answer):
    """What others told."""

    deltas: list[Delta]
    requires_action: bool


class Acked(Answer):
    """The ids of the deltas that were answered."""

    acked: list[str]


class OneDebate(Answer):
    """A debate."""

    debate: Debate


class Synced(Answer):
    """What a sync did."""

    fetched: int
    pushed: int
    lost: list[dict[str, Any]] = []


class Renewed(Answer):
    """Whether a renewal was sent."""

    name: str


class Status(Answer):
    """The state of things in short."""

    mode: str
    log: dict[str, Any]
    locks: list[Lock]
    tasks: list[Task]
    sessions: list[dict[str, Any]]


class Inbox(Answer):
    """What waits for this session."""

    inbox: list[dict[str, Any]]


class Who(Answer):
    """Who this is."""

    name: str
    sid: str | None
    started: bool


class Events(Answer):
    """Events of the log, newest first."""

    events: list[dict[str, Any]]


class Pushed(Answer):
    """What a push moved, and the locks that ended with it."""

    pushed: list[dict[str, Any]]
    released: list[Lock] = []


class PhaseSynced(Answer):
    """Whether the phase is closed, and whom it waits for."""

    phase: str
    closed: bool
    waiting_for: dict[str, Any]


class Questions(Answer):
    """Questions of planners, with their answers."""

    questions: list[dict[str, Any]] = []


class Contract(View):
    """A contract."""

    name: str
    type: str
    definition: str
    version: int
    status: str
    approved_by: list[str] = []


class OneContract(Answer):
    """A contract."""

    contract: Contract


class Contracts(Answer):
    """The contracts of the plan."""

    contracts: list[Contract]
