"""Where a pull request is opened: the page of the host that a remote's URL names, or the commands for any remote."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

_SCP = re.compile(r"(?:[^@/\s]+@)?([A-Za-z0-9.-]+):(?!/)(.+)")  # user@host:owner/name.git


def of(remote: str, url: str, branch: str, onto: str) -> dict[str, Any]:
    """{url, commands}: the page that opens a pull request of `branch` onto `onto`, None where the host is not known.

    What a URL says of a user or a password is left out. `remote` is the remote's name, "" in local mode.
    """
    if not remote:
        return {"url": None, "commands": [f"git switch {_word(onto)}", f"git merge {_word(branch)}"]}
    commands = [f"git fetch {_word(remote)} {_word(branch)}"]
    commands += [f"git switch {_word(onto)}", "git merge FETCH_HEAD", f"git push {_word(remote)} {_word(onto)}"]
    return {"url": page(url, branch, onto), "commands": commands}


def page(url: str, branch: str, onto: str) -> str | None:
    """The page of GitHub, GitLab or Bitbucket, also of one's own with such a name, for a remote's URL."""
    place = _place(url)
    if place is None:
        return None
    host, path = place
    root = f"https://{host}/{quote(path)}"
    kind = next((name for name in ("github", "gitlab", "bitbucket") if name in host.lower().split(":")[0]), "")
    if kind == "github":
        return f"{root}/compare/{quote(onto)}...{quote(branch)}?expand=1"
    if kind == "gitlab":
        asked = {"merge_request[source_branch]": branch, "merge_request[target_branch]": onto}
        return f"{root}/-/merge_requests/new?{urlencode(asked)}"
    if kind == "bitbucket":
        return f"{root}/pull-requests/new?{urlencode({'source': branch, 'dest': onto})}"
    return None


def _place(url: str) -> tuple[str, str] | None:
    """(host, owner/name) of a remote's URL; None for a path, or what is no URL."""
    if "://" in url:
        try:
            parts = urlsplit(url)
            port = f":{parts.port}" if parts.port and parts.scheme in ("http", "https") else ""
        except ValueError:
            return None
        host, path = f"{parts.hostname or ''}{port}", parts.path
        if parts.scheme not in ("http", "https", "ssh", "git", "git+ssh"):
            return None
    else:
        found = _SCP.fullmatch(url)
        if found is None:
            return None
        host, path = found[1], found[2]
    path = path.strip("/").removesuffix(".git")
    return (host, path) if host and "/" in path else None


def _word(text: str) -> str:
    """A word for a shell."""
    from shlex import quote as quoted

    return quoted(text)
