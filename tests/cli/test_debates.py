"""debate start|respond|escalate|resolve|show|list, through the real program over a real remote."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from tests.cli.asking import CLAUDE, ask, codes, refused
from tests.world import Clone

DEBATE_KEYS = {"id", "topic", "status", "round", "sides", "turns"}


def start(clone: Clone, *args: str, as_: str = "bob") -> str:
    """Open a debate; its id."""
    done = ask(clone, "debate", "start", "--topic", "Which id?", "--position", "keep the number", *args, as_=as_)
    return str(done["debate"]["id"])


def test_the_whole_story(pair: tuple[Clone, Clone]) -> None:
    """A contract changes: told, debated over two clones, agreed, and the contract, the delta and the plan say so."""
    one, two = pair
    ask(one, "contract", "add", "users-api", "--type", "api_endpoint", "--definition", "GET /users?id", as_="ana")
    ask(one, "task", "add", "Call users", "--uses", "users-api", as_="ana")
    ask(two, "task", "claim", "t1", as_="bob")
    ask(one, "sync")
    news = ("--type", "contract_change", "--summary", "ids become emails", "--contract", "users-api")
    delta = ask(one, "push-delta", *news, as_="ana")["delta"]["id"]

    ask(two, "sync")
    (view,) = ask(two, "deltas", as_="bob")["deltas"]
    assert view["why"] == ["your task t1 uses the contract users-api"]
    debate = start(two, "--delta", delta[:8], "--constraint", "no break before Friday")
    asked = ask(two, "debate", "show", debate[:6], as_="bob")["debate"]
    assert asked.keys() >= DEBATE_KEYS
    assert [side["session"] for side in asked["sides"]] == ["bob", "ana"]  # whose news it is
    assert (asked["delta"], asked["contract"], asked["waiting_for"]) == (delta, "users-api", ["ana"])
    assert ask(two, "deltas", as_="bob")["requires_action"] is False  # a debate is an answer

    told = [notice for notice in ask(one, "sync", as_="ana")["notices"] if notice["code"] == "debate"]
    assert [notice["debate"] for notice in told] == [debate]
    propose = ("--message", "old callers get a redirect", "--propose", "GET /users?email")
    ask(one, "debate", "respond", debate, *propose, as_="ana")
    refused(two, "changed", "debate", "respond", debate, "--accept", as_="bob")  # bob had not read it
    assert "GET /users?email" in two.peer("debate", "show", debate[:8], as_="bob").out
    args = ("--accept", "--message", "fine", "--task", "Move the callers")
    end = ask(two, "debate", "respond", debate[:8], *args, as_="bob")["debate"]
    assert (end["status"], end["resolution"]["how"]) == ("resolved", "agreed")
    assert (end["resolution"]["decision"], end["resolution"]["contract_version"]) == ("GET /users?email", 2)

    assert "debate" in codes(ask(one, "sync", as_="ana"))  # ana is told, once
    assert "debate" not in codes(ask(one, "sync", as_="ana"))
    contract = ask(one, "contract", "show", "users-api")["contract"]
    assert (contract["version"], contract["definition"], contract["debate"]) == (2, "GET /users?email", debate)
    assert ask(one, "deltas", as_="ana")["deltas"] == []
    assert ask(one, "delta", "show", delta)["delta"]["settled"] == "settle"
    (task,) = [ask(one, "task", "show", ident)["task"] for ident in end["resolution"]["tasks"]]
    assert (task["title"], task["uses"]) == ("Move the callers", ["users-api"])
    assert ask(one, "debate", "list")["debates"] == []
    assert [view["id"] for view in ask(one, "debate", "list", "--all")["debates"]] == [debate]
    assert ask(two, "status")["debates"] == []
    refused(one, "not_allowed", "debate", "respond", debate, "--message", "one more word", as_="ana")
    for clone in pair:
        assert ask(clone, "fsck")["problems"] == []


def test_in_dispute(pair: tuple[Clone, Clone]) -> None:
    """Escalated: commit warns, push and check refuse and name the debate; a person ends it."""
    one, two = pair
    ask(one, "contract", "add", "users-api", "--type", "free", "--definition", "v1", as_="ana")
    ask(one, "task", "add", "Serve users", "--provides", "users-api", "--path", "src/api.py", as_="ana")
    debate = start(two, "--contract", "users-api", "--with", "ana", "--path", "docs/")
    refused(two, "not_allowed", "debate", "resolve", debate, "--decision", "d", "--as-human", as_="bob")  # it goes on
    refused(two, "not_allowed", "debate", "escalate", debate, as_="cleo", env=CLAUDE)  # an agent that has no side
    view = ask(one, "debate", "escalate", debate, "--reason", "no agreement", as_="ana")["debate"]
    assert (view["status"], view["escalation"]["how"]) == ("escalated", "asked")
    assert sorted(view["escalation"]["paths"]) == ["docs/", "src/api.py"]
    assert "debate" in codes(ask(two, "sync", as_="bob"))

    two.write("src/api.py", "changed\n")
    two.git("add", "-A")
    done = two.git("commit", "-m", "x", env={"GIT_PEER_SESSION": "bob"})
    assert f"warning: src/api.py is disputed in debate {debate[:8]}" in done.err
    before = two.world.refs()["refs/heads/main"]
    pushed = two.git("push", "origin", "main", env={"GIT_PEER_SESSION": "bob"}, check=False)
    assert pushed.status != 0
    assert debate[:8] in pushed.err
    for args in (("push",), ("check", "src/api.py"), ("check", "docs/guide.md")):
        told = refused(two, "disputed", *args, as_="bob")
        assert told["violations"][0]["debate"] == debate
        assert debate[:8] in told["error"]["message"]
    assert two.world.refs()["refs/heads/main"] == before
    assert ask(two, "check", "README.md", as_="bob")["allowed"] is True
    changed = ("contract", "change", "users-api", "--definition", "v9")
    assert debate[:8] in refused(two, "disputed", *changed, as_="bob")["error"]["message"]

    decide = ("debate", "resolve", debate, "--decision", "v2", "--task", "Tell the callers")
    refused(two, "not_allowed", *decide, as_="bob")  # no terminal, and nobody says to be a person
    refused(two, "not_allowed", *decide, "--as-human", as_="bob", env=CLAUDE)
    end = ask(two, *decide, "--as-human", as_="bob")["debate"]["resolution"]
    assert (end["how"], end["as_human"], end["contract_version"], end["by"]) == ("decided", True, 2, "bob")
    refused(two, "not_allowed", *decide, "--as-human", as_="bob")  # it ends once
    assert ask(two, "push", as_="bob")["pushed"]
    assert ask(two, "contract", "show", "users-api")["contract"]["definition"] == "v2"
    assert ask(two, "fsck")["problems"] == []


def test_the_proposal_that_was_read(local: Clone) -> None:
    """--proposal names it; --accept alone is on what this copy shows."""
    ask(local, "session", "start", "ana")
    debate = start(local, "--with", "ana")
    ask(local, "debate", "respond", debate, "--propose", "first", as_="ana")
    first = ask(local, "debate", "show", debate)["debate"]["proposal"]["id"]
    refused(local, "not_allowed", "debate", "respond", debate, "--accept", as_="ana")  # round 2, and her own
    ask(local, "debate", "respond", debate, "--propose", "second", as_="ana")
    refused(local, "changed", "debate", "respond", debate, "--accept", "--proposal", first[:6], as_="bob")
    refused(local, "not_found", "debate", "respond", debate, "--accept", "--proposal", debate[:6], as_="bob")
    second = ask(local, "debate", "show", debate)["debate"]["proposal"]["id"]
    end = ask(local, "debate", "respond", debate, "--accept", "--proposal", second[:10], as_="bob")["debate"]
    assert end["resolution"]["decision"] == "second"


def test_five_rounds(local: Clone) -> None:
    ask(local, "session", "start", "ana")
    debate = start(local, "--with", "ana")
    refused(local, "not_allowed", "debate", "respond", debate, "--message", "me again", as_="bob")
    ask(local, "debate", "respond", debate, "--message", "no", as_="ana")
    for number in range(2, 6):
        for who in ("ana", "bob"):
            view = ask(local, "debate", "respond", debate, "--message", f"round {number}", as_=who)["debate"]
    assert (view["status"], view["escalation"]["how"], view["round"]) == ("escalated", "rounds", 5)


def test_nobody_speaks(pair: tuple[Clone, Clone]) -> None:
    """At `idle_at` it is escalated for the gate, the push, agents and every reader; the next writer records it."""
    one, two = pair
    for name in ("cleo", "ana"):
        ask(two, "session", "start", as_=name)
    goes_on = start(one, "--path", "docs/")
    one.git("config", "peer.debateTimeout", "1s")
    debate = start(one, "--with", "ana", "--path", "src/")
    two.peer("hook", "refresh")
    view = ask(two, "debate", "show", debate)["debate"]
    end = datetime.fromisoformat(view["idle_at"]).timestamp()
    while time.time() < end + 1:  # a second has to pass for it to be later than that second
        time.sleep(0.05)
    height = ask(two, "status")["log"]["height"]
    view = ask(two, "debate", "show", debate)["debate"]
    assert (view["status"], view["escalation"]["how"]) == ("escalated", "idle")
    found = {one["id"]: one["status"] for one in ask(two, "status")["debates"]}
    assert found == {goes_on: "active", debate: "escalated"}
    refused(two, "disputed", "check", "src/api.py", as_="cleo")
    ask(two, "check", "docs/guide.md", as_="cleo")
    two.write("docs/guide.md", "changed\n")
    assert not two.git("commit", "-qam", "in time").err
    two.write("src/api.py", "changed\n")
    assert "is disputed in debate" in two.git("commit", "-qam", "late").err
    assert "is in dispute" in two.git("push", "origin", "main", check=False).err
    refused(two, "disputed", "push", as_="cleo")
    assert ask(two, "status")["log"]["height"] == height
    said = [one["message"] for one in ask(two, "status", as_="ana")["notices"] if one["code"] == "debate"]
    assert [f"debate {debate[:8]} waits for a person's word" in one for one in said] == [True]
    refused(two, "not_allowed", "debate", "respond", debate, "--message", "late", as_="ana")
    assert "debate" not in codes(ask(two, "status", as_="ana")), "told once"
    ask(two, "lock", "x", as_="cleo")
    assert "debate" not in codes(ask(two, "status", as_="ana"))
    kinds = [event["kind"] for event in two.peer("log", "--kind", "debate", "--json").objects()]
    assert kinds == ["debate.escalate", "debate.open", "debate.open"]
    assert int((two.common / "peer/idle-at").read_text()) > time.time() + 3600


def test_nobody_speaks_about_a_contract(local: Clone) -> None:
    """What the tasks that provide its contract touch cannot land either, at once."""
    local.git("config", "peer.debateTimeout", "1s")
    ask(local, "contract", "add", "login", "--type", "free", "--definition", "one")
    ask(local, "task", "add", "Do it", "--path", "docs/", "--provides", "login")
    debate = start(local, "--contract", "login")
    while ask(local, "debate", "show", debate)["debate"]["status"] == "active":
        time.sleep(0.1)
    assert "debate.escalate" not in local.peer("log", "-n", "1").out
    refused(local, "disputed", "check", "docs/guide.md", as_="cleo")
    local.write("docs/guide.md", "changed\n")
    assert "is disputed in debate" in local.git("commit", "-qam", "late").err


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("start", "--topic", "t", "--position", ""), "invalid"),
        (("start", "--topic", "t" * 201, "--position", "p"), "invalid"),
        (("start", "--topic", "t", "--position", "p" * 8193), "invalid"),
        (("start", "--topic", "t", "--position", "p", "--contract", "absent"), "not_found"),
        (("start", "--topic", "t", "--position", "p", "--delta", "ffff"), "not_found"),
        (("start", "--topic", "t", "--position", "p", "--with", "No Name"), "usage"),
        (("start", "--topic", "t", "--position", "p", *("--constraint", "c") * 21), "invalid"),
        (("start", "--topic", "t", "--position", "p", *(a for n in range(16) for a in ("--with", f"s{n}"))), "invalid"),
        (("respond", "ffff", "--message", "m"), "not_found"),
        (("respond", "ffff", "--accept"), "not_found"),
        (("respond", "ffff"), "usage"),
        (("respond", "ffff", "--accept", "--reject"), "usage"),
        (("respond", "ffff", "--message", "m", "--proposal", "x"), "usage"),
        (("escalate", "ffff"), "not_found"),
        (("resolve", "ffff", "--decision", "d", "--as-human"), "not_found"),
        (("show", "ffff"), "not_found"),
        (("show", ""), "not_found"),
    ],
    ids=range(17),
)
def test_what_is_refused_writes_nothing(local: Clone, args: tuple[str, ...], code: str) -> None:
    refused(local, code, "debate", *args, as_="ana")
    assert ask(local, "peers")["sessions"] == []


def test_it_reads_like_a_conversation(local: Clone) -> None:
    ask(local, "session", "start", "ana")
    debate = start(local, "--with", "ana", "--alternative", "both", "--evidence", "https://example.com/1")
    args = ("--message", "emails\nare better", "--propose", "emails")
    ask(local, "debate", "respond", debate, *args, as_="ana")
    shown = local.peer("debate", "show", debate).out
    wanted = [
        "Which id?",
        "round 1",
        "bob opens",
        "| keep the number",
        "both",
        "ana proposes",
        "| are better",
        "> emails",
    ]
    at = [shown.index(text) for text in wanted]
    assert at == sorted(at)
    page = local.peer("debate", "show", debate, "--format", "md").out
    assert page.startswith(f"## Debate {debate[:8]}: `Which id?`\n")
    assert "```text\nemails\nare better\n```" in page
    assert "`https://example.com/1`" in page
    assert "Which id?" in local.peer("debate", "list").out
