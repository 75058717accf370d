"""What CI jobs ask, and the files under docs/ci/, played as their hosts do: shallow, detached, nothing set up."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.cli.asking import ask, refused, snapshot, sound
from tests.enforce.team import HELD, Team
from tests.world import Clone, Result, World, start

CI = Path(__file__).parents[2] / "docs" / "ci"
NOBODY = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_PEER_SESSION": None}  # a job has no identity


@pytest.fixture
def team(world: World) -> Team:
    """alice holds HELD and works on it on feat/x; bob changed it on feat/y, past his hooks. Both are pushed."""
    made = Team.of(world, held=True)
    made.alice.git("switch", "-q", "-c", "feat/x")
    made.alice.commit(HELD)
    made.alice.peer("push", "origin", "feat/x")
    made.bob.git("switch", "-q", "-c", "feat/y")
    made.bob.sneaks(HELD)
    made.bob.git("push", "-q", "--no-verify", "origin", "feat/y")
    return made


def checkout(team: Team, what: str, *, depth: int = 1) -> Clone:
    """A clone as a job has it: so many commits of one ref, HEAD detached."""
    path = team.world.folder / f"job-{len(list(team.world.folder.iterdir()))}"
    start(("git", "init", "-q", str(path)), team.world.folder).finish(0)
    job = Clone(team.world, path)
    job.git("remote", "add", "origin", f"file://{team.world.remote}")
    job.git("fetch", "-q", f"--depth={depth}", "origin", what)
    job.git("checkout", "-q", "--detach", "FETCH_HEAD")
    return job


def tip(team: Team, branch: str) -> str:
    return team.world.refs()[f"refs/heads/{branch}"]


def between(team: Team, branch: str) -> str:
    return f"{tip(team, 'main')}..{tip(team, branch)}"


def squash(team: Team) -> str:
    """feat/x lands as one commit by somebody else, and is deleted; the commit."""
    host = team.world.clone("host")
    host.git("fetch", "-q", "origin")
    host.git("merge", "-q", "--squash", "origin/feat/x")
    host.git("commit", "-q", "-m", "Better (#1)", env={"GIT_AUTHOR_EMAIL": "host@example.com"})
    host.git("push", "-q", "origin", "main", ":feat/x")
    return host.head()


# -- verify -----------------------------------------------------------------------------------------
def test_a_range_that_touches_what_is_locked(team: Team) -> None:
    """Refused for whoever is not its holder; passes for the holder's branch. No trace is left."""
    job = checkout(team, "main")
    before = snapshot(job.path)
    answer = refused(job, "locked", "verify", between(team, "feat/y"), env=NOBODY)
    assert [(one["path"], one["lock"]["session"]) for one in answer["violations"]] == [(HELD, "alice")]
    assert answer["allowed"] is False
    refused(job, "locked", "verify", between(team, "feat/y"), "--head-ref", "feat/y", env=NOBODY)
    for asked in (between(team, "feat/x"), between(team, "feat/x").replace("..", "...")):
        answer = ask(job, "verify", asked, "--head-ref", "feat/x", env=NOBODY)
        assert (answer["allowed"], answer["violations"]) == (True, [])
    assert snapshot(job.path) == before


def test_in_a_clone_that_is_set_up(team: Team) -> None:
    """The same answers, by the log of the remote as it is now."""
    team.alice.lock("docs/guide.md")
    team.bob.sneaks("docs/guide.md")
    answer = refused(team.bob.at, "locked", "verify", "origin/main..HEAD", "--head-ref", "feat/y", as_="bob")
    assert {one["path"] for one in answer["violations"]} == {HELD, "docs/guide.md"}
    team.alice.peer("unlock", "--all")
    assert ask(team.bob.at, "verify", "origin/main..HEAD", as_="bob")["allowed"]


def test_a_report_and_annotations(team: Team) -> None:
    job = checkout(team, "main")
    env = {**NOBODY, "GITHUB_ACTIONS": "true"}
    report = job.path.parent / "quality.json"
    ran = job.peer("verify", between(team, "feat/y"), "--report", str(report), env=env, status=1)
    assert f"::error file={HELD},title=git-peer::{HELD} is locked by alice" in ran.err
    (row,) = json.loads(report.read_text())
    assert (row["location"]["path"], row["severity"]) == (HELD, "blocker")
    assert sound(job.peer("--json", "verify", between(team, "feat/x"), "--head-ref", "feat/x", env=env))["allowed"]
    refused(job, "failed", "verify", between(team, "feat/y"), "--report", "no/such/folder", env=NOBODY)


