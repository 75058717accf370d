"""Secrets in text, by detect-secrets. Nothing is verified over a network: what looks like a secret is one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from git_peer.core.errors import PeerError

# Measures of entropy take commit ids and long names for secrets, and addresses are none.
_NOISY = frozenset({"Base64HighEntropyString", "HexHighEntropyString", "IPPublicDetector"})
_KEYWORD = "KeywordDetector"  # finds what is assigned to a password; which of that is one, is decided here
_SHORTEST = 8  # characters of a line that can hold one
# Without is_line_allowlisted: a comment in the text itself does not excuse it. Without any policy of verification.
_FILTERS = (
    "is_sequential_string",
    "is_potential_uuid",
    "is_likely_id_string",
    "is_templated_secret",
    "is_prefixed_with_dollar_sign",
    "is_indirect_reference",
    "is_not_alphanumeric_string",
)


def kinds(texts: Iterable[str], chosen: Sequence[str] = (), allowed: str = "") -> list[str]:
    """The kinds of secrets in `texts`, as people call them; never the secrets themselves.

    `chosen`: names of detectors (detect-secrets' plugins), else all but the noisy ones; ("none",) looks for nothing.
    `allowed`: a regular expression of what is none. PeerError("invalid") for a detector that there is not.
    """
    lines = dict.fromkeys(line for text in texts for line in text.split("\n") if len(line) >= _SHORTEST)
    if list(chosen) == ["none"] or not lines:
        return []
    from detect_secrets.core.scan import scan_line  # late: a quarter of a second that only a writer of text pays
    from detect_secrets.settings import transient_settings

    names = _detectors(chosen)
    filters: list[dict[str, Any]] = [{"path": f"detect_secrets.filters.heuristic.{name}"} for name in _FILTERS]
    if allowed:
        filters.append({"path": "detect_secrets.filters.regex.should_exclude_secret", "pattern": [allowed]})
    with transient_settings(
        {"plugins_used": [{"name": name} for name in names if name != _KEYWORD], "filters_used": filters}
    ):
        found = {secret.type for line in lines for secret in scan_line(line)}
    if _KEYWORD in names and any(_assigned(line, allowed) for line in lines):
        found.add("Secret Keyword")
    return sorted(found)


def _detectors(chosen: Sequence[str]) -> list[str]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    plugins: dict[str, type[object]] = dict(get_mapping_from_secret_type_to_class())
    known = sorted(plugin.__name__ for plugin in plugins.values())
    wrong = [name for name in chosen if name not in known]
    if wrong:
        raise PeerError("invalid", f"peer.secrets: there is no detector {wrong[0]}", f"there are {', '.join(known)}")
    return list(chosen) or [name for name in known if name not in _NOISY]


def _assigned(line: str, allowed: str) -> bool:
    """Whether a line assigns what can be a password: not prose, a type or a placeholder. In quotes, or without."""
    import re

    from detect_secrets.plugins.keyword import KeywordDetector

    detector = KeywordDetector()
    found = [one for name in ("text", "text.ini") for one in detector.analyze_line(filename=name, line=line)]
    values = [str(secret.secret_value or "") for secret in found]
    return any(
        len(value) >= _SHORTEST
        and not re.search(r"\s", value)
        and re.search("[0-9]", value) is not None
        and re.search("[A-Za-z]", value) is not None
        and not (allowed and re.search(allowed, value))
        for value in values
    )
