"""push-delta, deltas, ack: through the real program, over real remotes."""

from __future__ import annotations

import json

import pytest

from tests.cli.asking import ask, codes, refused
from tests.world import Clone, World

DELTA_KEYS = {
    "id", "type", "severity", "summary", "body", "paths", "contracts", "tasks", "commit", "session", "at", "acks",
    "requires_action", "why",
}  # fmt: skip
PUSH = ("push-delta", "--type", "discovery", "--summary")


def told(clone: Clone, *args: str, as_: str = "ana") -> str:
    """Push a delta; its id."""
    return str(ask(clone, *PUSH, "news", *args, as_=as_)["delta"]["id"])


def open_ids(clone: Clone, as_: str, *args: str) -> list[str]:
    return [view["id"] for view in ask(clone, "deltas", *args, as_=as_)["deltas"]]


def in_tree(clone: Clone) -> list[str]:
    """The files of the log's tree that are about deltas."""
    names = clone.git("ls-tree", "-r", "--name-only", "refs/peer/coordination").out.splitlines()
    return [name for name in names if name.split("/")[0] in ("deltas", "about")]


def test_keys_and_reasons(pair: tuple[Clone, Clone]) -> None:
    """D with all its keys; who holds nothing of it has no reason, who does is told which, by any command."""
    one, two = pair
    ask(two, "lock", "src/api.py", as_="bob")
    ask(two, "lock", "docs/", as_="cleo")
    args = ("--type", "contract_change", "--summary", "login takes an email", "--body", "since\nnow", "--path", "src/")
    delta = ask(one, "push-delta", *args, "--commit", "HEAD", as_="ana")["delta"]
    assert delta.keys() >= DELTA_KEYS
    assert (delta["type"], delta["severity"], delta["session"]) == ("contract_change", "info", "ana")
    assert (delta["paths"], delta["body"], delta["commit"]) == (["src/"], "since\nnow", one.head())
    assert (delta["requires_action"], delta["why"]) == (False, [])

    assert "delta" in codes(ask(two, "sync", as_="bob"))
    listed = ask(two, "deltas", as_="bob")
    (view,) = listed["deltas"]
    assert view == {**delta, "requires_action": True, "why": ["you have locked src/api.py"]}
    assert listed["requires_action"] is True
    (notice,) = [one for one in listed["notices"] if one["code"] == "delta"]
    assert notice["delta"] == delta["id"]
    assert "login takes an email" in notice["message"]
    assert ask(two, "status", as_="bob")["deltas"] == {"pending": 1, "requires_action": True}

    for quiet in (ask(two, "deltas", as_="cleo"), ask(two, "delta", "list", as_="cleo")):
        assert [(v["requires_action"], v["why"]) for v in quiet["deltas"]] == [(False, [])]
        assert "delta" not in codes(quiet)
    assert ask(two, "status", as_="cleo")["deltas"] == {"pending": 1, "requires_action": False}

    shown = ask(two, "delta", "show", delta["id"][:6], as_="bob")["delta"]
    assert shown == view


def test_it_settles_and_stays_in_the_history(pair: tuple[Clone, Clone]) -> None:
    """The last answer takes it out of the tree; `--all` and `show` still tell it."""
    one, two = pair
    ask(two, "lock", "src/api.py", as_="bob")
    ident = told(one, "--path", "src/")
    ask(two, "sync")
    assert ask(two, "ack", ident[:7], "--note", "will do", as_="bob")["acked"] == [ident]
    assert in_tree(two) == []
    assert open_ids(two, "bob") == []
    assert "delta" not in codes(ask(two, "status", as_="bob"))
    ask(one, "sync")
    assert open_ids(one, "ana") == []
    for view in (ask(one, "deltas", "--all", as_="ana")["deltas"][0], ask(one, "delta", "show", ident)["delta"]):
        assert (view["id"], view["settled"]) == (ident, "settle")
        assert [(ack["session"], ack["note"]) for ack in view["acks"]] == [("bob", "will do")]
    refused(two, "not_found", "ack", ident, as_="bob")
    assert ask(one, "fsck")["problems"] == []


