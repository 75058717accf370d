"""A real Claude Code as a runner's worker: what it does in a work tree of its own is handed in by the runner."""

from __future__ import annotations

import pytest

from tests.real.anthropic_api import AnthropicApi
from tests.real.clients import Clients, program
from tests.real.kinds import CLAUDE
from tests.real.scripted import Say, Use
from tests.world import Clone

pytestmark = pytest.mark.slow

_CODE = "printf 'def words(text):\\n    return text.split()\\n' >words.py"
_TEST = 'printf \'from words import words\\n\\n\\ndef test_it():\\n    assert words("a") == ["a"]\\n\' >test_words.py'


def test_a_task_of_the_plan(pair: tuple[Clone, Clone], clients: Clients) -> None:
    one, two = pair
    one.peer("agent", "install", "claude-code")
    one.commit("agents")
    one.git("push", "-q", "origin", "HEAD")
    accept = "python3 -m pytest -q -p no:cacheprovider test_words.py"
    one.peer("task", "add", "Write words", "--path", "words.py", "--accept", accept)
    two.peer("lock", "words.md")
    command = f'{program("claude")} -p "$(cat {{prompt_file}})" --permission-mode acceptEdits --allowedTools Bash'
    told: list[str] = []

    def begin(said: str) -> list[Use]:
        told.append(said)
        return [CLAUDE.shell(_CODE)]

    with AnthropicApi(begin, [CLAUDE.shell(_TEST)], [Say("Done.")]) as api:
        env = clients.claude_env(api, "runner")
        ran = one.peer("run", "--exec", command, "--sandbox", "none", "--json", "--as", "r1", env=env)
        assert api.strays == []
    outcome = ran.objects()[0]
    assert (outcome["outcome"], outcome["attempts"]) == ("done", 1)
    assert "Write words (t1)" in told[0]
    assert accept in told[0]
    names = one.git("diff", "--name-only", "origin/main", outcome["commit"]).out.split()
    assert names == ["test_words.py", "words.py"]
    peers = {session["name"] for session in one.peer("peers", "--json").json()["sessions"]}
    assert "r1" in peers
    assert not any(name.startswith("claude") for name in peers), "its hooks know it for the runner"


def test_no_key_ends_the_runner(pair: tuple[Clone, Clone], clients: Clients) -> None:
    one = pair[0]
    one.peer("task", "add", "Write words", "--path", "words.py")
    command = f'{program("claude")} -p "$(cat {{prompt_file}})"'
    with AnthropicApi() as api:
        env = {**clients.claude_env(api, "runner"), "ANTHROPIC_API_KEY": None}
        ran = one.peer("run", "--loop", "--exec", command, "--sandbox", "none", "--json", env=env, status=1)
    assert ran.json()["error"]["code"] == "not_allowed", ran
    assert one.peer("task", "show", "t1", "--json").json()["task"]["status"] == "todo"
