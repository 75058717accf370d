"""Whatever the environment says: another owner, place, Python or locale, and what a user sets for agents."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from git_peer.core.session import naming
from tests.cli.asking import ask, codes, refused
from tests.world import Clone, World, require, start

ODD = "größe/ñandú.md"


# -- another owner --------------------------------------------------------------------------------
def test_safe_directory(local: Clone) -> None:
    """A repository of another user is worked in where git itself would, whoever told git so; else it is refused."""
    require("root", lambda: os.getuid() == 0)
    for folder, _, files in os.walk(local.path):
        for name in (".", *files):
            os.chown(os.path.join(folder, name), 12345, 12345, follow_symlinks=False)
    answer = refused(local, "untrusted", "lock", "README.md")
    assert "another user" in answer["error"]["message"]
    here = str(local.path)
    by_count = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": here}
    assert ask(local, "lock", "README.md", env=by_count)["acquired"]
    assert "README.md" in local.git("-c", f"safe.directory={here}", "peer", "locks").out
    refused(local, "untrusted", "locks")
    local.write("README.md", "changed\n")
    refusal = local.git("commit", "-qam", "x", env={**by_count, "GIT_PEER_SESSION": "bob"}, check=False)
    assert "README.md is locked by" in refusal.err
    local.git("commit", "-qam", "x", env=by_count)


# -- another place --------------------------------------------------------------------------------
@pytest.mark.parametrize("relative", [False, True])
def test_from_outside(pair: tuple[Clone, Clone], world: World, relative: bool) -> None:
    """`git --git-dir=… --work-tree=… peer`, absolute or not, from outside or below: as git itself understands it."""
    one, two = pair
    base = world.folder
    where = [f"--git-dir={one.name}/.git", f"--work-tree={one.name}"]
    if not relative:
        where = [f"--git-dir={one.path}/.git", f"--work-tree={one.path}"]

    def peer(*args: str, status: int = 0, cwd: Path = base, given: list[str] = where) -> str:
        return start(("git", *given, "peer", *args), cwd).finish(status).out

    peer("lock", "src/api.py", "--reason", "from outside")
    (view,) = ask(one, "locks")["locks"]
    assert (view["path"], view["worktree"], view["reason"]) == ("src/api.py", one.name, "from outside")
    peer("lock", "api.py", cwd=one.path / "src", given=["--git-dir=../.git", "--work-tree=.."])
    assert len(ask(one, "locks")["locks"]) == 1
    one.write("src/api.py", "changed\n")
    start(("git", *where, "commit", "-qam", "x"), base).finish(0)
    ask(two, "sync")
    refused(two, "locked", "lock", "src/")
    peer("sync")
    assert "main -> main" in peer("push", "origin", "main")
    assert ask(one, "locks")["locks"] == []


# -- another Python -------------------------------------------------------------------------------
@pytest.fixture
def shadow(tmp_path: Path) -> Path:
    """A folder for PYTHONPATH with other packages of our libraries' names, each of which would fail."""
    folder = tmp_path / "shadow"
    folder.mkdir()
    for name in ("click", "pygit2", "msgspec", "filelock", "rich", "tomli"):
        (folder / f"{name}.py").write_text(f"raise SystemExit('the {name} of somebody else')\n")
    return folder


def test_python_s_own_variables(pair: tuple[Clone, Clone], shadow: Path) -> None:
    """PYTHONPATH does not come before our libraries, in no program and no hook; PYTHONHOME does not reach the hooks."""
    one, two = pair
    env = {"PYTHONPATH": f"{shadow}{os.pathsep}", "PYTHONSAFEPATH": None}
    program = str(Path(sys.executable).parent / "git-peer")
    assert start((program, "lock", "src/api.py"), one.path, env).finish(0).out.startswith("Locked src/api.py")
    ask(two, "sync", env=env)
    two.write("src/api.py", "changed\n")
    assert "is locked by" in two.git("commit", "-qam", "x", env=env, check=False).err
    two.git("reset", "-q", "--hard")
    for odd in (env, {**env, "PYTHONHOME": "/nowhere"}, {"PYTHONSTARTUP": "/nowhere", "PYTHONOPTIMIZE": "2"}):
        two.write("docs/guide.md", f"{len(str(odd))}\n")
        two.git("commit", "-qam", "x", env=odd)
        two.git("push", "-q", "origin", "main", env=odd)
    script = (two.path / ".git/peer/hooks/pre-push").read_text()
    assert f"{sys.executable} -E -P -m git_peer" in script


def test_libraries_that_only_pythonpath_has(local: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where git-peer itself is found by PYTHONPATH, its hooks keep it."""
    from git_peer.hooks import site

    package = Path(site.__file__).resolve().parent.parent
    assert site._flags(package) == "-E -P"
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    assert site._flags(package) == "-P"
    monkeypatch.setenv("PYTHONPATH", str(local.path))
    assert site._flags(package) == "-E -P"


# -- another locale -------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def latin(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A Latin-1 locale, made for these tests."""
    require("localedef")
    folder = tmp_path_factory.mktemp("locales")
    start(("localedef", "-c", "-i", "en_US", "-f", "ISO-8859-1", str(folder / "en_US.ISO-8859-1")), folder).finish()
    return {"LOCPATH": str(folder), "LC_ALL": "en_US.ISO-8859-1"}


def other_locales(latin: dict[str, str]) -> list[dict[str, str]]:
    return [
        latin,
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "latin-1"},
    ]


