"""Whether texts are Python, asked of a child with limits: what is nested deep enough crashes or hangs a parser."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence

from git_peer.core import text as texts

SECONDS = 20  # of one child
MEMORY = 1024  # MiB of its address space, where the system can limit it
LARGE = 512 * 1024  # characters of a file; a larger one is not looked at
_LONG = 160  # characters of a line that is shown

# Answers a line for each file, in order: null, or [line, message, text]. It only compiles; it runs nothing.
_CHILD = """
import json, sys, warnings
warnings.simplefilter("ignore")
seconds, memory = int(sys.argv[1]), int(sys.argv[2]) << 20
try:
    import resource
except ImportError:
    resource = None
if resource:
    for what, most in (("RLIMIT_CPU", seconds), ("RLIMIT_AS", memory), ("RLIMIT_CORE", 0), ("RLIMIT_FSIZE", 0)):
        try:
            kind = getattr(resource, what)
            hard = resource.getrlimit(kind)[1]
            resource.setrlimit(kind, (most if hard < 0 else min(most, hard),) * 2)
        except (AttributeError, ValueError, OSError):
            pass
for name, text in json.load(sys.stdin):
    found = None
    try:
        compile(text, "file", "exec", dont_inherit=True)
    except SyntaxError as why:
        found = [why.lineno or 0, str(why.msg), (why.text or "")[:1000]]
    except (RecursionError, MemoryError, OverflowError):
        found = [0, "it is nested too deeply", ""]
    except ValueError as why:
        found = [0, str(why)[:200], ""]
    print(json.dumps(found), flush=True)
"""


def check(files: Mapping[str, str]) -> list[str]:
    """What is wrong with the Python files among `files` (path → text), a line each: `path:line: what: the line`.

    Other files are not looked at. It is this interpreter's Python.
    """
    todo = [(path, source) for path, source in files.items() if path.endswith((".py", ".pyi"))]
    told: list[str] = []
    small: list[tuple[str, str]] = []
    for path, source in todo:
        if len(source) > LARGE:
            told.append(f"{texts.line(path, 200)}: more than {LARGE:,} characters")
        else:
            small.append((path, source))
    while small:
        found, end = _ask(small)
        told += [_line(path, one) for (path, _), one in zip(small, found, strict=False) if one is not None]
        if len(found) < len(small):
            told.append(f"{texts.line(small[len(found)][0], 200)}: Python's parser {end} on it")
        small = small[len(found) + 1 :]
    return told


def parses(source: str) -> bool:
    """Whether a text is Python."""
    return not check({"text.py": source})


def _ask(files: Sequence[tuple[str, str]]) -> tuple[list[list[object] | None], str]:
    """(what the child said of the first files, how it ended where it did not say something of all)."""
    argv = [sys.executable, "-I", "-S", "-c", _CHILD, str(SECONDS), str(MEMORY)]
    given = json.dumps(files).encode()
    try:
        ran = subprocess.run(argv, input=given, capture_output=True, timeout=SECONDS, check=False)
        out, end = ran.stdout, "crashes"
    except subprocess.TimeoutExpired as late:
        out, end = late.stdout or b"", "does not end"
    return [json.loads(line) for line in out.split(b"\n")[:-1]], end


def _line(path: str, found: Sequence[object]) -> str:
    number, what, source = found
    where = f"{texts.line(path, 200)}:{number}" if number else texts.line(path, 200)
    shown = texts.line(str(source), _LONG)
    return f"{where}: {texts.line(str(what), _LONG)}" + (f": {shown}" if shown else "")
