"""Who runs this: a session's name from the environment. Standard library only, for the gate asks it too."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT = 64
_FIRST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_REST = _FIRST | frozenset("._-")

# (agent kind, variables that it sets for what it runs, those of them that tell its session apart). What a user sets
# for an agent (CODEX_HOME, a key, CLAUDE_CONFIG_DIR) is none of them. `hooks/post-commit` has the same list.
AGENTS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("claude", ("CLAUDECODE",), ("CLAUDE_CODE_SESSION_ID",)),
    (
        "codex",
        ("CODEX_SESSION_ID", "CODEX_THREAD_ID", "CODEX_SANDBOX", "CODEX_SANDBOX_NETWORK_DISABLED", "CODEX_CI"),
        ("CODEX_SESSION_ID", "CODEX_THREAD_ID"),
    ),
    ("gemini", ("GEMINI_CLI",), ("GEMINI_SESSION_ID",)),
)


def is_name(name: str) -> bool:
    """Whether `name` is a session's name: [a-z0-9][a-z0-9._-]{0,63}, and no ref or file name trap."""
    return (
        0 < len(name) <= LIMIT
        and name[0] in _FIRST
        and all(char in _REST for char in name)
        and ".." not in name
        and not name.endswith((".lock", ".", ".json"))
    )


def mapped(text: str) -> str:
    """A session's name for any text that calls one: itself where it is a name, else one made of it.

    Other tools name sessions too, and folders and users have names, and not by our rules. The name goes by the whole
    text, so that neither case nor what is cut off makes two of them one.
    """
    if is_name(text):
        return text
    kept = "".join(char if char in _REST else "-" for char in text.lower()).strip("._-")
    while ".." in kept:
        kept = kept.replace("..", ".")
    return f"{kept[: LIMIT - 7].rstrip('._-') or 'x'}-{_digest(text.encode('utf-8', 'surrogateescape'))}"


def _digest(raw: bytes) -> str:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found]  # the gate asks, and hashlib loads OpenSSL
    except ImportError:
        from hashlib import sha256
    return str(sha256(raw).hexdigest()[:6])


def agent_of(env: Mapping[str, str]) -> tuple[str, str]:
    """(kind, its own session id or "") of the coding agent that runs us; ("", "") for a person."""
    for kind, marks, ids in AGENTS:
        if any(env.get(mark) for mark in marks):
            return kind, next((env[key] for key in ids if env.get(key)), "")
    return "", ""


def where(name: str, host: str, worktree: str) -> str:
    """Host and work tree of the session `name`, as host:worktree; "" where the name says them already."""
    tail = mapped(f"{host}-{worktree}".lower())
    return "" if not host or tail in name else f"{host}:{worktree}"


def apart(name: str, clone: str, gitdir: str) -> str:
    """The name that a run goes by in this work tree where another work tree has the one in its environment."""
    from binascii import crc32

    return f"{name[: LIMIT - 9].rstrip('._-')}-{crc32(f'{clone} {gitdir}'.encode('utf-8', 'surrogateescape')):08x}"


def bears(session: str, name: str, clone: str, gitdir: str) -> bool:
    """Whether a session of this work tree, by its name, is that of a run whose environment says `name`."""
    return session == name or (len(session) > 9 and session[-9] == "-" and session == apart(name, clone, gitdir))


def name_from(env: Mapping[str, str], gitdir: str) -> tuple[str | None, str]:
    """(name, agent kind): the name that the environment gives, None for the unnamed person of the work tree.

    `gitdir` is the work tree's git directory relative to the common one: an agent's subagents in other
    work trees share its session id and are other sessions.
    """
    kind, ident = agent_of(env)
    name = env.get("GIT_PEER_SESSION")
    if name:
        return mapped(name), kind
    if kind:
        from binascii import crc32

        return f"{kind}-{crc32(f'{ident} {gitdir}'.encode('utf-8', 'surrogateescape')):08x}", kind
    return None, ""