def test_a_branch_that_has_changed_the_path(pair: tuple[Clone, Clone]) -> None:
    """By its commits, until they have landed, also by a squash; told by git, in the clone that has the branch."""
    one, two = pair
    two.git("checkout", "-q", "-b", "topic")
    two.write("src/api.py", "mine\n")
    two.commit("mine", env={"GIT_PEER_SESSION": "bob"})
    ident = told(one, "--path", "src/api.py")
    elsewhere = told(one, "--path", "README.md")
    ask(two, "sync")
    listed = {view["id"]: view for view in ask(two, "deltas", as_="bob")["deltas"]}
    assert listed[ident]["why"] == ["your branch has changed src/api.py, which has not landed"]
    assert listed[elsewhere]["requires_action"] is False
    one.write("src/api.py", "mine\n")  # what a squash would bring
    one.commit("squashed", env={"GIT_PEER_SESSION": "ana"})
    ask(one, "push", as_="ana")
    two.git("fetch", "-q")
    assert ask(two, "deltas", as_="bob")["requires_action"] is False


def test_a_branch_that_this_clone_cannot_see_is_waited_for(pair: tuple[Clone, Clone], world: World) -> None:
    """Bob answers; cleo's clone alone knows what her branch has changed, and her record says that it has something."""
    one, two = pair
    three = world.clone("c")
    three.peer("init")
    three.git("checkout", "-q", "-b", "topic")
    three.write("src/api.py", "hers\n")
    three.commit("hers", env={"GIT_PEER_SESSION": "cleo"})
    ask(three, "session", "start", "cleo")
    ask(two, "lock", "src/", as_="bob")
    ident = told(one, "--path", "src/api.py")
    ask(two, "sync")
    ask(two, "ack", ident, as_="bob")
    assert open_ids(two, "bob", "--all") == [ident]
    ask(three, "sync")
    assert ask(three, "deltas", as_="cleo")["requires_action"] is True
    ask(three, "ack", ident, as_="cleo")
    assert in_tree(three) == []


def test_a_branch_that_this_clone_can_see(pair: tuple[Clone, Clone]) -> None:
    """Who stands on what has landed holds nothing up; who has pushed what touches the path does."""
    one, two = pair
    ask(two, "lock", "src/", as_="bob")
    ask(one, "session", "start", "dan")
    ident = told(one, "--path", "src/api.py")
    ask(two, "sync")
    ask(two, "ack", ident, as_="bob")
    assert in_tree(two) == []


def start(clone: Clone, *names: str) -> None:
    """Sessions that can be named."""
    for name in names:
        ask(clone, "session", "start", name)


def test_who_is_told(pair: tuple[Clone, Clone]) -> None:
    """--severity blocking, --to, --contract, --task: each with its reason."""
    one, two = pair
    start(one, "bob", "dan")
    ask(one, "contract", "add", "users", "--type", "free", "--definition", "v1", as_="ana")
    ask(one, "task", "add", "Serve", "--provides", "users", as_="ana")
    ask(one, "task", "claim", "t1", as_="cleo")
    blocking, named = told(one, "--severity", "blocking"), told(one, "--to", "bob", "--to", "dan")
    contract, task = told(one, "--contract", "users"), told(one, "--task", "t1")
    ask(two, "sync")
    reasons = {
        who: {view["id"]: view["why"] for view in ask(two, "deltas", as_=who)["deltas"] if view["requires_action"]}
        for who in ("bob", "cleo", "ana")
    }
    assert reasons["ana"] == {}
    assert reasons["bob"] == {blocking: ["it is blocking"], named: ["it is addressed to you"]}
    assert reasons["cleo"] == {
        blocking: ["it is blocking"],
        contract: ["your task t1 provides the contract users"],
        task: ["it names your task t1"],
    }
    assert ask(one, "push-delta", "--type", "blocker", "--summary", "x", as_="ana")["delta"]["severity"] == "blocking"


