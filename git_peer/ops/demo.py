"""A real run in a scratch folder: what git-peer is for, with real git, hooks and a bare remote."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from git_peer.core.errors import PeerError

_DROPPED = ("GIT_", "CLAUDE", "CODEX", "GEMINI", "ANTHROPIC")


@dataclass
class Demo:
    """The scratch folder, and what was run in it. `say` gets each line as it comes."""

    top: Path
    say: Callable[[str], None]
    steps: list[dict[str, object]] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(_DROPPED)}
        home = self.top / "home"
        home.mkdir(parents=True)
        (home / ".gitconfig").write_text(
            "[user]\n\tname = Demo\n\temail = demo@example.com\n[init]\n\tdefaultBranch = main\n"
        )
        program = self.top / "bin" / "git-peer"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m git_peer "$@"\n')
        program.chmod(0o755)
        package = Path(__file__).resolve().parents[2]
        self.env |= {
            "HOME": str(home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "PATH": f"{program.parent}:{os.environ.get('PATH', '')}",
            "PYTHONPATH": str(package),
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
        }

    def run(self, who: str, command: str, status: int = 0, says: str = "") -> str:
        """Run a command as session `who` in its clone; it must end with `status` and say `says`."""
        name = {"alice": "a", "bob": "b"}.get(who, "")
        env = self.env | ({"GIT_PEER_SESSION": who} if name else {})
        ran = subprocess.run(
            ["sh", "-c", command],
            cwd=self.top / name,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=120,
        )
        said = ran.stdout.decode("utf-8", "replace")
        good = ran.returncode == status and says in said
        self.steps.append({"session": who, "command": command, "exit": ran.returncode, "ok": good})
        self.say(f"{who + ' ' if name else ''}$ {command}")
        for line in said.replace(str(self.top), "…").splitlines():
            self.say(f"    {line}")
        if not good:
            wanted = f"exit {status}" + (f" and {says!r}" if says else "")
            raise PeerError(
                "failed",
                f"`{command}` ended with exit {ran.returncode}; {wanted} was expected",
                "`git peer demo --keep DIR` leaves the folder to look at",
                steps=self.steps,
            )
        return said

    def proved(self, what: str) -> None:
        """Note what has just been shown."""
        self.shown.append(what)

    def _chapter(self, title: str) -> None:
        """Say what comes now, after an empty line."""
        if self.steps:
            self.say("")
        self.say(f"# {title}")

    def play(self) -> None:
        """The whole story."""
        self._begin()
        self._lock()
        self._plan()
        self._debate()
        self._notes()
        self._history()

    def _begin(self) -> None:
        self._chapter("one bare remote, two clones, git-peer in both")
        self.run("", "git init --quiet --bare remote.git")
        self.run("", "git clone --quiet remote.git a 2>/dev/null")
        self.run("alice", "mkdir src && echo 'def login(): ...' >src/auth.py && echo '# Demo' >README.md")
        self.run("alice", "git add . && git commit --quiet -m 'Begin' && git push --quiet origin main")
        self.run("", "git clone --quiet remote.git b")
        self.run("alice", "git peer init --remote origin", says="Published")
        self.run("bob", "git peer init", says="Follows")

    def _lock(self) -> None:
        self._chapter("alice locks a file; bob's commit that touches it is refused")
        self.run("alice", "git peer lock src/auth.py --reason 'rewriting the login'", says="remote")
        self.run("bob", "git peer sync")
        self.run("bob", "echo '# bob was here' >>src/auth.py")
        said = self.run("bob", "git commit -a -m 'Touch the login'", status=1, says="locked by alice")
        if "rewriting the login" not in said or "until" not in said:
            raise PeerError("failed", "the refusal names no reason or no expiry", "", steps=self.steps)
        self.proved("a commit that touches what another has locked is refused, with holder, reason and expiry")
        self._chapter("bob commits elsewhere")
        self.run(
            "bob", "echo 'More.' >>README.md && git commit --quiet -m 'More' README.md && git push --quiet origin main"
        )
        self.proved("work elsewhere goes on, through the same hooks")
        self._chapter("bob forces the commit past the hook: the push is refused")
        self.run("bob", "git commit --quiet --no-verify -a -m 'Touch the login anyway'")
        self.run("bob", "git push origin main", status=1, says="locked by alice")
        self.proved("a commit forced past the hook is stopped at the push")
        self._chapter("alice lands her work: code and log in one atomic push, and the lock is free")
        self.run("alice", "echo 'def login(user): ...' >src/auth.py && git commit --quiet -a -m 'Rewrite the login'")
        self.run("alice", "git peer push", status=1, says="git pull --rebase")
        self.run("alice", "git pull --quiet --rebase origin main")
        self.run("alice", "git peer push", says="Unlocked src/auth.py")
        self.proved("`git peer push` lands code and log atomically, and releases what has landed")
        self._chapter("bob goes on")
        self.run("bob", "git reset --quiet --hard HEAD~1 && git pull --quiet --rebase origin main")
        self.run("bob", "git peer lock src/auth.py --reason 'a docstring'")
        self.run(
            "bob",
            "echo '# and bob' >>src/auth.py && git commit --quiet -a -m 'A docstring' && git peer push",
            says="Unlocked",
        )
        self.proved("the next one goes on at once")

    def _plan(self) -> None:
        self._chapter("a plan: each task is one session's, with its paths locked, and another session accepts it")
        self.run("alice", "git peer task add 'Check passwords' --path src/auth.py --accept 'grep -q check src/auth.py'")
        self.run("alice", "git peer task add 'Write the manual' --path README.md --after-task t1")
        self.run("bob", "git peer task next --lock", says="t1 is yours")
        self.run("alice", "git peer task claim t1", status=1, says="t1 (“Check passwords”) is bob's")
        self.run("alice", "git peer task next", status=1, says="1 waits for other tasks")
        self.proved("a task is one session's at a time, and what waits for it is not ready")
        self.run("bob", "echo 'def check(): ...' >>src/auth.py && git commit --quiet -a -m 'Check passwords'")
        self.run("bob", "git peer task review t1 && git peer push")
        self.run("bob", "git peer task merge-point t1", status=1, says="another session accepts it")
        self.run("alice", "git pull --quiet --rebase origin main")
        self.run("alice", "git peer task result t1 --run", says="passed")
        self.run("alice", "git peer task merge-point t1 && git peer task done t1")
        self.run("alice", "git peer task next --lock", says="t2 is yours")
        self.run("alice", "git peer plan show")
        self.proved("work is accepted by another session than its own, on that very commit; then the next is ready")

    def _debate(self) -> None:
        self._chapter("news for whom it concerns, a debate about it, and the contract's next version")
        self.run("alice", "git peer contract add login --type function_signature --definition 'login(user)'")
        self.run("bob", "git peer task add 'Call the login' --uses login && git peer task claim t3")
        self.run(
            "alice",
            "git peer push-delta --type contract_change --contract login --summary 'A token is needed'",
        )
        self.run("bob", "git peer sync")
        said = self.run("bob", "git peer deltas", says="A token is needed")
        delta = _ident(said)
        said = self.run(
            "bob",
            f"git peer debate start --topic Token --position 'Old callers have none' --delta {delta} --with alice",
        )
        debate = _ident(said.partition(delta)[2] or said)
        self.run(
            "alice",
            f"git peer debate respond {debate} --message 'Then it is optional' --propose 'login(user, token=None)'",
        )
        self.run("bob", f"git peer debate respond {debate} --message Good --accept", status=1, says="that you read")
        self.run("bob", f"git peer sync && git peer debate show {debate}", says="token=None")
        self.run("bob", f"git peer debate respond {debate} --message Good --accept", says="resolved")
        self.run("alice", "git peer sync && git peer contract show login", says="login@2")
        self.run("alice", f"git peer debate show {debate}")
        self.proved("news reach whom they concern; a debate ends in the contract's next version")

    def _notes(self) -> None:
        self._chapter("notes on the commits tell whose each line is, and for which task")
        self.run("bob", "git peer sync")
        self.run("alice", "git peer sync")
        self.run("alice", "git peer blame src/auth.py", says="t1")
        self.proved("each line knows its session and its task, in every clone, through git's own notes")

    def _history(self) -> None:
        self._chapter("the history is the same for both, and checks out")
        self.run("bob", "git peer sync")
        self.run("alice", "git peer log -n 6")
        self.run("alice", "git peer fsck", says="no problem")
        self.run(
            "alice",
            'test "$(git rev-parse refs/peer/coordination)" = "$(git -C ../b rev-parse refs/peer/coordination)"',
        )
        self.proved("both clones hold the same verified history")


def _ident(said: str) -> str:
    """The first id in what a command said."""
    found = re.search(r"\b[0-9a-f]{8}\b", said)
    return found[0] if found else "?"


def run(keep: str | None, say: Callable[[str], None]) -> Demo:
    """Play the demo in `keep` (a folder that does not exist yet), or in a scratch folder that is removed."""
    if keep is not None and os.path.exists(keep):
        raise PeerError("exists", f"{keep} is there already", "name a folder that does not exist yet")
    top = Path(keep).absolute() if keep is not None else Path(tempfile.mkdtemp(prefix="git-peer-demo-"))
    try:
        demo = Demo(top.resolve(), say)
        demo.play()
        return demo
    finally:
        if keep is None:
            shutil.rmtree(top, ignore_errors=True)
