"""A shell command is refused where it would change a file that another really holds, and nowhere else."""

from __future__ import annotations

import time

import pytest

from tests.agents.calling import Agent, denied
from tests.world import Clone

PERSON = "person"  # of the work tree, who holds src/api.py
WHOLE = (
    "git checkout main", "git checkout -f", "git switch main", "git stash", "git stash -u", "git clean -fdx",
    "git reset --hard", "git restore .", "git checkout -- .", "git pull --autostash", "git rebase --autostash main",
    "git commit --no-verify -m x", "git -c core.hooksPath=/dev/null commit -am x",
)  # fmt: skip
WRAPPED = (
    "git -C {repo} reset --hard", "cd {repo} && git stash", "timeout 30 git -C {repo} stash",
    "GIT_TRACE=0 env X=1 git -C {repo} stash", "git -c color.ui=never -C {repo} --no-pager reset --hard",
    "bash -lc 'cd {repo} && git stash'", "(cd {repo}; git checkout .)", 'R={repo}; cd "$R" && git checkout -- .',
    "git --git-dir={repo}/.git --work-tree={repo} reset --hard", "git -C {repo} pull --autostash",
    "git -C {repo} stash push -m tidy", "git -C {repo} checkout -- src/", "git -C {repo} restore '*.py'",
    "git -C {repo} checkout src/api.py", "git -C {repo} checkout HEAD src", "git -C {repo} rm src/api.py",
    "git -C {repo} commit --no-verify -am x", "git -C {repo} commit -anm x",
    "git -c core.hooksPath=/dev/null -C {repo} commit -am x",
    "GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.hooksPath GIT_CONFIG_VALUE_0=/x git -C {repo} commit -am x",
)  # fmt: skip


@pytest.fixture
def held(local: Clone) -> Clone:
    """The person holds src/api.py, and has changed it."""
    local.peer("lock", "src/api.py", "--reason", "mine")
    local.write("src/api.py", "the person's\n")
    local.write("src/new.py", "anybody's\n")
    return local


def test_nothing_is_refused_that_changes_nothing_held(local: Clone) -> None:
    """A clean tree; a name, a lapsed lock, a path that is not there, a file that stays as it is."""
    local.peer("lock", "@deploy", "src/not-there.py", "src/auth.py")
    local.git("branch", "other")
    local.peer("lock", "docs/guide.md", "--ttl", "1s", as_="gone")
    time.sleep(2.1)
    local.write("docs/guide.md", "changed\n")
    local.write("notes.txt", "new\n")
    local.git("add", "docs/guide.md")
    agent = Agent(local)
    for command in (*WHOLE, "git switch other", "git worktree remove --force ../none", "git merge other"):
        assert agent.shell(command) == "", command


def test_what_takes_a_held_file_is_refused(held: Clone) -> None:
    """In every spelling, and from wherever it is run."""
    agent = Agent(held)
    refused = [command for command in WHOLE if agent.shell(command)]
    free = {"git checkout main", "git switch main", "git clean -fdx", "git commit --no-verify -m x"}
    assert set(WHOLE) - set(refused) == free  # main is where it is; the file is tracked, and not staged
    why = agent.shell("git stash")
    assert why.startswith("git-peer: `git stash` would change what others hold:")
    assert "src/api.py is locked by" in why
    assert "force" not in why
    for command in WRAPPED:
        line = command.format(repo=held.path)
        assert "src/api.py" in agent.shell(line, cwd="/"), command


def test_what_leaves_it_alone_is_not(held: Clone) -> None:
    agent = Agent(held)
    for command in (
        "git stash push -- src/auth.py", "git stash push -u -- src/new.py", "git restore src/auth.py", "git clean -fd",
        "git checkout -- 'docs/*'", "git stash list", "git checkout -b topic", "git commit --no-verify -m x -- docs",
        "echo git stash", "git -C /elsewhere reset --hard", "cd /tmp && git stash", "git diff", "git reset src/api.py",
    ):  # fmt: skip
        assert agent.shell(command) == "", command


