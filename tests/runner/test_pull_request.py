"""Where a pull request is opened: by the remote's URL, without what it says of a user or a password."""

from __future__ import annotations

import pytest

from git_peer.ops import pull_request

BRANCH, MAIN = "peer/integration", "main"


@pytest.mark.parametrize(
    "url",
    [
        "git@github.com:owner/name.git",
        "ssh://git@github.com:22/owner/name.git",
        "https://user:secret@github.com/owner/name",
        "https://github.com/owner/name.git/",
    ],
)
def test_github(url: str) -> None:
    page = "https://github.com/owner/name/compare/main...peer/integration?expand=1"
    assert pull_request.page(url, BRANCH, MAIN) == page


def test_others() -> None:
    gitlab = pull_request.page("git@gitlab.example.org:group/sub/name.git", BRANCH, MAIN)
    assert gitlab is not None
    assert gitlab.startswith("https://gitlab.example.org/group/sub/name/-/merge_requests/new?")
    assert "source_branch%5D=peer%2Fintegration" in gitlab
    bitbucket = pull_request.page("https://bitbucket.org/owner/name.git", BRANCH, "a&b")
    assert bitbucket == "https://bitbucket.org/owner/name/pull-requests/new?source=peer%2Fintegration&dest=a%26b"
    own = pull_request.page("https://github.example.org:8443/owner/name", BRANCH, MAIN)
    assert own is not None
    assert own.startswith("https://github.example.org:8443/owner/name/compare/")


@pytest.mark.parametrize(
    "url",
    ["/srv/name.git", "../name.git", "file:///srv/github/name", "C:/x", "https://example.org/a/b", "https://[", ""],
)
def test_no_page_where_the_host_is_not_known(url: str) -> None:
    assert pull_request.page(url, BRANCH, MAIN) is None


def test_the_commands_do_without_a_host() -> None:
    told = pull_request.of("my remote", "/srv/name.git", BRANCH, MAIN)
    assert told["url"] is None
    assert told["commands"][0] == "git fetch 'my remote' peer/integration"
    assert pull_request.of("", "", BRANCH, MAIN)["commands"] == ["git switch main", "git merge peer/integration"]