def test_what_cannot_be_asked(team: Team, world: World) -> None:
    """One clear error each, and its status."""
    job = checkout(team, "main")
    for wrong in ("nonsense..HEAD", "HEAD..nonsense", "--upload-pack=x..HEAD", f"{'1' * 40}..HEAD"):
        refused(job, "usage", "verify", "--", wrong, env=NOBODY)
    job.git("remote", "set-url", "origin", str(world.folder / "nowhere"))
    refused(job, "unreachable", "verify", "HEAD..HEAD", env=NOBODY)
    refused(job, "unreachable", "landed", env=NOBODY)
    job.git("remote", "remove", "origin")
    refused(job, "not_set_up", "verify", "HEAD..HEAD", env=NOBODY)
    start(("git", "update-ref", "-d", "refs/heads/peer/coordination"), world.remote).finish(0)
    job.git("remote", "add", "origin", str(world.remote))
    refused(job, "not_set_up", "landed", env=NOBODY)


def test_a_branch_that_plain_git_pushed(world: World) -> None:
    """A queue's ref has no name of a session: its holder's branch on the remote tells whose the work is."""
    team = Team.of(world, held=True)
    team.alice.git("switch", "-q", "-c", "feat/x")
    team.alice.commit(HELD)
    team.alice.peer("session", "renew")  # says where it is
    team.alice.git("push", "-q", "origin", "feat/x")
    team.bob.git("fetch", "-q")
    team.bob.git("switch", "-q", "-c", "feat/stacked", "origin/feat/x")
    team.bob.lock("docs/more.md")
    team.bob.change("docs/more.md")
    team.bob.git("add", "-A")
    team.bob.git("commit", "-q", "-m", "more")
    team.bob.git("push", "-q", "--no-verify", "origin", "feat/stacked")
    host = world.clone("host")
    host.git("merge", "-q", "--squash", "origin/feat/x")
    host.git("commit", "-q", "-m", "Better (#1)", env={"GIT_AUTHOR_EMAIL": "host@example.com"})
    host.git("push", "-q", "origin", "HEAD:queue/1")
    job = checkout(team, "main")
    for branch in ("queue/1", "feat/stacked", "feat/x"):
        assert ask(job, "verify", between(team, branch), env=NOBODY)["allowed"], branch
    team.bob.sneaks(HELD)
    team.bob.git("push", "-q", "--no-verify", "origin", "feat/stacked")
    refused(job, "locked", "verify", between(team, "feat/stacked"), env=NOBODY)


# -- landed -----------------------------------------------------------------------------------------
def test_a_job_ends_what_has_landed(team: Team) -> None:
    """From one commit of main, after the squash and the deleted branch; a second job has nothing to do."""
    team.alice.peer("unlock", "--pending", HELD)
    squash(team)
    job = checkout(team, "main")
    before = snapshot(job.path)
    answer = ask(job, "landed", "--ref", "main", env=NOBODY)
    assert answer["recorded"]
    assert [(one["target"], one["session"]) for one in answer["released"]] == [(HELD, "alice")]
    assert snapshot(job.path) == before
    assert ask(job, "landed", env=NOBODY)["released"] == []
    team.bob.peer("sync")
    assert team.bob.holds() == set()
    assert ask(team.bob.at, "locks", as_="bob")["locks"] == []
    assert ask(team.bob.at, "fsck", as_="bob")["problems"] == []
    refused(job, "not_found", "landed", "--ref", "feat/y", env=NOBODY)


def test_without_write_access(team: Team) -> None:
    """It says what it would end, and ends nothing."""
    team.alice.peer("unlock", "--pending", HELD)
    squash(team)
    hook = team.world.remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'read only' >&2\nexit 1\n")
    hook.chmod(0o755)
    job = checkout(team, "main")
    answer = ask(job, "landed", env=NOBODY)
    assert not answer["recorded"]
    assert [one["target"] for one in answer["released"]] == [HELD]
    assert "would be unlocked" in job.peer("landed", env=NOBODY).out
    team.bob.peer("sync", status=None)
    assert [one["state"] for one in ask(team.bob.at, "locks", as_="bob")["locks"]] == ["pending"]


