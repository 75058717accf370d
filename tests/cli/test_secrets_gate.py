"""Nothing with a secret gets into the log or the notes, whichever command says it; what a program said loses it."""

from __future__ import annotations

import ast
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import git_peer
from git_peer.core.errors import PeerError
from git_peer.core.log.command import Command, Me
from git_peer.core.rules import decide
from git_peer.core.target.target import Target
from git_peer.ops import admission
from tests.cli.asking import ask, refused
from tests.cli.test_imports import loaded
from tests.world import Clone

KEY = "github" + "_pat_" + "11ABCDEFG0" + "a1B2c3D4e5F6" * 6
PUSHED = "s3cret-of-this-shell-0"  # known as one only by the name of the variable that has it


class _Settings:
    """Nothing is set."""

    @staticmethod
    def get(name: str) -> Any:
        return () if name == "secrets" else ""


# -- every field of every command -----------------------------------------------------------------
_SAMPLES: dict[Any, Any] = {
    str: "x", int: 1, bool: False, Target: Target(kind="file", path="a"), Me: Me(name="ana", clone="c"),
}  # fmt: skip


def sample(kind: Any) -> Any:
    """A value of a type; of a union the first that is something, of a collection one with one entry."""
    if kind in _SAMPLES:
        return _SAMPLES[kind]
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return sample(next(one for one in args if one is not type(None)))
    if origin is tuple:
        return tuple(sample(one) for one in args if one is not Ellipsis)
    if origin is dict:
        return {"k": sample(args[1])}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind(**{f.name: sample(f.type) for f in msgspec.structs.fields(kind) if f.name != "allowed"})
    raise AssertionError(f"no sample of {kind}")


