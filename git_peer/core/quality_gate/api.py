"""The API gate: no public symbol goes, or changes, without a contract that says so."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from git_peer.core.quality_gate.verdict import Finding, Verdict, judged

_NOBODYS = re.compile(
    r"(?:^|/)(?:examples?|samples|docs?|scripts?|tools|benchmarks?|internal|_(?!_)[^/]*)(?:/|$)|(?:^|/)_(?!_)[^/]*\.py$"
)


class Public(NamedTuple):
    """A public symbol: `Class.method` for a member; its signature in one line; its line from 1."""

    name: str
    kind: str
    signature: str
    line: int = 0


class Surface(NamedTuple):
    """The public symbols of a changed file, before and after; `source` is its new text, "" where it is gone."""

    path: str
    language: str
    old: Sequence[Public]
    new: Sequence[Public]
    source: str = ""


def is_public(path: str) -> bool:
    """Whether others may import from a path: not from examples, scripts, `internal` or names with a _ before."""
    return _NOBODYS.search(path) is None


def judge(surfaces: Iterable[Surface], agreed: Sequence[str] = ()) -> Verdict:
    """`agreed`: what the contracts say (name and definition) that were made or changed since the baseline."""
    found = [one for surface in surfaces if is_public(surface.path) for one in _broken(surface, agreed)]
    return judged(found, "no public symbol was removed or changed", "public symbols removed or changed: {}")


def _broken(surface: Surface, agreed: Sequence[str]) -> Iterable[Finding]:
    now: dict[str, list[Public]] = {}
    for one in surface.new:
        now.setdefault(one.name, []).append(one)
    gone: set[str] = set()
    for one in surface.old:
        outer = one.name.rpartition(".")[0]
        if outer in gone:  # told with its class
            gone.add(one.name)
            continue
        candidates = now.get(one.name, [])
        if any(_serves(surface.language, one, other) for other in candidates) or _agreed(one.name, agreed):
            continue
        if candidates:
            text = f"{one.name} was {one.signature or one.kind}, and is {candidates[0].signature or candidates[0].kind}"
            yield Finding(text, surface.path, candidates[0].line)
        elif _passed_on(one.name.split(".", maxsplit=1)[0], surface.source):
            continue
        else:
            gone.add(one.name)
            yield Finding(f"{one.name} is gone: {one.signature or one.kind}", surface.path)


def _agreed(name: str, agreed: Sequence[str]) -> bool:
    own = name.rpartition(".")[2]
    return any(re.search(rf"(?<!\w){re.escape(own)}(?!\w)", text) for text in agreed)


def _passed_on(name: str, source: str) -> bool:
    """Whether a file still has a name for others, from elsewhere."""
    words = rf"\s*(?:\([^)]*|\{{[^}}]*|[^\n;({{]*)(?<!\w){re.escape(name)}(?!\w)"
    return re.search(rf"^\s*(?:from\s+\S+\s+import|import|export|pub\s+use)\b{words}", source, re.MULTILINE) is not None


# -- whether a new signature serves those who call the old one --------------------------------------
def _serves(language: str, old: Public, new: Public) -> bool:
    if (old.kind, old.signature) == (new.kind, new.signature):
        return True
    if old.kind != new.kind:
        return False
    if old.kind == "constant":  # its value is not its interface
        was, now = (one.signature.partition("=")[0].split() for one in (old, new))
        return was == now or (language == "Python" and len(was) == 1)
    if language == "Python" and old.kind == "class":
        return _bases(old.signature) <= _bases(new.signature)
    if language == "Python":
        return _python_serves(old.signature, new.signature)
    return "".join(old.signature.split()) == "".join(new.signature.split())


def _python_serves(old: str, new: str) -> bool:
    """Whether whatever could be passed before can be passed now: parameters may be added that need not be given."""
    was, now = _function(old), _function(new)
    if was is None or now is None or isinstance(was, ast.AsyncFunctionDef) != isinstance(now, ast.AsyncFunctionDef):
        return False
    a, b = was.args, now.args
    one, other = [*a.posonlyargs, *a.args], [*b.posonlyargs, *b.args]
    if len(other) < len(one) and b.vararg is None:
        return False
    required = len(other) - len(b.defaults)
    if required > len(one) - len(a.defaults):
        return False
    for at, (old_arg, new_arg) in enumerate(zip(one, other, strict=False)):
        by_name = at >= len(a.posonlyargs)
        if by_name and (old_arg.arg != new_arg.arg or at < len(b.posonlyargs)):
            return False
        if not _same_type(old_arg.annotation, new_arg.annotation):
            return False
    named = {arg.arg: (arg, default) for arg, default in zip(b.kwonlyargs, b.kw_defaults, strict=True)}
    names = {arg.arg for arg in b.args}
    for arg, default in zip(a.kwonlyargs, a.kw_defaults, strict=True):
        found = named.pop(arg.arg, None)
        if found is None and arg.arg not in names and b.kwarg is None:
            return False
        if found is not None and (
            (default is not None and found[1] is None) or not _same_type(arg.annotation, found[0].annotation)
        ):
            return False
    if any(default is None for _, default in named.values()):
        return False
    if (a.vararg is not None and b.vararg is None) or (a.kwarg is not None and b.kwarg is None):
        return False
    return _same_type(was.returns, now.returns)


def _bases(signature: str) -> set[str]:
    return set(re.findall(r"[\w.]+", signature.partition("(")[2]))


def _function(signature: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    text = re.sub(r"^(?:@\S+\s+)*", "", signature)
    text = text if text.startswith(("def ", "async def ")) else f"def {text}"
    try:
        (found,) = ast.parse(f"{text.rstrip(':')}: ...").body
    except (SyntaxError, ValueError):
        return None
    return found if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef) else None


def _same_type(old: ast.expr | None, new: ast.expr | None) -> bool:
    return old is None or (new is not None and ast.dump(old) == ast.dump(new))
