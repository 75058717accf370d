"""The on-disk format in names: refs, tree paths, path encoding. Standard library only.

Paths of the repository are `str` with surrogateescape, as `os.fsdecode` gives them in a UTF-8 locale:
any bytes that git takes survive the round trip.
"""

from __future__ import annotations

FORMAT = 2  # of a log, declared in log.json: the newest that is known here

# -- refs ---------------------------------------------------------------------------------------
BRANCH = "peer/coordination"  # default of peer.branch: the log's branch on the remote
TIP = "refs/peer/coordination"  # this clone's verified tip; in local mode the log itself
INCOMING = "refs/peer/incoming"  # what was fetched and is not verified yet
INTEGRATION = "refs/peer/integration"  # the integration branch as it was last fetched for a merge point
TASKS = "refs/peer/tasks/"  # + task id: a task's branch as it was last fetched to be integrated
ONTO = "refs/peer/onto"  # the branch that tasks are brought together on, as it was last fetched
TENTATIVE = "refs/peer/tentative/"  # + sid
VOTES = "refs/peer/votes/"  # + task id/: <sid>, a call for candidates, and <random>, what others offer
WIP = "refs/peer/wip/"  # + session: a commit of what its work tree has now, published where peer.publishWork is on
STAGE = "refs/peer/stage/"  # + sid, on the remote: code on its way into an atomic push
NOTES = "refs/notes/peer"  # notes on code commits, where git shows them and copies them at an amend or a rebase
NOTES_KEPT = (
    "refs/peer/notes"  # the same notes; git-peer alone writes it, for git's own writers of notes do not compare
)
NOTES_INCOMING = "refs/peer/notes-incoming"  # the remote's notes as they were last fetched or pushed
WORK = "peer/task/"  # + task id: the branch that a runner hands a task's work in on
MERGED = "peer/integration"  # the branch on which `integrate` brings finished tasks together
PUSHING = "GIT_PEER_PUSHING"  # environment: the attempt (a commit) that the push at hand carries
OURS = ("refs/peer/", NOTES)  # a push to these is refused unless git-peer made it

# -- the folder `peer/` in the common git directory -----------------------------------------------
FOLDER = "peer"
F_CLONE = "clone.json"  # who this clone is, which log it follows
F_SEAL = "seal.json"  # what the gate hangs on, as it was when it was in place
F_SERVER = "server.json"  # of a repository that clones push to: how its hooks check
F_LOCK = "lock"  # the kernel lock of this clone's writers
F_STALE = "stale-at"  # epoch second from which the copy is stale (remote mode only)
F_FETCHED = "fetched-at"  # when the newest fetch of the log began, epoch seconds (remote mode only)
F_IDLE = "idle-at"  # epoch second at which the first debate that goes on is escalated by time
F_SILENT = "silent-at"  # when somebody who reads news asked the remote in vain, epoch seconds (remote mode only)
F_NEXT = "next-tip"  # where the tip is being moved to: tells a lock file of ours from others
F_PACKS = "packs"  # the packs that our transactions made and that are not folded together yet, a name a line
F_PLANNING = "planning"  # kernel lock: one planner at a time in this clone
F_TENTATIVE = "tentative.lock"  # kernel lock: one process at a time changes what is tentative
F_SENDER = "sender"  # kernel lock of the process that sends what is tentative; when it last sent, epoch second
F_SEEN = "seen.json"  # when this clone first saw each session's last event
F_COMMITS = "commits"  # commit → session, a line each, by the post-commit hook; and what was rewritten to what
F_NOTED = "noted.json"  # how far the notes are complete
F_REFUSALS = "refusals.jsonl"  # what was refused in this clone lately, an event a line, for those who watch it
F_LOST = "lost.json"  # what was lost to the arbiter and has been named by no command yet
D_WHO = "who"  # what the post-commit hook writes about a session, made ready
F_LANDING = "landing.json"  # how far this clone has looked for each lock's work
D_INBOX = "inbox"  # commands that wait for whoever has the kernel lock
D_ATTEMPTS = "attempts"  # publishes whose end is not known yet
D_HELD = "held"  # sid.json: what each session of this clone was told it holds
D_FENCED = "fenced"  # sid.json: marker, targets that a session lost
D_TENTATIVE = "tentative"  # sid.json: marker, locks nobody has arbitrated
D_AGENTS = "agents"  # session.json: what the hooks of its agent noted; +subagents, +wait
D_TOLD = "told"  # session.json: which ends of debates a session was told of
D_LETTERS = "letters"  # session/event.json: what others did that concerns a session, and it was not told of yet
D_RAN = "ran"  # digest.json: what a command said of a tree
F_MARKED = "marked"  # there while git's attributes, below the top, name peer-lock or peer-free
STRICT = "peer.strict"  # git's setting by which a clone has the reference-transaction hook, too
D_HOOKS = "hooks"  # the gate's scripts
D_CHAIN = "hooks.d"  # dispatchers, where the user's core.hooksPath is chained