def test_another_commit(local: Clone) -> None:
    """A switch, a merge or a hard reset changes files under who works in this very tree, and under nobody elsewhere."""
    local.git("switch", "-q", "-c", "topic")
    local.write("src/api.py", "topic\n")
    local.commit("topic", "src/api.py")
    local.git("switch", "-q", "main")
    elsewhere = local.worktree("b")
    elsewhere.peer("lock", "src/api.py", as_="other")
    agent = Agent(local)
    moves = (
        "git switch topic",
        "git checkout topic",
        "git reset --hard topic",
        "git merge topic",
        "git cherry-pick topic",
    )
    for command in moves:
        assert agent.shell(command) == "", command
    elsewhere.peer("unlock", "src/api.py", as_="other")
    local.peer("lock", "src/api.py", as_="near")
    for command in moves:
        assert "near" in agent.shell(command), command
    assert agent.shell("git switch -c new topic") != ""
    assert agent.shell("git switch -") != ""
    assert agent.shell("git switch -c new main") == ""


def test_one_s_own_is_no_stranger_s(held: Clone) -> None:
    """The agent's own lock, and one that it had before another session."""
    held.peer("unlock", "src/api.py")
    agent = Agent(held)
    assert agent.edit("src/api.py") == ""
    for command in ("git stash", "git commit --no-verify -am x"):
        assert agent.shell(command) == ""
        assert agent.name in Agent(held, "other").shell(command)


def test_another_s_work_tree_is_not_removed(held: Clone) -> None:
    there = held.worktree("b")
    held.peer("unlock", "src/api.py")
    there.peer("lock", "src/auth.py", as_="other")
    agent = Agent(held)
    assert agent.shell("git worktree remove --force ../b") == ""
    there.write("src/auth.py", "the other's\n")
    assert "other" in agent.shell("git worktree remove --force ../b")


def test_an_untracked_file_that_another_holds(local: Clone) -> None:
    local.write("deep/new.py", "other's\n")
    local.write("build.log", "x\n")
    local.write(".gitignore", "*.log\n")
    local.peer("lock", "deep/new.py", as_="other")
    agent = Agent(local)
    assert agent.shell("git clean -f") == ""  # it goes into no folder that has nothing else
    assert "other" in agent.shell("git clean -fd")
    assert "other" in agent.shell("git stash --include-untracked")
    assert agent.shell("git stash") == ""
    local.peer("lock", "build.log", as_="third")
    assert "third" in agent.shell("git clean -fx")
    assert "third" not in agent.shell("git clean -fd")


def test_before_the_first_commit(local: Clone) -> None:
    """git can tell nothing, and nothing is refused by accident."""
    local.git("checkout", "-q", "--orphan", "empty")
    local.peer("lock", "src/api.py", as_="other")
    assert Agent(local).shell("git switch main") == ""


def test_odd_names(local: Clone) -> None:
    local.write("a b\nc.py", "x\n")
    local.write("src/\udcff.py", "x\n")
    local.commit("odd")
    local.write("a b\nc.py", "y\n")
    local.write("src/\udcff.py", "y\n")
    local.peer("lock", "a b\nc.py", as_="other")
    agent = Agent(local)
    assert "other" in agent.shell("git stash")
    local.peer("unlock", "--all", as_="other")
    assert agent.shell("git stash") == ""
    local.peer("lock", "src/", as_="other")
    assert "other" in agent.shell("git stash")


def test_a_folder_is_what_is_in_it(local: Clone) -> None:
    """`rm -r` of one takes what is there; a lock on what is not, or that has lapsed, stands in nobody's way."""
    local.write("docs/more.md", "x\n")
    local.peer("lock", "docs/not-there.md", "src/**/*.md", as_="other")
    local.peer("lock", "docs/more.md", "--ttl", "1s", as_="gone")
    time.sleep(2.1)
    agent = Agent(local)
    assert agent.shell("rm -rf docs src") == ""
    assert agent.shell("touch docs/more.md") == ""
    local.write("src/deep/a.md", "other's\n")
    assert "other" in agent.shell("rm -rf src")


# -- what names no file -------------------------------------------------------------------------
SPREAD = (
    "find . -name '*.py' -delete", "find src -type f -name api.py -exec rm {} +", "cd src && find . -delete",
    "find . -name 'a*.py' -exec sed -i s/x/y/ {} ';'", r"find src -maxdepth 1 -name \*.py -exec git checkout -- {} \;",
    "find . -path './src/*' -print0 | xargs -0 rm -f", "git ls-files src | xargs rm", "echo src/api.py | xargs rm -f",
    "git diff --name-only | xargs git checkout --", "git ls-files -m | xargs -n 1 git restore",
    "git grep -l person | xargs sed -i s/x/y/", "rsync -a ../other/ src/", "rsync -a --delete ../empty/ src",
    "rsync -a --exclude docs ../other/api.py src/", "chmod +x src/api.py", "chmod -R 755 src",
)  # fmt: skip
SPREAD_FREE = (
    "find . -name '*.pyc' -delete", "find docs -delete", "find . -name '*.py'", "find . -name '*.py' -exec cat {} +",
    "find . -mtime +30 -delete", "find . -maxdepth 1 -name '*.py' -delete", "find . -type d -empty -delete",
    "git ls-files docs | xargs rm", "git ls-files | xargs cat", "echo docs/guide.md | xargs rm", "ls | xargs echo",
    "rsync -an ../other/ src/", "rsync -a src/ ../copy/", "rsync -a ../same/ src/", "rsync -a src/ host:/x/",
    "rsync -a --exclude '*.py' ../other/ src/", "chmod 644 docs/guide.md", "chmod go-w src/api.py",
)  # fmt: skip