# -- the files of docs/ci/ --------------------------------------------------------------------------
def _value(text: str, context: Mapping[str, Any]) -> str:
    """What GitHub makes of `${{ … }}`: names of the context, and `||`."""

    def one(name: str) -> Any:
        at: Any = context
        for part in name.strip().split("."):
            at = (at or {}).get(part)
        return at

    def said(found: re.Match[str]) -> str:
        return str(next((value for value in map(one, found[1].split("||")) if value), ""))

    return re.sub(r"\$\{\{(.*?)\}\}", said, text)


def github(team: Team, job: str, what: str, event: str, context: dict[str, Any], env: dict[str, str]) -> Result:
    """Play a job of github-actions.yml, as GitHub runs it for an event; what its last step came to."""
    file = yaml.safe_load((CI / "github-actions.yml").read_text())
    asked = file[True]  # YAML reads `on` so
    assert event in asked
    steps = file["jobs"][job]["steps"]
    wanted = file["jobs"][job]["if"] == f"github.event_name {'==' if job == 'landed' else '!='} 'push'"
    assert wanted
    assert steps[0]["uses"].startswith("actions/checkout@")
    assert steps[1]["run"] == "pip install git-peer"
    at = checkout(team, what)
    given = {key: _value(text, {"github": {"event": context}}) for key, text in steps[2].get("env", {}).items()}
    words = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", steps[2]["run"])
    return start(words, at.path, {**NOBODY, "GITHUB_ACTIONS": "true", **env, **given}).finish()


@pytest.mark.parametrize(("branch", "status"), [("feat/x", 0), ("feat/y", 1)])
@pytest.mark.parametrize("event", ["pull_request", "merge_group"])
def test_github_actions_on_a_request(team: Team, branch: str, status: int, event: str) -> None:
    """A job stands on the merge that GitHub made; in a merge queue on a commit of the queue's."""
    merge = team.world.clone("merge")
    merge.git("fetch", "-q", "origin")
    merge.git("merge", "-q", "--no-ff", "-m", "Merge", f"origin/{branch}")
    merge.git("push", "-q", "origin", "HEAD:refs/pull/1/merge")
    base, head = tip(team, "main"), tip(team, branch)
    if event == "pull_request":
        context: dict[str, Any] = {"pull_request": {"base": {"sha": base}, "head": {"sha": head}}}
        env = {"GITHUB_HEAD_REF": branch}
    else:
        # A queue names no branch: what its holder has pushed tells whose it is.
        context, env = {"merge_group": {"base_sha": base, "head_sha": merge.head()}}, {}
    ran = github(team, "locks", "refs/pull/1/merge", event, context, env)
    assert ran.status == status, ran
    assert ("::error file=" in ran.err) == bool(status), ran


def test_github_actions_on_a_push(team: Team) -> None:
    team.alice.peer("unlock", "--pending", HELD)
    squash(team)
    ran = github(team, "landed", "main", "push", {}, {"GITHUB_REF_NAME": "main"})
    assert ran.status == 0, ran
    assert f"The work of alice on {HELD} has landed: unlocked." in ran.out
    assert yaml.safe_load((CI / "github-actions.yml").read_text())["jobs"]["landed"]["permissions"] == {
        "contents": "write"
    }


def gitlab(team: Team, job: str, what: str, env: dict[str, str]) -> tuple[Clone, Result]:
    """Play a job of gitlab-ci.yml: a fetch of 20 commits, and one shell for all of its lines."""
    made = yaml.safe_load((CI / "gitlab-ci.yml").read_text())[job]
    assert made["before_script"][0] == "pip install git-peer"
    at = checkout(team, what, depth=20)
    lines = [*made["before_script"][1:], *made["script"]]
    words = ("bash", "-eo", "pipefail", "-c", "\n".join(lines))
    return at, start(words, at.path, {**NOBODY, "GITLAB_CI": "true", **env}).finish()


@pytest.mark.parametrize(("branch", "status"), [("feat/x", 0), ("feat/y", 1)])
def test_gitlab_on_a_request(team: Team, branch: str, status: int) -> None:
    env = {
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": tip(team, "main"),
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": branch,
        "CI_COMMIT_SHA": tip(team, branch),
    }
    at, ran = gitlab(team, "git-peer:locks", branch, env)
    assert ran.status == status, ran
    report = json.loads((at.path / "gl-code-quality-report.json").read_text())
    assert [row["location"]["path"] for row in report] == [HELD] * status


def test_gitlab_on_a_push(team: Team) -> None:
    team.alice.peer("unlock", "--pending", HELD)
    squash(team)
    _, ran = gitlab(team, "git-peer:landed", "main", {"CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main"})
    assert ran.status == 0, ran
    assert "has landed: unlocked" in ran.out