# -- the tree of the log --------------------------------------------------------------------------
T_README = "README.md"
T_LOG = "log.json"
T_SESSIONS = "sessions"
T_LOCKS = "gate/locks"
T_FENCES = "gate/fences"
T_DISPUTES = "gate/disputes"
T_REQUIRED = "gate/required"
T_NAMES = "names"  # locks on @name: no commit can touch one, so the gate does not read them
T_WAITS = "waits"
T_HELD = "held"  # held/<session>/<lock id>: the tree path of the lock's record
T_PENDING = "pending/locks"  # locks that wait for their work to land; the gate does not read them
T_WAITING = "pending/of"  # pending/of/<session>/<lock id>: the tree path of the pending lock's record
T_KEPT = "pending/blobs"  # pending/blobs/<lock id>/<blob>: what its work is told by, which may be nowhere else
T_PLAN = "plan.json"
T_TASKS = "tasks"
T_CONTRACTS = "contracts"
T_QUESTIONS = "questions"
T_CLAIMS = "claims"  # claims/<session>/<task id>: the status of a task that is that session's
T_DELTAS = "deltas"
T_DEBATES = "debates"
T_ABOUT = "about"  # what leads from a path, a contract, a task, a session or a day to deltas and debates

_CUT, _MAX = 160, 200
_BAD = frozenset(b"%\\:")
# Invisible or direction-changing characters; a fixed list, so that every release encodes alike.
_HIDDEN = (
    (0x80, 0xA0),
    (0xAD, 0xAD),
    (0x61C, 0x61C),
    (0x180B, 0x180E),
    (0x200B, 0x200F),
    (0x2028, 0x202F),
    (0x205F, 0x206F),
    (0x3000, 0x3000),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFF0, 0xFFFF),
    (0xE0000, 0xE0FFF),
)


_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class Linked(bytes):
    """The id, in hex, of a blob of the code that stands in the log's tree as it is: nobody reads it as a record."""


def to_bytes(path: str) -> bytes:
    """The bytes that git keeps for `path`."""
    return path.encode("utf-8", "surrogateescape")


def from_bytes(raw: bytes) -> str:
    """The `str` for a path's bytes; undecodable ones become lone surrogates."""
    return raw.decode("utf-8", "surrogateescape")


def component(name: str) -> str:
    """One path component as a tree entry: `=` and the name, always printable UTF-8 of at most 202 bytes."""
    if len(name) <= _MAX and _PLAIN.issuperset(name):  # most are
        return "=" + name
    out: list[str] = []
    for char in name:
        code = ord(char)
        if code < 0x20 or code == 0x7F or code in _BAD:
            out.append(f"%{code:02X}")
        elif 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
            out.append(f"%{code - 0xDC00:02X}")
        elif code >= 0x80 and any(low <= code <= high for low, high in _HIDDEN):
            out.extend(f"%{byte:02X}" for byte in char.encode())
        else:
            out.append(char)
    text = "".join(out)
    raw = text.encode()
    if len(raw) > _MAX:
        from hashlib import sha256

        head = raw[:_CUT].decode("utf-8", "ignore")
        text = f"{head}~{sha256(to_bytes(name)).hexdigest()[:48]}"
    return "=" + text


def is_cut(entry: str) -> bool:
    """Whether a tree entry stands for a name too long to spell; the record has the whole path."""
    return len(entry.encode()) > _MAX + 1


def mirrored(path: str) -> str:
    """`a/b.py` → `=a/=b.py`; the empty path stays empty."""
    return "/".join(component(part) for part in path.split("/")) if path else ""


def record(root: str, path: str, ident: str) -> str:
    """The tree path of record `ident` about `path` under `root`, e.g. gate/locks/=a/=b.py/@1f….json."""
    middle = mirrored(path)
    return f"{root}/{middle}/@{ident}.json" if middle else f"{root}/@{ident}.json"


def session(name: str) -> str:
    """The tree path of a session's record."""
    return f"{T_SESSIONS}/{name}.json"


def task(ident: str) -> str:
    """The tree path of a task's record."""
    return f"{T_TASKS}/{ident}.json"


def contract(name: str) -> str:
    """The tree path of a contract's record."""
    return f"{T_CONTRACTS}/{name}.json"


def is_utf8(path: str) -> bool:
    """Whether the path's bytes are UTF-8."""
    return path.isascii() or not any(0xDC80 <= ord(char) <= 0xDCFF for char in path)


def percent(path: str) -> str:
    """A path for JSON whose bytes are not UTF-8: those bytes, and `%` itself, percent-encoded."""
    return "".join(f"%{ord(c) - 0xDC00:02X}" if 0xDC80 <= ord(c) <= 0xDCFF else "%25" if c == "%" else c for c in path)


def unpercent(text: str) -> str:
    """The inverse of percent()."""
    raw, source, index = bytearray(), text.encode("utf-8", "surrogateescape"), 0
    while index < len(source):
        if source[index] == 0x25:
            raw.append(int(source[index + 1 : index + 3], 16))
            index += 3
        else:
            raw.append(source[index])
            index += 1
    return from_bytes(bytes(raw))
