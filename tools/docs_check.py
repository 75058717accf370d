"""Docs against code: what the program has is documented, what is documented exists, links lead somewhere.

Prints one line for each problem; exits 1 when there are any. Run from the checkout: `python -m tools.docs_check`.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
MAN = DOCS / "git-peer.1"

_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(`+)(.+?)\1", re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
# Split, so that this file does not hold what it looks for.
_HOSTS = re.compile(
    r"\b(?:" + "|".join(re.escape(".".join(parts)) for parts in (
        ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("crates", "io"),
        ("proxy", "golang", "org"), ("docker", "io/"), ("ghcr", "io"), ("quay", "io"), ("huggingface", "co"),
    )) + r")"
)  # fmt: skip
_MACHINE = re.compile(r"(?<![\w.~$})/-])/(?:work|root|tmp/v)/")


class Missing(Exception):
    """Something that a check compares with is not there."""


def text_of(path: Path) -> str:
    """A page's text. Raises Missing when there is no such page."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Missing(f"{path.relative_to(ROOT)}: does not exist") from None


def code_of(text: str) -> list[str]:
    """What a page shows as code: its fenced blocks and its inline spans."""
    return [match[0] for match in _FENCE.finditer(text)] + [match[2] for match in _SPAN.finditer(_FENCE.sub("", text))]


def words_of(text: str) -> set[str]:
    """The words in a page's code; `locked, held` in one span are two."""
    return {word.strip("[](){}.:;\"'") for span in code_of(text) for word in re.split(r"[\s,|=·…]+", span)}


def load(module: str, name: str) -> Any:
    """An object of the program. Raises Missing when it cannot be had, so that the other checks still run."""
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise Missing(f"{module}.{name}: {error}") from None


def commands(group: Any, context: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command below a click group as its words, groups included."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            yield (*prefix, name, "(listed, but cannot be had)")
            continue
        yield (*prefix, name)
        if hasattr(command, "list_commands"):
            inner = type(context)(command, parent=context, info_name=name)
            yield from commands(command, inner, (*prefix, name))


def check_commands() -> Iterator[str]:
    """Each command is in docs/commands.md, and each `git peer X` there and in the README is a command."""
    import click

    cli = load("git_peer.cli.main", "cli")
    known = set(commands(cli, click.Context(cli, info_name="git peer")))
    shown = [" ".join(span.split()) for span in code_of(text_of(DOCS / "commands.md"))]
    for words in sorted(known):
        line = " ".join(words)
        start = re.compile(rf"(?:^|[\s|·])(?:git[ -]peer )?{re.escape(line)}(?![\w-])")
        if not any(start.search(span) if len(words) > 1 else f"git peer {line} " in f"{span} " for span in shown):
            yield f"docs/commands.md: does not have `git peer {line}`"
    first = {words[0] for words in known} | set(load("git_peer.cli.main", "HIDDEN"))
    for page in (DOCS / "commands.md", ROOT / "README.md"):
        for span in code_of(text_of(page)):
            for word in re.findall(r"\bgit[ -]peer ([a-z][a-z-]*)\b", span):
                if word not in first:
                    yield f"{page.relative_to(ROOT)}: `git peer {word}` is no command"


def sections(text: str) -> dict[str, str]:
    """Heading → what stands below it, up to the next heading."""
    parts = re.split(r"^#+ +(.+?) *$", _FENCE.sub("", text), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def check_format() -> Iterator[str]:
    """Each error code with its status, each event and record with its fields, each place on disk is in the page."""
    text = text_of(DOCS / "format.md")
    rows = set(re.findall(r"^\| `(\w+)` \| (\d+) \|", text, re.MULTILINE))
    codes = {(code, str(status)) for code, status in load("git_peer.core.errors", "EXIT").items()}
    yield from (
        f"docs/format.md: does not have the error code `{code}`, exit {status}" for code, status in codes - rows
    )
    yield from (f"docs/format.md: `{code}` with exit {status} is no error code" for code, status in rows - codes)

    told = sections(text)
    kinds = load("git_peer.core.rules.fold", "KINDS")
    base = set(load("git_peer.core.log.state", "Event").__struct_fields__)
    wanted = {kind: set(event.__struct_fields__) - base for kind, event in kinds.items()}
    for heading, module, name in (
        ("log.json", "git_peer.core.log.state", "Log"), ("Target", "git_peer.core.target.target", "Target"),
        ("Session record", "git_peer.core.session.record", "Session"),
        ("Lock record", "git_peer.core.lock.record", "Lock"),
        ("Fence record", "git_peer.core.lock.fence", "Fence"), ("Wait record", "git_peer.core.lock.queue", "Wait"),
        ("Delta record", "git_peer.core.delta.record", "Delta"),
        ("Debate record", "git_peer.core.debate.record", "Debate"),
        ("Plan record", "git_peer.core.plan.record", "Plan"), ("Task record", "git_peer.core.plan.task.record", "Task"),
        ("Contract record", "git_peer.core.plan.contracts", "Contract"),
    ):  # fmt: skip
        wanted[heading] = set(load(module, name).__struct_fields__)
    for heading, fields in wanted.items():
        if heading not in told:
            yield f"docs/format.md: has no section on {heading}"
            continue
        shown = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]+) \|", told[heading], re.MULTILINE))))
        yield from (f"docs/format.md: {heading}: does not have the field `{one}`" for one in sorted(fields - shown))
        yield from (f"docs/format.md: {heading}: `{one}` is no field" for one in sorted(shown - fields))
    for heading in told:
        if re.fullmatch(r"[a-z]+\.[a-z]+", heading) and heading not in wanted:
            yield f"docs/format.md: {heading} is no kind of event"

    layout = importlib.import_module("git_peer.layout")
    for name in vars(layout):
        place = f"peer/{getattr(layout, name)}" if name[:2] in ("F_", "D_") else getattr(layout, name)
        if name[:2] in ("F_", "D_", "T_") and place not in text:
            yield f"docs/format.md: does not have {place}"