def test_what_names_no_file(held: Clone) -> None:
    """Deletions by a search, by a copy of a folder, by a list: refused where a held file is among them."""
    agent, beside = Agent(held), held.path.parent
    for name, text in (("other", "another's\n"), ("same", "the person's\n"), ("empty", None)):
        (beside / name).mkdir()
        if text is not None:
            (beside / name / "api.py").write_text(text)
    for command in SPREAD:
        assert "src/api.py is locked by" in agent.shell(command), command
    for command in SPREAD_FREE:
        assert agent.shell(command) == "", command
    held.peer("unlock", "src/api.py")
    for command in SPREAD:
        assert agent.shell(command) == "", command


# -- the gate itself ----------------------------------------------------------------------------
OPENED = (
    "rm .git/hooks/pre-commit", "rm -rf .git/hooks", "rm -f .git/hooks/*", "mv .git/hooks .git/off",
    "chmod -x .git/hooks/*",
    "chmod 644 .git/hooks/pre-push", "chmod a-x .git/hooks/pre-commit", "rm -r {repo}/.git/peer",
    "cd .git && ls; rm -rf ../.git",
    "echo '' > .git/hooks/pre-commit", "cp /dev/null .git/hooks/pre-commit", "ln -sf /bin/true .git/hooks/pre-commit",
    'rm "$(git rev-parse --git-path hooks)/pre-commit"', "rm $(git rev-parse --git-dir)/hooks/pre-commit",
    "git config core.hooksPath /dev/null", "git config --local core.hookspath ''",
    "git -C {repo} config core.hooksPath x",
    "git config --global core.hooksPath /x", "git peer uninstall", "git config --unset peer.strict",
    "git config -f .git/config core.hooksPath /x", "git config --type path core.hooksPath /x",
    "git peer -q uninstall", "git peer --as x uninstall", "cd .git && rm -rf hooks", "cd .git/hooks; rm pre-commit",
    "cd .git/hooks && mv pre-push x", "rm .git/hooks/pre*", "chmod a-x .git/hooks/{{pre-commit,pre-push}}",
    "find .git/hooks -delete", "find .git/hooks -type f -exec chmod -x {{}} +",
    "sed -i '2i exit 0' .git/hooks/pre-commit",
    "perl -pi -e 's/exit/:/' .git/hooks/pre-push", "rm .git/hooks/pre-commi?", "echo 'rm -r .git/hooks' | sh",
)  # fmt: skip
CLOSED = (
    "ls .git/hooks", "cat .git/hooks/pre-commit", "rm .git/hooks/commit-msg", "chmod +x .git/hooks/pre-commit",
    "chmod 755 .git/hooks/pre-push", "echo 'make lint' >> .git/hooks/pre-commit", "cp .git/hooks/pre-commit /tmp/x",
    "git config core.hooksPath", "git config --get core.hooksPath", "git config user.name x", "git peer status",
    "rm .github/hooks/pre-commit", "rm -f .git/index.lock", "git config --list", "rm -f .git/hooks/*.sample",
    "rm .git/hooks/{{post-checkout,commit-msg}}", "git peer uninstall --help",
    "git config alias.unhook 'config core.x 1'",
    "sed -n 1p .git/hooks/pre-commit", "find .git/hooks -type f", "cd .git/hooks && ls pre-commit",
    "git config --default core.hooksPath --get user.name", "find . -name '*.pyc' -delete",
)  # fmt: skip


def test_the_gate_is_not_taken_away(held: Clone) -> None:
    """While others hold something; what does not open it, and a clone where nobody holds anything, are free."""
    agent = Agent(held)
    for command in OPENED:
        why = agent.shell(command.format(repo=held.path))
        assert "src/api.py is locked by" in why, command
    for command in CLOSED:
        assert agent.shell(command.format()) == "", command
    held.peer("unlock", "src/api.py")
    for command in OPENED:
        assert agent.shell(command.format(repo=held.path)) == "", command


