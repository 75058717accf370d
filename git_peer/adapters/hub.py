"""Files of the Hugging Face hub: fetched in pieces if need be, and whole only when their checksum is right."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import filelock
import httpx2
import huggingface_hub
from huggingface_hub import errors, file_download
from huggingface_hub.utils import build_hf_headers, disable_progress_bars, enable_progress_bars
from huggingface_hub.utils import logging as hub_logging

from git_peer.core import text
from git_peer.core.errors import PeerError

_AGAIN = "what has come so far is kept: run it again to go on"


def fetch(repo: str, file: str, folder: Path, say: Callable[[str], None], bar: bool) -> Path:
    """`file` of `repo` in `folder`, going on where an earlier call was interrupted. `bar`: show one on stderr.

    PeerError: not_found, not_allowed (it wants a token), unavailable, busy, failed (its checksum is wrong).
    """
    (enable_progress_bars if bar else disable_progress_bars)()
    hub_logging.set_verbosity_error()
    try:
        return _fetched(repo, file, folder, say)
    except errors.HFValidationError as why:
        raise PeerError(
            "usage", f"not a repository of the hub: {text.line(str(why), 200)}", "OWNER/REPO/FILE"
        ) from None
    except errors.GatedRepoError:
        told = f"{repo} wants you to agree to its terms"
        raise PeerError("not_allowed", told, "agree on its page, and set HF_TOKEN to your token") from None
    except (errors.RepositoryNotFoundError, errors.EntryNotFoundError):
        raise PeerError("not_found", f"the hub has no {repo}/{file}", "OWNER/REPO/FILE names one") from None
    except errors.HfHubHTTPError as why:
        status = why.response.status_code if why.response is not None else 0
        told = f"the hub answered {status}: {text.line(str(why.server_message or ''), 200)}"
        if status in (401, 403):
            raise PeerError("not_allowed", told, "is HF_TOKEN right?") from None
        raise PeerError("unavailable", told, _AGAIN) from None
    except (httpx2.HTTPError, httpx2.InvalidURL, ConnectionError) as why:
        raise PeerError("unavailable", f"cannot reach the hub: {text.line(str(why), 200)}", _AGAIN) from None


def _fetched(repo: str, file: str, folder: Path, say: Callable[[str], None]) -> Path:
    url = huggingface_hub.hf_hub_url(repo, file)
    headers = build_hf_headers(library_name="git-peer")
    about = huggingface_hub.get_hf_file_metadata(url, library_name="git-peer")
    if not about.size or not re.fullmatch("[0-9a-f]{64}", about.etag or ""):
        raise PeerError("failed", f"the hub tells no checksum of {file}", "only large files of a model have one")
    where = folder / Path(file).name
    if where.is_file() and _is(where, about.size, about.etag):
        return where
    if urlsplit(about.location).netloc != urlsplit(url).netloc:  # a token is for the hub alone
        headers.pop("authorization", None)
    parts = folder / ".part"
    parts.mkdir(parents=True, exist_ok=True)
    part = parts / about.etag
    lock = filelock.FileLock(parts / f"{about.etag}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise PeerError("busy", f"another git-peer fetches {file} now", "wait for it") from None
    try:
        _download(about, part, headers, file, say)
        say(f"checking {about.size:,} bytes")
        if not _is(part, about.size, about.etag):
            part.unlink(missing_ok=True)
            told = f"the checksum of {file} is wrong; it was thrown away"
            raise PeerError("failed", told, "fetch it again, by another network if it stays so")
        os.replace(part, where)
    finally:
        lock.release()
    return where


def _download(
    about: file_download.HfFileMetadata, part: Path, headers: dict[str, str], file: str, say: Callable[[str], None]
) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have > about.size:
        part.unlink()
        have = 0
    if shutil.disk_usage(part.parent).free < about.size - have:
        raise PeerError(
            "failed", f"no room for {about.size - have:,} bytes in {part.parent}", "free some, or set XDG_DATA_HOME"
        )
    say(f"fetching {file}: {about.size:,} bytes" + (f", {have:,} of them here already" if have else ""))
    with part.open("ab") as out:
        try:
            file_download.http_get(
                about.location,
                out,
                resume_size=have,
                headers=headers,
                expected_size=about.size,
                displayed_filename=Path(file).name,
            )
        except OSError as why:
            if why.errno is not None or isinstance(why, (errors.HfHubHTTPError, ConnectionError)):
                raise
            # Not all of it came, and the library's own tries are used up.
            raise PeerError(
                "unavailable", f"the connection broke off at {part.stat().st_size:,} bytes", _AGAIN
            ) from None


def _is(path: Path, size: int, checksum: str) -> bool:
    """Whether a file has that SHA-256."""
    if path.stat().st_size != size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == checksum