def spots(kind: Any, where: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(the fields that lead to a text, a function that puts one there) for every text in a value of a type."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is str:
        yield where, lambda said: said
    elif origin in (typing.Union, types.UnionType):
        for one in args:
            yield from spots(one, where)
    elif origin is tuple:
        for one in args:
            for at, put in spots(one, where):
                yield at, lambda said, put=put: (put(said),)
    elif origin is dict:
        for at, put in spots(args[1], where):
            yield at, lambda said, put=put: {"k": put(said)}
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        whole = sample(kind)
        for field in msgspec.structs.fields(kind):
            for at, put in spots(field.type, (*where, f"{kind.__name__}.{field.name}")):
                yield at, lambda said, put=put, name=field.name: msgspec.structs.replace(whole, **{name: put(said)})


# Texts that are none: ids, hashes, paths, words of a list, what the machine says of itself, what the log has already.
KNOWN = set(
    """Me.name Me.clone Me.gitdir Me.host Me.user Me.worktree Me.branch Me.head Target.kind Target.path Target.section
    Target.encoding Target.blob Release.ids Wish.mode Unwait.mode Wish.blobs Claim.blobs Next.blobs RefUpdate.ref
    RefUpdate.old RefUpdate.new Land.changed Land.dirty Land.landed Avoid.session Landed.task Landed.commit Move.status
    Move.commit Record.commit Record.seen Sync.head AddPhase.id AddPhase.head NamePhase.id CutPhase.id OrderPhases.ids
    AddTask.id AddTask.status AddTask.commit Result.commit ChangeTask.id SetStatus.id SetStatus.status SetStatus.saw
    AddContract.status CloseQuestion.id SetGoal.saw Tell.ident News.commit News.supersedes News.allowed
    Wish.onto Work.commit Work.base Work.branch Work.authors Work.clone Work.gitdir Work.host Work.worktree Work.paths
    Work.blobs Me.also Work.head Work.deltas Answer.deltas Answer.changed
    Open.delta Speak.debate Speak.seen Escalate.debate Resolve.debate""".split()
)


def judged(command: Command) -> Command | PeerError:
    """The command as it is admitted, or its refusal."""
    try:
        return admission.admitted(command, _Settings(), {})  # type: ignore[arg-type]
    except PeerError as refusal:
        return refusal


def test_every_text_of_every_command() -> None:
    """A field that is added is looked at, unless somebody says here, and in the gate, that it is no text."""
    skipped: set[str] = set()
    looked = 0
    for kind in decide.COMMANDS.values():
        for where, put in spots(kind):
            done = judged(put(f"see {KEY}"))
            if isinstance(done, PeerError):
                assert done.code == "not_allowed"
                assert KEY not in done.message
                looked += 1
            elif KEY not in msgspec.json.encode(done).decode():
                assert "output" in where[-1], where
                looked += 1
            elif not any("saw" in one for one in where):
                skipped.add(where[-1])
    assert skipped <= KNOWN, skipped - KNOWN
    assert looked > 80


def test_there_is_no_way_round() -> None:
    """What publishes a command, or keeps one for later, is called where it has passed the gate, and nowhere else."""
    allowed = {
        "submit": {"ops/peer.py", "publish/combine.py"},
        "transact": {"ops/peer.py"},
        "_rebuild": {"ops/sync.py"},
    }
    root = Path(git_peer.__file__).parent
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
            if name in allowed:
                assert str(path.relative_to(root)) in allowed[name], (path, name)


# -- from outside ---------------------------------------------------------------------------------
def test_whatever_says_it(local: Clone) -> None:
    """Each command that takes a text refuses it, says which, never says it again, and writes nothing."""
    plan = f'goal = "g"\n[[tasks]]\nid = "t9"\ntitle = "t"\ndescription = """\nuse\n{KEY}"""\n'
    local.write("plan.toml", plan)
    local.write("secret", KEY)
    ask(local, "task", "add", "one", "--path", "src/api.py", as_="ana")
    ask(local, "lock", "README.md", as_="bob")
    ask(local, "contract", "add", "api", "--type", "free", "--definition", "d", as_="ana")
    before = local.git("rev-parse", "refs/peer/coordination").line
    for args, field in (
        (("lock", "src/api.py", "--reason", f"with {KEY}"), "reason"),
        (("lock", "src/api.py", "--reason", "@secret"), "reason"),
        (("unlock", "README.md", "--force", "--reason", KEY), "force"),
        (("session", "start", "--doing", f"using {KEY}"), "doing"),
        (("session", "start", "cleo", "--capability", KEY), "capabilities[0]"),
        (("task", "add", KEY), "title"),
        (("task", "add", "t", "--description", "@secret"), "description"),
        (("task", "add", "t", "--accept", f"curl -H 'Authorization: Bearer {KEY}' x"), "accept"),
        (("task", "add", "t", "--item", KEY), "checklist[0].text"),
        (("task", "edit", "t1", "--accept", f"TOKEN={KEY} make test"), "accept` of “t1”"),
        (("task", "split", "t1", f"a {KEY}"), "title"),
        (("task", "progress", "t1", "--note", KEY), "note"),
        (("task", "block", "t1", "--note", f"{KEY} is refused"), "note"),
        (("phase", "add", KEY), "name"),
        (("contract", "add", "db", "--type", "free", "--definition", f"postgres://u:{KEY}@h/d"), "definition` of “"),
        (("contract", "change", "api", "--definition", KEY), "definition` of “"),
        (("plan", "import", "plan.toml", "--yes"), "description` of “t9”"),
        (("push-delta", "--type", "decision", "--summary", "s", "--body", KEY), "body"),
        (("debate", "start", "--topic", "t", "--position", KEY), "position"),
    ):
        said = local.peer("--json", *args, as_="ana" if args[0] != "unlock" else None, status=1)
        error = said.json()["error"]
        assert error["code"] == "not_allowed", (args, error)
        assert f"`{field}" in error["message"], (args, error)
        assert "GitHub Token" in error["message"]
        assert KEY[12:] not in said.out + said.err, args
    assert local.git("rev-parse", "refs/peer/coordination").line == before


def test_what_an_acceptance_command_said(local: Clone) -> None:
    """`env`, `set -x`, a trace of an error: the result stands, in the log and in the note, without the secrets."""
    accept = "env | grep -e DEPLOY -e OTHER; printf '\\033[31mred\\033[0m\\n'; false"
    ask(local, "task", "add", "one", "--accept", accept, as_="ana")
    ask(local, "task", "claim", "t1", as_="ana")
    env = {"DEPLOY_TOKEN": PUSHED, "OTHER": KEY}
    local.peer("task", "review", "t1", as_="ana")
    done = local.peer("--json", "task", "result", "t1", "--run", as_="bob", env=env).json()["task"]["result"]
    assert done["passed"] is False
    assert done["output"].splitlines()[-1] == "(exit status 1)"
    assert "red\n" in done["output"]
    assert done["output"].count("[redacted: ") == 2
    everything = local.git("log", "--format=%B", "refs/peer/coordination").out
    everything += local.git("notes", "--ref=peer", "show", "HEAD").out
    assert "redacted" in everything
    assert PUSHED not in everything
    assert KEY not in everything
    assert "\\u001b" not in everything


def test_a_secret_can_be_taken_out_again(local: Clone) -> None:
    """Of what the log has already nothing is said anew: a task that older releases took is mended by an edit."""
    local.git("config", "peer.secrets", "none")
    ask(local, "task", "add", "one", "--description", KEY, as_="ana")
    local.git("config", "--unset", "peer.secrets")
    ask(local, "task", "edit", "t1", "--description", "from the vault", as_="ana")
    assert ask(local, "task", "show", "t1")["task"]["description"] == "from the vault"


def test_the_environment_s_own(local: Clone) -> None:
    """What a variable calls a secret is one wherever it stands; words, numbers, paths and short values are none."""
    env = {"DB_PASSWORD": PUSHED, "GPG_KEY": "E3FF2839C048B25C", "APP_TOKEN": "production", "ID_TOKEN": "/run/token/1"}
    said = local.peer("--json", "lock", "README.md", "--reason", f"x{PUSHED}y", env=env, status=1).json()["error"]
    assert said["code"] == "not_allowed"
    local.peer("lock", "README.md", "--reason", "production /run/token/1 E3FF2839C048B25C", env=env)


def test_what_is_kept_for_sync(pair: tuple[Clone, Clone]) -> None:
    """The remote is away: a tentative command passes the same gate."""
    one, _ = pair
    refused(one, "not_allowed", "lock", "src/api.py", "--offline", "--reason", KEY, as_="ana")
    refused(one, "not_allowed", "push-delta", "--type", "decision", "--summary", KEY, "--offline", as_="ana")
    ask(one, "lock", "src/api.py", "--offline", "--reason", "plain words about nothing much", as_="ana")


@pytest.mark.parametrize("agent", [{}, {"CLAUDECODE": "1", "CLAUDE_CODE_SESSION_ID": "abc"}])
def test_without_a_text_nothing_is_looked_for(
    local: Clone, monkeypatch: pytest.MonkeyPatch, agent: dict[str, str]
) -> None:
    for name, value in agent.items():
        monkeypatch.setenv(name, value)
    assert "git_peer.core.secret" not in loaded(local, "lock", "src/api.py", "src/auth.py", "docs/")
    assert "git_peer.core.secret" in loaded(local, "lock", "README.md", "--reason", "a reason of some length")
