"""`git peer run`, one thing at a time: what is handed in, what goes back, and what never happens."""

from __future__ import annotations

import json
import shlex
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from git_peer.runner import command
from tests.models.served import serving
from tests.runner.chat import Chat, chat
from tests.world import Clone, World

CODE = "FILE: words.py\n```python\ndef words(text):\n    return text.split()\n```\n"
TEST = """FILE: test_words.py
```python
from words import words


def test_words():
    assert words('a b') == ['a', 'b']
```
"""
ACCEPT = "python3 -m pytest -q -p no:cacheprovider test_words.py"
BOX = "--sandbox=none"


@pytest.fixture
def task(pair: tuple[Clone, Clone]) -> Clone:
    """A clone whose plan has one task."""
    one = pair[0]
    one.peer("task", "add", "Write words", "--path", "words.py", "--accept", ACCEPT)
    return one


def _task(clone: Clone, ident: str = "t1") -> dict[str, Any]:
    found: dict[str, Any] = clone.peer("task", "show", ident, "--json").json()["task"]
    return found


def _held(clone: Clone) -> list[Any]:
    found: list[Any] = clone.peer("locks", "--json").json()["locks"]
    return found


def _wait_for(clone: Clone, status: str) -> None:
    end = time.monotonic() + 60
    while _task(clone)["status"] != status:
        assert time.monotonic() < end, _task(clone)
        time.sleep(0.1)


def _left_over(clone: Clone) -> None:
    """Nothing of a runner is left in a clone: no work tree, no claim, no lock, and what was there is as it was."""
    assert clone.git("worktree", "list", "--porcelain").out.count("worktree ") == 1
    assert clone.git("status", "--porcelain").out == ""
    assert _held(clone) == []


@pytest.mark.real
def test_handed_in(task: Clone) -> None:
    with chat({"decide": "yes", "write": CODE + TEST}) as model:
        done = task.peer("run", "--model", model.spec, BOX, "--json", "--as", "r1")
    outcome = done.objects()[0]
    assert (outcome["task"], outcome["outcome"], outcome["attempts"]) == ("t1", "done", 1)
    assert outcome["tests"] == {"passed": 1, "failed": 0}
    assert outcome["tokens"] > 0
    assert _task(task) | {"status": "review", "commit": outcome["commit"]} == _task(task)
    commit = task.git("log", "-1", "--format=%H %P%n%s%n%(trailers)", "origin/peer/task/t1").out
    assert commit.startswith(f"{outcome['commit']} {task.head()}\nWrite words (t1)\n")
    assert "Peer-Task: t1\nPeer-Session: r1\nPeer-Model: some-model\n" in commit
    assert task.git("diff", "--name-only", "HEAD", outcome["commit"]).out == "test_words.py\nwords.py\n"
    assert "1 passed" in task.git("notes", "--ref=peer", "show", outcome["commit"]).out
    assert task.git("rev-parse", "HEAD").line == task.head("main"), "the user's own branch is where it was"
    _left_over_but_review(task)


def _left_over_but_review(task: Clone) -> None:
    assert [one["path"] for one in _held(task)] == ["words.py"], "locked until it is accepted"
    assert task.git("status", "--porcelain").out == ""


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../outside.py", "`.` or `..`"),
        ("/etc/outside.py", "absolute"),
        (".git/hooks/pre-commit", "git's own"),
        (".GIT/config", "git's own"),
        ("other.py", "not of this task"),
        (".github/workflows/run.yml", "setting"),
    ],
)
def test_hostile_paths(task: Clone, path: str, why: str) -> None:
    with chat({"decide": "yes", "Step": f"FILE: {path}\n```python\nraise SystemExit\n```\n"}) as model:
        ran = task.peer("run", "--model", model.spec, BOX, "--json", "--attempts", "2", status=1)
        asked = [said[-1]["content"] for said, _ in model.asked]
    assert ran.objects()[0]["outcome"] == "blocked"
    assert why in asked[-1], "the model was told why"
    found = _task(task)
    assert found["status"] == "blocked"
    assert why in found["note"]
    assert "peer/task/t1" not in task.git("branch", "-a").out
    _left_over(task)
    assert not (task.path.parent / "outside.py").exists()