def test_superseding(pair: tuple[Clone, Clone]) -> None:
    one, two = pair
    start(two, "bob")
    first = told(one, "--to", "bob")
    second = told(one, "--to", "bob", "--supersedes", first[:6])
    ask(two, "sync")
    assert open_ids(two, "bob") == [second]
    refused(two, "not_yours", *PUSH, "x", "--supersedes", second, as_="bob")
    assert open_ids(one, "ana", "--all", "--after", first) == [second]
    refused(one, "not_found", "deltas", "--after", "ffff", as_="ana")


def test_secrets_are_refused(local: Clone) -> None:
    """Nothing is written, the secret is not said again; a reason lets it through and stands in the history."""
    key = "AKIA" + "IOSFODNN7EXAMPLE"
    for args in (
        (*PUSH, f"use {key}"),
        (*PUSH, "x", "--body", f"first\nthen {key}\n"),
        (*PUSH, "x", "--body", "-----BEGIN RSA PRIVATE KEY-----"),
        (*PUSH, "x", "--body", "db_password=hunter2hunter2"),
        (*PUSH, "see https://bob:hunter22@example.com/"),
        ("debate", "start", "--topic", "t", "--position", key),
    ):
        result = local.peer("--json", *args, as_="ana", status=1)
        assert result.json()["error"]["code"] == "not_allowed"
        assert key not in result.out
        assert "hunter2" not in result.out
    assert ask(local, "peers")["sessions"] == []
    done = ask(local, *PUSH, f"use {key}", "--allow-secret", "from AWS' own docs", as_="ana")["delta"]
    assert done["allowed_secret"] == "from AWS' own docs"
    (event,) = local.peer("log", "--kind", "delta", "--json").objects()
    assert event["allowed"] == "from AWS' own docs"
    refused(local, "usage", *PUSH, "x", "--allow-secret", " ", as_="ana")


def test_prose_is_no_secret(local: Clone) -> None:
    """Commit ids, paths, signatures and talk of passwords go through."""
    for body in (
        f"since {local.head()} login(password: str) -> Token",
        "the token must be renewed; secret: the API returns an email",
        "src/very/long/path/to/some/file_with_a_name.py calls get_user_by_email_address_and_organisation_id",
        'POST /v1/users {"token": "string", "password": "string"}',
    ):
        ask(local, *PUSH, "x", "--body", body, as_="ana")


def test_what_counts_as_a_secret_is_a_setting(local: Clone) -> None:
    key = "AKIA" + "IOSFODNN7EXAMPLE"
    local.git("config", "peer.secretsAllow", "^AKIA.*EXAMPLE$")
    ask(local, *PUSH, f"use {key}", as_="ana")
    local.git("config", "--unset", "peer.secretsAllow")
    local.write(".git-peer.toml", 'secrets = ["PrivateKeyDetector"]\n')
    ask(local, *PUSH, f"use {key}", as_="ana")
    refused(local, "not_allowed", *PUSH, "-----BEGIN RSA PRIVATE KEY-----", as_="ana")
    local.git("config", "peer.secrets", "none")
    ask(local, *PUSH, "-----BEGIN RSA PRIVATE KEY-----", as_="ana")
    for name, wrong in (("secrets", "NoSuchDetector"), ("secrets", "a b"), ("secretsAllow", "(")):
        local.git("config", f"peer.{name}", wrong)
        said = refused(local, "invalid", *PUSH, "x y z long enough", as_="ana")["error"]
        assert f"peer.{name}" in said["message"]
        local.git("config", "--unset", f"peer.{name}")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ((*PUSH, "x" * 201), "invalid"),
        ((*PUSH, "  \u200b\n "), "invalid"),
        ((*PUSH, ""), "invalid"),
        ((*PUSH, "x", "--body", "y" * (32 * 1024 + 1)), "invalid"),
        ((*PUSH, "x", *(arg for n in range(201) for arg in ("--to", f"s{n}"))), "invalid"),
        ((*PUSH, "x", "--to", "No Name"), "usage"),
        ((*PUSH, "x", "--contract", "../x"), "invalid"),
        ((*PUSH, "x", "--commit", "no-such"), "usage"),
        ((*PUSH, "x", "--task", "t9"), "not_found"),
        ((*PUSH, "x", "--supersedes", "ffff"), "not_found"),
        ((*PUSH, "x", "--path", "../x"), "usage"),
        (("push-delta", "--type", "rumour", "--summary", "x"), "usage"),
        (("push-delta", "--summary", "x"), "usage"),
        (("ack",), "usage"),
        (("ack", "ffff"), "not_found"),
        (("ack", ""), "not_found"),
    ],
    ids=range(16),
)
def test_what_is_refused_writes_nothing(local: Clone, args: tuple[str, ...], code: str) -> None:
    refused(local, code, *args, as_="ana")
    assert ask(local, "peers")["sessions"] == []


