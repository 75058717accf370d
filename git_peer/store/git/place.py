"""Where a URL leads: one key for all spellings of one repository."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

_PORTS = {"ssh": 22, "git": 9418, "http": 80, "https": 443, "ftp": 21, "ftps": 990}
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SCP = re.compile(r"(?s)(?:[^/@]*@)?(\[[^]/]*\]|[^/:]+):(.*)")
_HELPER = re.compile(r"[A-Za-z0-9]+::")


def key(url: str, top: Path) -> str:
    """Equal for two URLs, as git resolves them from `top`, that lead to one repository.

    Of a path the directory that it comes to, whatever it is called. Of a host its name and the path on it: which
    protocol, user and default port one goes by makes no other repository.
    """
    if _HELPER.match(url):
        return url
    if not _URL.match(url):
        there = _SCP.fullmatch(url)
        if there is None or (top / url).exists():
            return _local(url, top)
        return _there(there[1].strip("[]"), None, there[2])
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower().removeprefix("git+"), parts.hostname or "", parts.port
    except ValueError:
        return url
    if scheme == "file":
        return _local(unquote(url[len("file://") :].removeprefix("localhost")), top)
    return _there(host, None if port == _PORTS.get(scheme) else port, unquote(parts.path))


def _there(host: str, port: int | None, path: str) -> str:
    at = host.lower().rstrip(".") + (f":{port}" if port else "")
    inner = re.sub("/+", "/", path).strip("/").removesuffix(".git").rstrip("/")
    return f"//{at}/{inner}"


def _local(path: str, top: Path) -> str:
    base = os.path.join(top, os.path.expanduser(path) if path.startswith("~") else path)
    base = base.rstrip("/") or "/"
    # As git looks for it, in this order.
    for where in (f"{base}/.git", base, f"{base}.git/.git", f"{base}.git"):
        found = _git_dir(where)
        if found:
            one = os.stat(found)
            return f"inode:{one.st_dev}:{one.st_ino}"
    return os.path.realpath(base)


def _git_dir(where: str) -> str:
    """The git directory, of all work trees the common one, that is or is named at `where`; "" for none."""
    try:
        if os.path.isfile(where):  # a linked work tree, or a submodule
            with open(where, encoding="utf-8", errors="surrogateescape") as file:
                named = file.read().removeprefix("gitdir:").strip()
            where = os.path.join(os.path.dirname(where), named)
        if os.path.isfile(f"{where}/commondir"):
            with open(f"{where}/commondir", encoding="utf-8", errors="surrogateescape") as file:
                where = os.path.join(where, file.read().strip())
        return where if os.path.exists(f"{where}/HEAD") and os.path.isdir(f"{where}/objects") else ""
    except (OSError, ValueError):
        return ""