@pytest.mark.parametrize("path", [".github/workflows/run.yml", "other.py", "elsewhere/test_other.py"])
def test_an_agent_is_held_to_the_task(task: Clone, path: str) -> None:
    """As a model is."""
    program = f"mkdir -p $(dirname {path}) && echo 1 >{path}"
    ran = task.peer("run", "--exec", program, BOX, "--json", "--attempts", "1", status=1)
    assert ran.objects()[0]["outcome"] == "blocked"
    assert path in _task(task)["note"]


def test_an_agent_that_is_put_off_is_asked_again(task: Clone, tmp_path: Path) -> None:
    """That is no attempt."""
    mark = tmp_path / "asked"
    program = (
        f"test -e {mark} || {{ touch {mark}; echo 'API Error: 529 overloaded' >&2; exit 1; }}; echo 'x = 1' >words.py"
    )
    ran = task.peer("run", "--exec", program, BOX, "--json", "--attempts", "1", status=None)
    assert ran.err.count("is put off") == 1
    assert "nothing was changed" not in ran.err


@pytest.mark.parametrize(
    ("said", "busy", "denied"),
    [
        ("API Error: 529 overloaded_error", True, False),
        ("429 Too Many Requests", True, False),
        ("503 Service Unavailable", True, False),
        ("connection reset by peer", True, False),
        ("Invalid API key", False, True),
        ("429: you exceeded your current quota", True, True),
        ("SyntaxError: line 5031", False, False),
    ],
)
def test_what_an_agent_says_at_its_end(said: str, busy: bool, denied: bool) -> None:
    assert bool(command._BUSY.search(said)) is busy
    assert bool(command._NO_KEY.search(said)) is denied


@pytest.mark.parametrize("path", [".github/workflows/run.yml", ".claude/settings.json"])
def test_a_task_without_paths_writes_no_settings(local: Clone, path: str) -> None:
    local.peer("task", "add", "Anything", "--accept", "true")
    program = f"mkdir -p $(dirname {path}) && echo 1 >{path}"
    ran = local.peer("run", "--exec", program, BOX, "--json", "--attempts", "1", status=1)
    assert ran.objects()[0]["outcome"] == "blocked"
    assert "setting" in _task(local)["note"]


def test_no_answer_of_any_use(task: Clone) -> None:
    with chat({"decide": "yes", "Step": "\x00\x01" * 500 + "I cannot help with that."}) as model:
        ran = task.peer("run", "--model", model.spec, BOX, "--json", "--attempts", "1", status=1)
    assert ran.objects()[0]["outcome"] == "blocked"
    _left_over(task)


def test_the_best_of_three_lands(task: Clone) -> None:
    """Two agree with each other's tests, the third's code passes its own only; of the two the smaller lands."""
    wrong = CODE.replace("text.split()", "list(text)")
    own = TEST.replace("'a b') == ['a', 'b']", "'ab') == ['a', 'b']")
    long = CODE.replace("    return", "    # " + "x" * 80 + "\n    return")
    replies = iter([wrong + own, long + TEST, CODE + TEST])

    class Voting(Chat):
        def answer(self, last: str) -> str:
            return "yes" if "Step: decide" in last else next(replies)

    with serving(Voting({})) as model:
        ran = task.peer("run", "--model", model.spec, BOX, "--votes", "3", "--json")
    commit = ran.objects()[0]["commit"]
    assert task.git("show", f"{commit}:words.py").out == "def words(text):\n    return text.split()\n"
    assert ran.err.count("candidate ") == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(task: Clone, number: signal.Signals) -> None:
    with chat({"decide": "yes"}) as model:
        gate = model.held_at("write")
        running = task.start_peer("run", "--model", model.spec, BOX, "--as", "r1")
        gate.wait(60)
        running.process.send_signal(number)
        assert running.finish().status == 130
    found = _task(task)
    assert (found["status"], found["assignee"], found["left_by"]) == ("todo", None, "r1")
    _left_over(task)


