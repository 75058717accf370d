"""Choosing what of a map fits into so many characters, and writing it down."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from git_peer import layout
from git_peer.adapters import languages
from git_peer.adapters.symbols import Symbol
from git_peer.core.text import count

if TYPE_CHECKING:
    from git_peer.ops.map import File, Tree

_TAIL = 400  # characters that are kept for what was left out
_ROUND = 10  # symbols of one file at a time, so that none takes the place of all others
_NAMED = 12  # languages and links that are named
_TOOLS = {"tree-sitter": "tree-sitter", "ast": "Python's own parser", "git": "git's function-name lines"}


class _Folder:
    """A folder's own files."""

    def __init__(self) -> None:
        self.files = 0
        self.kinds: Counter[str] = Counter()  # language, vendored, generated, or other
        self.below = 0  # folders that are told as part of this one

    def add(self, other: _Folder, below: bool) -> None:
        """Take in a folder: one below, or this one itself."""
        self.files += other.files
        self.kinds += other.kinds
        self.below += other.below + below


def made(tree: Tree, tools: dict[str, str], read: set[str], involved: int, most: int) -> tuple[dict[str, Any], str]:
    """(data, text) of a map; the text is at most `most` characters long."""
    head = _head(tree, tools, most // 3)
    folders = _folders(tree.files)
    room = most - len(head) - _TAIL
    lines = {path: _folder_line(path, folder, False) for path, folder in folders.items()}
    if _size(lines) > room // 2:
        folders, lines = _fold(folders, room)
    room -= _size(lines)
    links = _links(tree.links, room // 4)
    room -= len(links)
    files = [file for file in tree.files if file.symbols]
    homes = {file.path: _home(file.path, folders) for file in files}
    shown = _fit(files, homes, room)
    left = _left_out(tree, folders, shown, read, involved)
    body = []
    by_folder = defaultdict(list)
    for file in files:
        if file.path in shown:
            by_folder[homes[file.path]].append(file)
    for path, line in sorted(lines.items()):
        body.append(line)
        for file in by_folder[path]:
            body.append(_file_line(file, path))
            body += [_symbol_line(file.symbols[i]) for i in sorted(shown[file.path])]
    text = head + "\n".join(body) + ("\n" if body else "") + links + _tail(left)
    assert len(text) <= most, (len(text), most)
    data = {
        "commit": tree.commit or None,
        "folders": [
            {**path_view(path), "files": folder.files, "languages": _only_languages(folder.kinds)}
            for path, folder in sorted(folders.items())
        ],
        "languages": [
            {"name": name, "files": count, "lines": total, "symbols_by": tools.get(name)}
            for name, count, total in _languages(tree.files)
        ],
        "files": [
            {
                **path_view(file.path),
                "language": file.language,
                "lines": file.lines,
                "symbols": [_symbol_view(file.symbols[i]) for i in sorted(shown[file.path])],
            }
            for file in files
            if file.path in shown
        ],
        "links": [{**path_view(path), "kind": kind} for path, kind in tree.links[: links.count("\n")]],
        "left_out": left,
        "text": text,
    }
    return data, text


# -- views ----------------------------------------------------------------------------------------
def path_view(path: str) -> dict[str, str]:
    """`path`, and `path_encoding` where its bytes are not UTF-8."""
    if layout.is_utf8(path):
        return {"path": path}
    return {"path": layout.percent(path), "path_encoding": "percent"}


def _symbol_view(symbol: Symbol) -> dict[str, Any]:
    return {"name": symbol.name, "kind": symbol.kind, "signature": symbol.signature, "line": symbol.line}


def _only_languages(kinds: Counter[str]) -> dict[str, int]:
    return {name: kinds[name] for name in sorted(kinds) if name[:1].isupper()}


def _safe(text: str) -> str:
    """Text in one line: control and direction-changing characters are shown, not obeyed."""
    if not layout.is_utf8(text):
        text = layout.percent(text)
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


# -- lines ----------------------------------------------------------------------------------------
def _languages(files: list[File]) -> list[tuple[str, int, int]]:
    """(name, files, lines), the largest first; without what is vendored or generated."""
    count: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for file in files:
        if file.language and file.state not in {"vendored", "generated"}:
            count[file.language] += 1
            lines[file.language] += file.lines
    return sorted(((name, count[name], lines[name]) for name in count), key=lambda row: (-row[2], -row[1], row[0]))


def _head(tree: Tree, tools: dict[str, str], room: int) -> str:
    if not tree.commit:
        return "Nothing is committed yet.\n"
    every = _languages(tree.files)
    named = [f"{name} {count(number, 'file')} {count(lines, 'line')}" for name, number, lines in every]
    by_tool = defaultdict(list)
    for language, used in tools.items():
        for tool in used.split("+"):
            by_tool[tool].append(language)
    used_by = [f"{_TOOLS[tool]} ({', '.join(by_tool[tool])})" for tool in sorted(by_tool, reverse=True)]
    for number in range(min(_NAMED, len(named)), -1, -1):
        some = named[:number] + ([f"{len(named) - number} more"] if number < len(named) else [])
        out = [f"map of {tree.commit[:12]}: {count(len(tree.files), 'file')}"]
        out += ["languages: " + "; ".join(some)] if some else []
        out += ["symbols by: " + "; ".join(used_by)] if used_by else []
        if sum(map(len, out)) + 4 <= room:
            break
    return "\n".join(out) + "\n\n"


def _folder_line(path: str, folder: _Folder, short: bool) -> str:
    name = _safe(path) + "/"
    if short:
        return name + (f"  and {folder.below:,} folders below" if folder.below else "")
    kinds = sorted(folder.kinds.items(), key=lambda row: (not row[0][:1].isupper(), -row[1], row[0]))
    return f"{name}  {', '.join(f'{count:,} {kind}' for kind, count in kinds)}"


def _file_line(file: File, home: str) -> str:
    return f"  {_safe(file.path if home == '.' else file.path[len(home) + 1 :])}  {file.lines:,} lines"


def _symbol_line(symbol: Symbol) -> str:
    return "    " + "  " * min(symbol.name.count("."), 4) + _safe(symbol.signature)


def _size(lines: dict[str, str]) -> int:
    return sum(len(line) + 1 for line in lines.values())


def _links(links: list[tuple[str, str]], room: int) -> str:
    """Submodules and symlinks, a line each, as far as there is room."""
    out = ""
    for path, kind in links[:_NAMED]:
        line = f"{_safe(path)}  {kind}, not followed\n"
        if len(out) + len(line) > room:
            break
        out += line
    return out


# -- folders --------------------------------------------------------------------------------------
def _folder_of(path: str) -> str:
    """The folder that a file is told under: its own, or the outermost one that is vendored or generated."""
    folder = path.rpartition("/")[0]
    if languages.unwritten(folder + "/"):
        parts = folder.split("/")
        for depth in range(1, len(parts)):
            outer = "/".join(parts[:depth])
            if languages.unwritten(outer + "/"):
                return outer
    return folder or "."


def _folders(files: list[File]) -> dict[str, _Folder]:
    found: dict[str, _Folder] = defaultdict(_Folder)
    for file in files:
        folder = found[_folder_of(file.path)]
        folder.files += 1
        kind = file.state if file.state in {"vendored", "generated"} else file.language or "other"
        folder.kinds[kind] += 1
    return dict(sorted(found.items()))


def _home(path: str, folders: dict[str, _Folder]) -> str:
    """The folder among `folders` that a file is told under."""
    folder = _folder_of(path)
    while folder not in folders:
        folder = folder.rpartition("/")[0] or "."
        if folder == ".":
            break
    return folder


def _fold(folders: dict[str, _Folder], room: int) -> tuple[dict[str, _Folder], dict[str, str]]:
    """As many folders as there is room to name, whole levels from the top on; deeper ones become part of those."""
    deepest = max(path.count("/") for path in folders)
    if _size(_short_lines(folders)) <= room:
        return folders, _short_lines(folders)
    room = room * 2 // 3  # where not all can be named, symbols get a third
    few, many = -1, deepest
    while few < many:  # the deepest level that fits
        depth = (few + many + 1) // 2
        if _size(_short_lines(_cut(folders, depth))) <= room:
            few = depth
        else:
            many = depth - 1
    if few < 0:
        return _some(_cut(folders, 0), room)
    kept = _cut(folders, few)
    return kept, _short_lines(kept)


def _cut(folders: dict[str, _Folder], depth: int) -> dict[str, _Folder]:
    """The folders down to a level."""
    kept: dict[str, _Folder] = defaultdict(_Folder)
    for path, folder in folders.items():
        parts = path.split("/", depth + 1)
        kept["/".join(parts[: depth + 1])].add(folder, len(parts) > depth + 1)
    return kept


def _some(folders: dict[str, _Folder], room: int) -> tuple[dict[str, _Folder], dict[str, str]]:
    """The first of too many folders; the others become part of the top."""
    kept, top, used = {}, _Folder(), 0
    for path, folder in sorted(folders.items()):
        used += len(_folder_line(path, folder, True)) + 1
        if path == "." or used > room - 60:
            top.add(folder, path != ".")
        else:
            kept[path] = folder
    kept["."] = top
    return kept, _short_lines(kept)


def _short_lines(folders: dict[str, _Folder]) -> dict[str, str]:
    return {path: _folder_line(path, folder, True) for path, folder in folders.items()}


# -- files and symbols ----------------------------------------------------------------------------
def _fit(files: list[File], homes: dict[str, str], room: int) -> dict[str, set[int]]:
    """Path → which of its symbols have a place. Breadth first: some of each file before more of any, the outer
    symbols before their members, constants last; files near the top and with more symbols first, tests last."""
    order = sorted(
        files,
        key=lambda f: (languages.is_test(f.path), f.path.count("/"), -len(f.symbols), f.path),
    )
    shown: dict[str, set[int]] = {}
    for wanted in ("outer", "inner", "constant"):
        queues = {file.path: _queue(file, wanted) for file in order}
        while any(queues.values()):
            before = room
            for file in order:
                room = _take(file, homes[file.path], queues[file.path], shown, room)
            if room == before:
                break
    return shown


def _queue(file: File, wanted: str) -> list[int]:
    def part(symbol: Symbol) -> str:
        return "constant" if symbol.kind == "constant" else "inner" if symbol.inner else "outer"

    return [i for i, symbol in enumerate(file.symbols) if part(symbol) == wanted]


def _take(file: File, home: str, queue: list[int], shown: dict[str, set[int]], room: int) -> int:
    """Move up to a round of symbols from a file's queue to what is shown; the room that is left."""
    now, queue[:] = queue[:_ROUND], queue[_ROUND:]
    places = {symbol.name: i for i, symbol in enumerate(file.symbols)}
    for index in now:
        symbol = file.symbols[index]
        chosen = shown.get(file.path, set())
        owner = places.get(symbol.name.rpartition(".")[0])
        if symbol.inner and owner is not None and owner not in chosen:
            continue
        cost = len(_symbol_line(symbol)) + 1 + (0 if chosen else len(_file_line(file, home)) + 1)
        if cost > room:
            continue
        room -= cost
        shown.setdefault(file.path, set()).add(index)
    return room


def _left_out(
    tree: Tree, folders: dict[str, _Folder], shown: dict[str, set[int]], read: set[str], involved: int
) -> dict[str, int]:
    """In numbers: what is tracked and not in the map, and why."""
    states = Counter(file.state for file in tree.files if file.state)
    source = [file for file in tree.files if not file.state and file.language in languages.SYMBOLS and file.size]
    full = _folders(tree.files)
    return {
        "folders": len(full.keys() - folders.keys()),
        "files": sum(file.path not in shown and bool(file.symbols) for file in source),
        "symbols": sum(len(file.symbols) - len(shown.get(file.path, ())) for file in source),
        "unread": sum(file.path not in read for file in source),
        "involved": involved,
        **{state: states[state] for state in ("vendored", "generated", "large", "binary", "missing", "uncounted")},
        "missing_folders": tree.missing,
    }


def _tail(left: dict[str, int]) -> str:
    names = {
        "folders": "folders (counted with the one above)", "files": "files with symbols", "symbols": "symbols",
        "unread": "source files unread", "involved": "too involved", "vendored": "vendored", "generated": "generated",
        "large": "large", "binary": "binary", "missing": "not in this clone", "uncounted": "uncounted",
        "missing_folders": "folders not in this clone",
    }  # fmt: skip
    told = [f"{count:,} {names[what]}" for what, count in left.items() if count]
    return f"\nleft out: {', '.join(told)}\n" if told else ""
