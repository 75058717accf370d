"""The files in which a project declares what it depends on: of Python, JavaScript, Rust and Go."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(.*)")
_EGG = re.compile(r"#egg=([A-Za-z0-9][\w.-]*)")
_REQUIREMENTS = re.compile(
    r"(?:^|/)(?:[\w.-]*requirements[\w.-]*|constraints[\w.-]*)\.(?:txt|in)$|(?:^|/)requirements/[^/]+\.(?:txt|in)$"
)


def declares(path: str) -> bool:
    """Whether a file of that name declares dependencies that can be read here."""
    name = path.rpartition("/")[2]
    return name in ("pyproject.toml", "package.json", "Cargo.toml", "go.mod") or _REQUIREMENTS.search(path) is not None


def read(path: str, text: str) -> dict[str, str] | None:
    """Name, in lower case → the version that is asked for or where it comes from; None where it cannot be read."""
    name = path.rpartition("/")[2]
    try:
        if name == "pyproject.toml":
            return _pyproject(_toml(text))
        if name == "Cargo.toml":
            return _cargo(_toml(text))
        if name == "package.json":
            return _package(json.loads(text))
        return _go(text) if name == "go.mod" else _requirements(text.split("\n"))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def line_of(text: str, name: str) -> int:
    """The first line that has a dependency's name, from 1; 0 for none."""
    spelled = "[-_.]".join(map(re.escape, re.split("[-_.]", name)))
    wanted = re.compile(rf"(?<![\w-]){spelled}(?![\w-])", re.IGNORECASE)
    return next((at for at, line in enumerate(text.split("\n"), 1) if wanted.search(line)), 0)


def _toml(text: str) -> dict[str, Any]:
    import tomli

    return tomli.loads(text)


def _python(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _requirements(lines: Iterable[str]) -> dict[str, str]:
    found = {}
    for raw in lines:
        line = re.sub(r"(?:^|\s)#(?!egg=).*", "", raw).strip().rstrip("\\").strip()
        line = re.sub(r"^(?:-e|--editable)[ =]\s*", "", line)
        if not line or line.startswith("-"):
            continue
        url = re.match(r"(?:git\+|https?:|file:|\.{0,2}/)", line)
        egg = _EGG.search(line)
        match = _REQUIREMENT.fullmatch(line)
        if url:
            found[_python(egg[1] if egg else line)] = line
        elif match:
            found[_python(match[1])] = re.sub(r"\s*(?:;|--hash).*", "", match[2]).strip()
    return found


def _pyproject(data: dict[str, Any]) -> dict[str, str]:
    project = data.get("project", {})
    rows = list(project.get("dependencies", []))
    for group in (project.get("optional-dependencies", {}), data.get("dependency-groups", {})):
        rows += [row for listed in group.values() for row in listed if isinstance(row, str)]
    rows += data.get("build-system", {}).get("requires", [])
    found = _requirements(rows)
    poetry = data.get("tool", {}).get("poetry", {})
    tables = [poetry.get("dependencies", {}), poetry.get("dev-dependencies", {})]
    tables += [group.get("dependencies", {}) for group in poetry.get("group", {}).values()]
    for table in tables:
        found |= {_python(name): _asked(value) for name, value in table.items() if name.lower() != "python"}
    sources = data.get("tool", {}).get("uv", {}).get("sources", {})
    return found | {_python(name): _asked(value) for name, value in sources.items() if _python(name) in found}


def _asked(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_asked, value))
    if not isinstance(value, dict):
        return str(value)
    for key, before in (("git", "git+"), ("url", ""), ("path", "file:")):
        if key in value:
            return f"{before}{value[key]}"
    return str(value.get("version", ""))


def _package(data: dict[str, Any]) -> dict[str, str]:
    tables = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
    return {name.lower(): str(asked) for table in tables for name, asked in data.get(table, {}).items()}


def _cargo(data: dict[str, Any]) -> dict[str, str]:
    every = [data, data.get("workspace", {}), *data.get("target", {}).values()]
    tables = ("dependencies", "dev-dependencies", "build-dependencies")
    found = {}
    for one in every:
        for table in tables:
            for name, value in one.get(table, {}).items():
                real = value.get("package", name) if isinstance(value, dict) else name
                found[real.lower()] = _asked(value)
    return found


def _go(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    block = ""
    for raw in text.split("\n"):
        line, _, remark = raw.partition("//")
        words = line.split()
        if words[:1] == [")"]:
            block = ""
        elif words[1:2] == ["("]:
            block = words[0]
        elif words:
            kind, rest = (block, words) if block else (words[0], words[1:])
            if kind == "require" and len(rest) > 1 and remark.strip() != "indirect":
                found[rest[0].lower()] = rest[1]
            elif kind == "replace" and "=>" in rest:
                to = rest[rest.index("=>") + 1 :]
                if rest[0].lower() in found and to:
                    found[rest[0].lower()] = to[0] if to[0].startswith((".", "/")) else f"https://{to[0]}"
    return found