def test_interrupted_while_it_hands_back(task: Clone, world: World) -> None:
    """The time is up, and ^C comes while that is being said."""
    hook = world.remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nif [ -e slow ]; then rm slow; : >began; sleep 2; exit 1; fi\n")
    hook.chmod(0o755)
    with chat({"decide": "yes"}) as model:
        gate = model.held_at("write")
        running = task.start_peer("run", "--model", model.spec, BOX, "--as", "r1", "--max-time", "5s")
        gate.wait(60)
        (world.remote / "slow").touch()
        end = time.monotonic() + 60
        while not (world.remote / "began").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        running.process.send_signal(signal.SIGINT)
        assert running.finish().status == 130
    found = _task(task)
    assert (found["status"], found["left_by"]) == ("todo", "r1")
    _left_over(task)


@pytest.mark.parametrize("limit", [["--max-time", "2s"], ["--max-tokens", "1"]])
def test_limits_hand_back(task: Clone, limit: list[str]) -> None:
    with chat({"decide": "no", "divide": "nothing"}) as model:
        if "--max-time" in limit:
            model.held_at("write")
        ran = task.peer("run", "--loop", "--model", model.spec, BOX, "--json", *limit, status=None)
    assert ran.status in (0, 1), ran
    assert _task(task)["status"] in ("todo", "blocked")
    _left_over(task)


def test_an_agents_command_line(task: Clone, tmp_path: Path) -> None:
    """It gets the task in a file, a work tree of its own, and its session; the first try is sent back with why."""
    agent = tmp_path / "an agent.sh"
    agent.write_text(
        'cp "$1" "$(dirname "$0")/prompt-$(ls "$(dirname "$0")" | grep -c prompt)"\n'
        'echo "$GIT_PEER_SESSION" >"$(dirname "$0")/who"; pwd >"$(dirname "$0")/where"\n'
        "grep -q 'def words' words.py 2>/dev/null && right='text.split()' || right=None\n"
        "printf 'def words(text):\\n    return %s\\n' \"$right\" >words.py\n"
        "printf 'from words import words\\n\\n\\ndef test_words():\\n' >test_words.py\n"
        'printf \'    assert words("a") == ["a"]\\n\' >>test_words.py\n'
        "git add -A && git commit -qm 'in between'\n"
        'echo \'{"usage": {"input_tokens": 30, "output_tokens": 12}}\'\n'
    )
    command = f"sh {shlex.quote(str(agent))} {{prompt_file}}"
    ran = task.peer("run", "--exec", command, BOX, "--json", "--as", "r1")
    outcome = ran.objects()[0]
    assert (outcome["outcome"], outcome["attempts"], outcome["tokens"]) == ("done", 2, 84)
    assert (tmp_path / "who").read_text() == "r1\n"
    assert not Path((tmp_path / "where").read_text().strip()).exists()
    first, second = ((tmp_path / f"prompt-{number}").read_text() for number in (0, 1))
    assert "Write words (t1)" in first
    assert ACCEPT in first
    assert "not accepted" not in first
    assert "assert None == " in second
    assert task.git("rev-list", "--count", f"main..{outcome['commit']}").line == "1"
    _left_over_but_review(task)
    assert task.git("worktree", "list", "--porcelain").out.count("worktree ") == 1


def test_an_agent_without_a_key_ends_the_runner(task: Clone) -> None:
    task.peer("task", "add", "Another")
    ran = task.peer(
        "run", "--loop", "--exec", "echo 'Invalid API key · Please run /login'; exit 1; {prompt_file}", BOX, "--json",
        status=1,
    )  # fmt: skip
    assert ran.json()["error"]["code"] == "not_allowed"
    assert "Invalid API key" in ran.json()["error"]["message"]
    assert [one["status"] for one in task.peer("task", "list", "--json").json()["tasks"]] == ["todo", "todo"]
    _left_over(task)