def test_the_gate_is_not_edited_away(held: Clone) -> None:
    """By the tool that edits: what keeps git-peer's lines, and the settings that it does not hang on, are free."""
    agent = Agent(held)
    hook = held.gitdir / "hooks/pre-commit"
    hook.write_text(f"{hook.read_text()}echo mine\n")
    settings = held.gitdir / "config"
    settings.write_text(f"{settings.read_text()}[color]\n\tui = auto\n")

    def edit(path: str, old: str = "", new: str = "") -> str:
        given = {"file_path": str(held.gitdir / path)} | ({"old_string": old, "new_string": new} if old else {})
        return denied(agent.call("pre-edit", tool_name="Edit" if old else "Write", tool_input=given))

    opened = [
        ("hooks/pre-commit", "|| exit $?", ""), ("hooks/pre-commit", "#!/bin/sh\n", "#!/bin/sh\nexit 0\n"),
        ("hooks/pre-push",), ("config", "[color]", "[core]\n\thooksPath = /x\n[color]"), ("peer/hooks/pre-commit",),
    ]  # fmt: skip
    closed = [
        ("hooks/pre-commit", "echo mine", "make lint"), ("hooks/commit-msg",), ("config", "ui = auto", "ui = never"),
        ("config",), ("info/exclude",), ("hooks/pre-rebase.sample", "a", "b"),
    ]  # fmt: skip
    for words in opened:
        assert "src/api.py is locked by" in edit(*words), words
    for words in closed:
        assert edit(*words) == "", words
    held.peer("unlock", "src/api.py")
    for words in opened:
        assert edit(*words) == "", words


def test_by_another_name(held: Clone) -> None:
    """Aliases: of the line, of git's settings, of the shell; one that says nothing of the kind is free."""
    agent = Agent(held)
    for name, value in {"ci": "commit --no-verify", "sh": "!git commit -n", "two": "ci -a", "st": "status"}.items():
        held.git("config", f"alias.{name}", value)
    held.git("config", "alias.loop", "loop")
    for command in (
        "git ci -am x", "git sh -am x", "git two -m x", "git -c alias.y='commit -n' y -am x", "git -C {repo} ci -am x",
        "git -c 'alias.y=!git commit -n' y -am x", "git config alias.z 'commit -n'; git z -am x",
        "git config set alias.z 'commit -n' && git z -am x",
    ):  # fmt: skip
        assert "src/api.py" in agent.shell(command.format(repo=held.path)), command
    for command in (
        "git st", "git loop", "git nothing", "git -c alias.y=status y", "git commit -m '-n is new' -- docs",
        "git config alias.q 'commit -n'",
    ):  # fmt: skip
        assert agent.shell(command) == "", command


def test_as_somebody_else(held: Clone) -> None:
    """A name of the command's own would pass the gate as another's."""
    agent = Agent(held)
    held.git("add", "src/api.py")
    for prefix in ("GIT_PEER_SESSION=person", "env GIT_PEER_SESSION=x", "export GIT_PEER_SESSION=x;"):
        assert "src/api.py" in agent.shell(f"{prefix} git commit -m x"), prefix
        assert agent.shell(f"{prefix} git status") == ""
    assert agent.shell("GIT_PEER_DEBUG=1 git status") == ""
    held.git("reset", "-q")
    assert agent.shell("GIT_PEER_SESSION=x git commit -m x") == ""  # nothing of anybody's is staged


def test_a_push_past_its_hook(held: Clone) -> None:
    """To a branch that takes no change of what others hold; a draft, and what changes nothing held, are free."""
    agent = Agent(held)
    held.git("commit", "-q", "-am", "sneaked", "--no-verify", env={"GIT_PEER_SESSION": "x"})
    held.git("remote", "add", "elsewhere", "../nowhere.git", check=False)
    for command in (
        "git push --no-verify", "git push --no-verify origin main", "git push --no-veri origin HEAD:main",
        "git -c core.hooksPath=/dev/null push origin +main", "git push --no-verify --all",
    ):  # fmt: skip
        assert "src/api.py" in agent.shell(command), command
    for command in (
        "git push", "git push -n origin main", "git push --no-verify origin HEAD:draft", "git push --verify",
        "git push --no-verify origin HEAD~1:main",
    ):  # fmt: skip
        assert agent.shell(command) == "", command