def test_one_cannot_answer_oneself(local: Clone) -> None:
    start(local, "bob")
    ident = told(local, "--to", "bob")
    refused(local, "not_allowed", "ack", ident, as_="ana")
    other = told(local, "--to", "ana", as_="bob")
    refused(local, "not_allowed", "ack", other, ident, as_="ana")
    assert open_ids(local, "ana") == [ident, other]


def test_without_the_remote(pair: tuple[Clone, Clone], world: World) -> None:
    """News and answers need no arbiter: they are kept, and `sync` sends them, once."""
    one, two = pair
    start(one, "ana")
    start(two, "bob")
    earlier = told(two, "--to", "ana", as_="bob")
    ask(one, "sync")
    world.remote.rename(world.folder / "away.git")
    kept = ask(one, *PUSH, "offline", "--to", "bob", as_="ana")
    assert (kept["guarantee"], kept["delta"]["summary"]) == ("tentative", "offline")
    assert ask(one, "ack", earlier, as_="ana")["guarantee"] == "tentative"
    refused(one, "unreachable", "debate", "start", "--topic", "t", "--position", "p", as_="ana")
    status = ask(one, "status", as_="ana")
    assert status["log"]["tentative"] == 1
    assert open_ids(one, "ana") == [earlier, kept["delta"]["id"]]  # the answer is not known to have arrived
    (world.folder / "away.git").rename(world.remote)
    assert ask(one, "sync")["pushed"] == 2
    assert ask(one, "sync")["pushed"] == 0
    assert ask(one, "status", as_="ana")["log"]["tentative"] == 0
    ask(two, "sync")
    assert open_ids(two, "bob") == [kept["delta"]["id"]]
    assert ask(two, "fsck")["problems"] == []


def test_a_session_that_ends_has_told_what_it_kept(pair: tuple[Clone, Clone]) -> None:
    one, two = pair
    start(one, "ana", "bob")
    ident = told(one, "--offline", "--to", "bob")
    ask(two, "sync")
    assert open_ids(two, "bob") == []
    ask(one, "session", "end", as_="ana")
    ask(two, "sync")
    assert open_ids(two, "bob") == [ident]


def test_text_from_stdin_and_file(local: Clone) -> None:
    local.write("body.txt", "from a file\n")
    assert ask(local, *PUSH, "x", "--body", "@body.txt", as_="ana")["delta"]["body"] == "from a file"
    assert ask(local, *PUSH, "x", "--body", "-", as_="ana", stdin=b"piped\n")["delta"]["body"] == "piped"


def test_many_at_once_land_each_once(pair: tuple[Clone, Clone]) -> None:
    """Ten writers over two clones: every delta is there once, whatever the races."""
    started = [(pair[n % 2]).start_peer("--json", *PUSH, f"news {n}", as_=f"s{n % 2}-{n % 3}") for n in range(10)]
    ids = [json.loads(running.finish(0).out)["delta"]["id"] for running in started]
    ask(pair[0], "sync")
    assert sorted(open_ids(pair[0], "ana", "--all")) == sorted(ids)
    assert ask(pair[0], "fsck")["problems"] == []