def test_what_an_agent_may_not_touch(task: Clone) -> None:
    command = (
        "echo x >>README.md; printf 'x = 1\\n' >words.py; printf 'def test_x(): pass\\n' >test_words.py; {prompt_file}"
    )
    ran = task.peer("run", "--exec", command, BOX, "--json", "--attempts", "1", status=1)
    assert "README.md" in ran.objects()[0]["why"]
    assert _task(task)["status"] == "blocked"
    _left_over(task)


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ([], 129, "usage"),
        (["--exec", "x", "--model", "y"], 129, "usage"),
        (["--exec", "x", "--votes", "2"], 129, "usage"),
        (["--exec", "'"], 129, "usage"),
        (["--model", "/no/such.gguf"], 1, "not_found"),
        (["--model", "http://127.0.0.1:9/v1#x"], 3, "unavailable"),
        (["--exec", "true", "t9"], 1, "not_found"),
    ],
)
def test_bad_input(task: Clone, options: list[str], status: int, code: str) -> None:
    ran = task.peer("run", BOX, *options, "--json", status=status)
    error = ran.json()["error"]
    assert error["code"] == code, error
    assert error["hint"]
    assert "Traceback" not in ran.err
    _left_over(task)


def test_no_engine(task: Clone, tmp_path: Path) -> None:
    env = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    ran = task.peer("run", "--exec", "true", "--json", env=env, status=3)
    assert ran.json()["error"]["code"] == "unavailable"
    assert _task(task)["status"] == "todo"


def test_every_step_is_kept(task: Clone) -> None:
    with chat({"decide": "yes", "write": CODE + TEST}) as model:
        task.peer("run", "--model", model.spec, BOX, "--as", "r1")
    folder = task.common / "peer" / "runs" / "t1-r1"
    steps = [json.loads(one.read_text()) for one in sorted(folder.iterdir())]
    assert [one["step"] for one in steps] == ["decide", "write"]
    assert steps[1]["said"] == CODE + TEST
    assert steps[1]["asked"][-1][1].endswith("Step: write. Task: t1. Attempt: 1.")


def test_what_it_builds_on_does_not_merge(task: Clone) -> None:
    """Two done tasks that it waited for conflict: it is blocked, and the runner does not take it again and again."""
    done = []
    for number, text in enumerate(("one", "two")):
        task.git("checkout", "-q", "-b", f"w{number}", "main")
        task.write("shared.txt", f"{text}\n")
        commit = task.commit(text)
        task.git("push", "-q", "origin", f"w{number}")
        ident = task.peer("task", "add", text, "--json").json()["task"]["id"]
        task.peer("task", "claim", ident, as_="w")
        task.peer("task", "review", ident, "--commit", commit, as_="w")
        task.peer("task", "merge-point", ident, as_="x")
        task.peer("task", "done", ident, as_="x")
        done.append(ident)
    task.peer("task", "edit", "t1", "--after-task", done[0], "--after-task", done[1])
    ran = task.peer("run", "--loop", "--exec", "true", BOX, "--json", status=1)
    assert [one["outcome"] for one in ran.objects()] == ["blocked"]
    assert "shared.txt" in _task(task)["note"]


def test_who_stands_in_the_way_twice(task: Clone) -> None:
    """Somebody has locked the file of tests: it is tried again once, and then blocked with who it is."""
    task.git("config", "peer.gateBranches", "peer/task/*")  # elsewhere a push only warns
    task.peer("lock", "test_words.py", as_="other")
    with chat({"decide": "yes", "write": CODE + TEST}) as model:
        ran = task.peer("run", "--loop", "--model", model.spec, BOX, "--json", status=1)
    assert [one["outcome"] for one in ran.objects()] == ["lost", "blocked"]
    assert "other" in _task(task)["note"]
    assert [one["session"] for one in _held(task)] == ["other"]
    assert "peer/task/t1" not in task.git("branch", "-r").out


def test_a_model_that_fails_blocks_one_task_only(task: Clone) -> None:
    task.git("config", "peer.runnerTimeout", "1s")
    task.peer("task", "add", "Another", "--priority", "1")
    with chat({"decide": "yes"}) as model:
        model.held_at(r"write\. Task: t1")
        ran = task.peer("run", "--loop", "--model", model.spec, BOX, "--attempts", "1", "--json", status=1)
    assert [(one["task"], one["outcome"]) for one in ran.objects()] == [("t1", "blocked"), ("t2", "blocked")]
    assert "had not answered after 1 s" in _task(task)["note"]