def check_settings() -> Iterator[str]:
    """Each setting is in docs/settings.md, and each peer.* there is a setting."""
    known = {
        name if name.startswith("peer.") else f"peer.{name}" for name in load("git_peer.store.settings", "SETTINGS")
    }
    shown = words_of(text_of(DOCS / "settings.md"))
    for name in sorted(known - shown):
        yield f"docs/settings.md: does not have `{name}`"
    for name in sorted(word for word in shown - known if re.fullmatch(r"peer\.[a-zA-Z]+", word)):
        yield f"docs/settings.md: `{name}` is no setting"

    rows = "".join(re.findall(r"^\| (`[^|]+) \|", text_of(DOCS / "settings.md"), re.MULTILINE))
    for name in load("git_peer.store.settings", "_FILE_KEYS"):
        if f"`{name}`" not in rows:
            yield f"docs/settings.md: does not have the key `{name}` of .git-peer.toml"


def check_man() -> Iterator[str]:
    """The man page is what the program prints of itself."""
    done = subprocess.run(
        [sys.executable, "-m", "git_peer.cli.man"], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=60
    )
    if done.returncode:
        tail = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        yield f"docs/git-peer.1: `python -m git_peer.cli.man` failed: {' '.join(tail)}"
    elif done.stdout.decode() != text_of(MAN):
        yield "docs/git-peer.1: out of date; run `python -m git_peer.cli.man >docs/git-peer.1`"


def check_help() -> Iterator[str]:
    """The help sections of docs/commands.md are what the program says, and each command has one."""
    page = DOCS / "commands.md"
    text = text_of(page)
    try:
        current = load("git_peer.cli.man", "refreshed")(text)
    except LookupError as why:
        yield f"docs/commands.md: {why}"
        return
    if current != text:
        yield "docs/commands.md: out of date; run `python -m git_peer.cli.man docs/commands.md`"
    for usage in load("git_peer.cli.man", "usages")():
        if f"<!-- help: {usage.words} -->" not in text:
            yield f"docs/commands.md: has no help section of `git peer {usage.words}`"


def tracked() -> list[Path]:
    """The checkout's files: what git tracks, and what it would take."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
    )
    if done.returncode:
        raise Missing("git ls-files failed: the checks of the files need a git checkout")
    paths = (ROOT / name for name in sorted(set(done.stdout.decode("utf-8", "surrogateescape").split("\0")) - {""}))
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def anchors(text: str) -> set[str]:
    """The fragment of each heading, as hosting sites make them."""
    found: set[str] = set()
    for title in re.findall(r"^#+ +(.+?) *#*$", _FENCE.sub("", text), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        found.add(slug if slug not in found else f"{slug}-{sum(name.startswith(slug) for name in found)}")
    return found


def check_links() -> Iterator[str]:
    """Each relative link in a Markdown page leads to a file, and its fragment to a heading."""
    for page in tracked():
        if page.suffix != ".md":
            continue
        text = text_of(page)
        for target in _LINK.findall(re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))):
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            name, _, fragment = target.partition("#")
            there = (page.parent / name).resolve() if name else page
            if not there.exists():
                yield f"{page.relative_to(ROOT)}: the link to {target} leads nowhere"
            elif fragment and there.suffix == ".md" and fragment not in anchors(text_of(there)):
                yield f"{page.relative_to(ROOT)}: {target}: no such heading"


def check_places() -> Iterator[str]:
    """No file names a folder of one machine, or a package registry: installers know theirs."""
    for path in tracked():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, 1):
            for pattern, what in ((_MACHINE, "a path of one machine"), (_HOSTS, "the host of a package registry")):
                if found := pattern.search(line):
                    yield f"{path.relative_to(ROOT)}:{number}: {what}: {found[0]}"


CHECKS: tuple[Callable[[], Iterable[str]], ...] = (
    check_commands, check_format, check_settings, check_man, check_help, check_links, check_places,
)  # fmt: skip


def problems() -> Iterator[str]:
    """All problems. A check that cannot run is one."""
    for check in CHECKS:
        try:
            yield from check()
        except Missing as missing:
            yield f"{check.__name__.replace('_', ' ')}: {missing}"


def main() -> int:
    """Print the problems; 1 when there are any."""
    found = sorted(set(problems()))
    for line in found:
        print(line)
    print(f"docs: {len(found)} problems" if found else "docs: all in order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