def test_locales(local: Clone, latin: dict[str, str]) -> None:
    """A path and a text are the same bytes in every locale, on the way in and out; nothing fails to be encoded."""
    local.write(ODD, "x\n")
    local.git("add", "-A")
    local.git("commit", "-qm", "odd")
    said = "grün → 世界 “quoted” 🎉"
    for at, env in enumerate(other_locales(latin)):
        (view,) = ask(local, "lock", ODD, "--reason", said, env=env, as_="ana")["locks"]
        assert (view["path"], view["reason"]) == (ODD, said), env
        (same,) = ask(local, "locks")["locks"]
        assert (same["path"], same["reason"], same["id"]) == (ODD, said, view["id"]), env
        looks = "locks|status|--help|help debate|log|doctor|brief|plan export|peers" if at in (0, 3) else "locks"
        for args in looks.split("|"):
            told = local.peer(*args.split(), env=env, as_="ana", status=None)
            assert told.status in (0, 1), told
            assert "Error" not in told.err, told
        assert ODD in local.peer("locks", env=env).out
        local.write(ODD, f"{at}\n")
        commit = ("commit", "-qam", f"{at}")
        assert f"{ODD} is locked by ana" in local.git(*commit, env={**env, "GIT_PEER_SESSION": "bob"}, check=False).err
        local.git(*commit, env={**env, "GIT_PEER_SESSION": "ana"})
        if at in (0, 3):
            local.write("said", said)
            news = ("push-delta", "--type", "decision", "--summary", "@said", "--path", ODD)
            told = ask(local, *news, env=env, as_="ana")["delta"]
            assert (told["summary"], told["paths"]) == (said, [ODD])


# -- what a user sets -----------------------------------------------------------------------------
CONFIGURED = {
    "CODEX_HOME": "/x", "CODEX_API_KEY": "k", "CODEX_PROFILE": "p", "CLAUDE_CONFIG_DIR": "/x",
    "CLAUDE_CODE_USE_BEDROCK": "1",
    "ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": "k", "GEMINI_CLI_TRUST_WORKSPACE": "true", "OPENAI_API_KEY": "k",
}  # fmt: skip


def test_what_a_person_configures_makes_no_agent(local: Clone) -> None:
    """A person's time, priority and force, at a command, at a commit and in the note of it."""
    me = ask(local, "whoami", env=CONFIGURED)
    assert (me["agent"], me["person"], me["default"]) == (None, True, True)
    (view,) = ask(local, "lock", "README.md", env=CONFIGURED)["locks"]
    assert view["ttl"] == 8 * 3600
    local.write("README.md", "mine\n")
    local.git("commit", "-qam", "mine", env=CONFIGURED)
    assert (local.path / ".git/peer/commits").read_text().split(" ")[1:4] == [".", "-", "-"]


@pytest.mark.parametrize(("kind", "mark"), [(kind, mark) for kind, marks, _ in naming.AGENTS for mark in marks])
def test_the_hook_knows_the_same_agents(kind: str, mark: str) -> None:
    """Each variable that makes an agent is looked at by the sh hook, which has its own list."""
    hook = (Path(__file__).parents[2] / "hooks/post-commit").read_text()
    (line,) = [one for one in hook.splitlines() if f"${mark}" in one and one.lstrip().startswith(("if [", "elif ["))]
    after = hook.partition(line)[2].lstrip().partition("\n")[0]
    assert f"peer_kind={kind} " in after


def test_one_name_in_several_work_trees(pair: tuple[Clone, Clone]) -> None:
    """A profile exports GIT_PEER_SESSION: each work tree is a session of its own, its commits are its own, for good."""
    one, two = pair
    env = {"GIT_PEER_SESSION": "alice"}
    third = one.worktree("third")
    (first,) = ask(one, "lock", "src/api.py", env=env)["locks"]
    assert first["session"] == "alice"
    names = []
    for clone, path in ((two, "README.md"), (third, "docs/guide.md")):
        ask(clone, "sync", env=env)
        (view,) = ask(clone, "lock", path, env=env)["locks"]
        names.append(view["session"])
        assert view["session"].startswith("alice-")
        assert codes(ask(clone, "status", env=env)) == []
        refused(clone, "locked", "lock", "src/", env=env)
        clone.write(path, "mine\n")
        clone.git("commit", "-qam", "mine", env=env)
        clone.write("src/api.py", "not mine\n")
        assert "is locked by alice" in clone.git("commit", "-qam", "x", env=env, check=False).err
        clone.git("checkout", "-q", "src/api.py")
        assert ask(clone, "whoami", env=env)["name"] == view["session"]
    assert len({"alice", *names}) == 3
    ask(one, "session", "end", env=env)
    ask(two, "sync", env=env)
    assert ask(two, "whoami", env=env)["name"] == names[0]  # it stays who it is when the first one goes
    assert ask(two, "unlock", "--all", env=env)["released"]
    refused(two, "exists", "lock", "src/", as_=names[1])  # --as means that very name
