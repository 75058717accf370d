"""Which files a shell command line changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_peer.agents.shell import MOST, changes

PATHS = {
    # redirections
    "echo x > a": ["a"],
    "echo x>>a": ["a"],
    "echo x >| a": ["a"],
    "cmd &> a": ["a"],
    "cmd 2>err >out": ["err", "out"],
    "cmd > 'a b' 2>&1": ["a b"],
    'cmd > "a b"': ["a b"],
    r"cmd > a\ b": ["a b"],
    "> a": ["a"],
    "cmd < a": [],
    "cmd > /dev/null 2>&1": [],
    "cmd >&2": [],
    "cmd > $OUT": [],
    "cmd > `name`": [],
    "cat <<EOF > a\nrm b\nEOF": ["a"],
    "cat > a <<'EOF'\nrm b > c\nEOF\nrm d": ["a", "d"],
    "cat <<-EOF > a\n\trm b\n\tEOF\nrm d": ["a", "d"],
    "cat <<< 'rm b' > a": ["a"],
    "echo 'a > b'": [],
    "echo x # > a": [],
    "cmd | tee a b": ["a", "b"],
    "cmd | tee -a a | cat": ["a"],
    # sed, perl
    "sed -i s/x/y/ a": ["a"],
    "sed -i.bak -e s/x/y/ -e s/y/z/ a b": ["a", "b"],
    "sed -i '' s/x/y/ a": ["a"],
    "sed -E -i 's/x/y/' a": ["a"],
    "sed --in-place s/x/y/ a": ["a"],
    "sed s/x/y/ a": [],
    "sed -n '1,2p' a": [],
    "sed -i -f script a": ["a"],
    "perl -pi -e 's/x/y/' a b": ["a", "b"],
    "perl -e 'print' a": [],
    # files
    "cp a b": ["b"],
    "cp a b c/": ["c/a", "c/b"],
    "cp -t d a b": ["d/a", "d/b"],
    "mv a b": ["a", "b"],
    "mv a b c": ["a", "b", "c/a", "c/b"],
    "rm -rf a b": ["a", "b"],
    "rm -- -a": ["-a"],
    "rm *.py": [],
    "rm ~/a": [],
    "rm {a,b}": [],
    "rm $X": [],
    "touch a": ["a"],
    "truncate -s 0 a": ["a"],
    "dd if=a of=b": ["b"],
    "ln -s a b": ["b"],
    # git
    "git checkout -- a b": ["a", "b"],
    "git checkout HEAD -- a": ["a"],
    "git restore a": ["a"],
    "git restore -s HEAD~1 a": ["a"],
    "git restore --staged a": [],
    "git restore --staged --worktree a": ["a"],
    "git rm a": ["a"],
    "git rm --cached a": [],
    "git mv a b": ["a", "b"],
    "git mv a d/": ["a", "d/a"],
    "git -c x.y=z rm a": ["a"],
    "git -C elsewhere rm a": ["elsewhere/a"],
    "git -C d -C e restore a": ["d/e/a"],
    "X=d; cd $X && rm a": ["d/a"],
    "export X=d; rm ${X}/a '$X/b'": ["d/a", "$X/b"],
    "(cd d && rm a); rm b": ["d/a", "b"],
    "echo $(rm a) `rm b`": ["a", "b"],
    "echo '$(rm a)'": [],
    "bash <<'EOF'\nrm a\nEOF\nrm b": ["a", "b"],
    "eval 'rm a'": ["a"],
    "bash -ec 'rm a'": ["a"],
    "timeout -k 5 30 rm a": ["a"],
    "env -C d rm a": ["d/a"],
    "sudo -u me rm a": ["a"],
    "flock f rm a": ["a"],
    "git status": [],
    "git commit -am x": [],
    # several, and what runs another
    "ls && rm a; rm b || rm c": ["a", "b", "c"],
    "X=1 rm a": ["a"],
    "sudo rm a": ["a"],
    "env X=1 rm a": ["a"],
    "nice -n 5 rm a": ["a"],
    "/bin/rm a": ["a"],
    "bash -c 'rm a'": ["a"],
    "bash -lc 'x'": [],
    "sh -c \"sh -c 'rm a'\"": ["a"],
    "if true; then rm a; fi": ["a"],
    "for f in x; do rm a; done": ["a"],
    "(rm a)": ["a"],
    "! rm a": ["a"],
    # where
    "cd d && rm a": ["d/a"],
    "cd d; cd e; rm a": ["d/e/a"],
    "cd /abs && rm a": ["/abs/a"],
    "cd d && rm /abs/a": ["/abs/a"],
    # nothing
    "": [],
    "   ": [],
    "ls -la": [],
    "pytest -q": [],
    "'unclosed": [],
}
CALLS = {  # (where, what) of the git commands that git has to be asked about
    "git stash": [("", "git stash")],
    "git stash -u": [("", "git stash")],
    "git stash pop": [("", "git stash")],
    "git stash list": [],
    "git stash show": [],
    "git reset --hard": [("", "git reset --hard")],
    "git reset --hard HEAD~1": [("", "git reset --hard")],
    "git reset --keep HEAD~1": [("", "git reset")],
    "git reset a": [],
    "git switch main": [("", "git switch")],
    "git switch -c new": [],
    "git switch -c new old": [("", "git switch")],
    "git checkout main": [("", "git checkout")],
    "git checkout -b new": [],
    "git checkout -- .": [("", "git checkout")],
    "git checkout -- 'src/*.py'": [("", "git checkout")],
    "git checkout -- *.py": [("", "git checkout")],
    "git restore .": [("", "git restore")],
    "git restore --staged .": [],
    "git clean -fd": [("", "git clean")],
    "git clean -nfd": [],
    "git clean -f --dry-run": [],
    "cd d && git stash": [("d", "git stash")],
    "pushd d && git stash": [("d", "git stash")],
    "(cd d && git stash); git stash": [("d", "git stash"), ("", "git stash")],
    "git -C d reset --hard": [("d", "git reset --hard")],
    "git -C d -C e stash": [("d/e", "git stash")],
    "git --no-pager -c a.b=c stash": [("", "git stash")],
    "R=/r; git -C $R stash": [("/r", "git stash")],
    "bash -c 'git stash'": [("", "git stash")],
    "bash -lc 'cd d && git stash'": [("d", "git stash")],
    "timeout 30 git stash": [("", "git stash")],
    "timeout --signal=KILL 30s git stash": [("", "git stash")],
    "nice -n 5 timeout 3 git stash": [("", "git stash")],
    "GIT_TRACE=1 git stash": [("", "git stash")],
    "env -u X GIT_TRACE=1 git stash": [("", "git stash")],
    "/usr/bin/git stash": [("", "git stash")],
    "if ! git stash; then :; fi": [("", "git stash")],
    "x=$(git stash)": [("", "git stash")],
    "git pull --autostash": [("", "git pull --autostash")],
    "git rebase main": [("", "git rebase")],
    "git merge main": [("", "git merge")],
    "git worktree remove --force ../b": [("../b", "git worktree remove")],
    "git worktree remove ../b": [],
    "git commit -m x": [],
    "git commit -mn": [],
    "git commit -m --no-verify-not": [],
    "git commit --no-verify -m x": [("", "git commit --no-verify")],
    "git commit --no-veri -m x": [("", "git commit")],
    "git commit -nm x": [("", "git commit")],
    "git commit -anm x": [("", "git commit")],
    "git -c core.hooksPath=/dev/null commit -m x": [("", "git commit")],
    "git -c CORE.HOOKSPATH= commit -m x": [("", "git commit")],
    "GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.hooksPath GIT_CONFIG_VALUE_0=/x git commit -m x": [("", "git commit")],
}
PATCHES = {
    "git apply a.patch": ["a.patch"],
    "cd d && git apply a.patch": ["d/a.patch"],
    "git apply -p1 a.patch b.patch": ["a.patch", "b.patch"],
    "git apply --check a.patch": [],
    "git apply --stat a.patch": [],
    "patch -p1 < a.patch": ["a.patch"],
    "patch -i a.patch": ["a.patch"],
}


@pytest.mark.parametrize("line", PATHS)
def test_paths(line: str) -> None:
    assert changes(line).paths == PATHS[line]


@pytest.mark.parametrize("line", CALLS)
def test_what_git_is_asked_about(line: str) -> None:
    found = changes(line)
    assert ([(call.where, call.command) for call in found.calls], found.paths) == (CALLS[line], [])


def test_what_git_is_told() -> None:
    (call,) = changes("git --git-dir=/r/.git --work-tree /r reset --hard").calls
    assert (call.gitdir, call.tree) == ("/r/.git", "/r")
    (call,) = changes("GIT_DIR=/r/.git GIT_WORK_TREE=/r git clean -f").calls
    assert (call.gitdir, call.tree) == ("/r/.git", "/r")
    (call,) = changes("cd $HOME/r && git stash push -- ~/x 'a b'", {"HOME": "/h"}).calls
    assert (call.where, call.words) == ("/h/r", ("push", "--", "/h/x", "a b"))


@pytest.mark.parametrize("line", PATCHES)
def test_patches(line: str) -> None:
    assert changes(line).patches == PATCHES[line]


def test_bounded() -> None:
    assert len(changes("rm " + " ".join(f"f{n}" for n in range(1000))).paths) == MOST
    nested = "rm a"
    for _ in range(6):
        nested = "sh -c " + "'" + nested.replace("'", "'\\''") + "'"
    assert changes(nested).paths == []  # not for ever


_WORDS = st.sampled_from(
    [
        "rm",
        "sed -i",
        "git",
        "stash",
        "apply",
        "cd",
        "a",
        "'",
        '"',
        "\\",
        "$(",
        ")",
        "`",
        ">",
        "<<E",
        "E",
        "\n",
        ";",
        "|",
    ]
)


@given(st.one_of(st.text(max_size=200), st.lists(_WORDS, max_size=30).map(" ".join)))
def test_never_raises(line: str) -> None:
    found = changes(line)
    assert all((*found.paths, *found.patches))
