"""Shell commands: which files a command line changes, as far as that can be read off it. Pure; standard library only.

What is recognised: `sed -i`, `perl -i`, redirections and `tee`, `cp`, `mv`, `rm` with plain arguments, `git checkout
--`, `git restore`, `git apply`, and what changes a whole work tree. For the rest the gate at the commit holds.
"""

from __future__ import annotations

import re
from posixpath import join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_REDIRECTS = frozenset({">", ">>", ">|", "&>", "&>>", "<>"})
# What a word is made of: plain characters, escapes, quotes, substitutions.
_WORD = r"""[^\s;&|<>()'"\\`$]|\\.|'[^']*'|"(?:[^"\\]|\\.)*"|\$\([^()]*\)|\$\{[^}]*\}|\$|`[^`]*`"""
_TOKEN = re.compile(
    rf"""(?P<space>[ \t\r]+)|(?P<comment>(?<![^\s;&|()])\#[^\n]*)|(?P<word>(?:{_WORD})+)"""
    r"""|(?P<here><<-?[ \t]*(?P<quote>['"]?)(?P<mark>[\w.-]+)(?P=quote))"""
    r"""|(?P<op>&>>|\d*>>|&>|\d*>\||\d*>&|\d*<>|\d*>|<<<|<|&&|\|\||\|&|[;&|()\n])""",
    re.DOTALL,
)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_WRAPPERS = {"sudo", "env", "command", "nohup", "time", "nice", "exec", "builtin", "stdbuf", "ionice", "xargs"}
MOST = 200  # paths of one command line that are looked at


class Changes:
    """What a command line changes: paths as they are spelled, and what it does to the work tree as a whole.

    `paths` and `patches` (files whose content is applied) count from where the command line starts, `cd` followed;
    `sweeping` names commands such as `git stash` that change files of others who work in the same work tree.
    """

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.patches: list[str] = []
        self.sweeping: list[str] = []

    def add(self, path: str, where: str) -> None:
        """Note a path, from the directory that the command had changed to."""
        _note(self.paths, path, where)

    def apply(self, path: str, where: str) -> None:
        """Note a patch."""
        _note(self.patches, path, where)


def _note(found: list[str], path: str, where: str) -> None:
    if path and path not in ("/dev/null", "/dev/stdout", "/dev/stderr", "-", "/dev/tty") and len(found) < MOST:
        whole = join(where, path)
        if whole not in found:
            found.append(whole)


def changes(line: str) -> Changes:
    """What a command line changes. Never raises; what it cannot read it leaves out."""
    found = Changes()
    _read(line[:100_000], found, "", 3)
    return found


def _read(line: str, found: Changes, where: str, depth: int) -> None:
    """Note what a line changes that runs in `where`; a shell in a shell in a shell, but not for ever."""
    for words in commands(line):
        moved = _one(words, found, where, depth)
        if moved is not None:
            where = join(where, moved)


def commands(line: str) -> Iterator[list[str]]:
    """The simple commands of a line as words, redirections as `>` and their target; here-documents are passed over."""
    words: list[str] = []
    at = 0
    marks: list[str] = []
    while at < len(line):
        token = _TOKEN.match(line, at)
        if token is None:
            at += 1
            continue
        at = token.end()
        if token["space"] or token["comment"]:
            continue
        if token["here"]:
            marks.append(token["mark"])
        elif token["word"] is not None:
            words.append(token["word"])
        elif token["op"] is not None:
            op = token["op"].lstrip("0123456789")
            if op in _REDIRECTS:
                words.append(">")
            elif op == "<":
                words.append("<")
            elif op == ">&":
                words.append(">&")
            elif op == "<<<":
                words.append("<")
            else:
                if words:
                    yield words
                words = []
                if op == "\n":
                    for mark in marks:
                        end = re.compile(rf"^[\t]*{re.escape(mark)}[ \t]*$", re.MULTILINE).search(line, at)
                        at = end.end() if end else len(line)
                    marks = []
    if words:
        yield words


def plain(word: str) -> str | None:
    """A word as the shell would pass it on; None where that depends on what only the shell knows, or makes several."""
    out: list[str] = []
    at = 0
    while at < len(word):
        char = word[at]
        if char == "'":
            end = word.find("'", at + 1)
            if end < 0:
                return None
            out.append(word[at + 1 : end])
            at = end + 1
        elif char == '"':
            at += 1
            while at < len(word) and word[at] != '"':
                if word[at] in "$`":
                    return None
                if word[at] == "\\" and at + 1 < len(word) and word[at + 1] in '$`"\\\n':
                    at += 1
                out.append(word[at])
                at += 1
            at += 1
        elif char == "\\":
            out.append(word[at + 1 : at + 2])
            at += 2
        elif char in "$`*?[" or (char == "~" and not out) or (char == "{" and "," in word[at:]):
            return None
        else:
            out.append(char)
            at += 1
    return "".join(out)


def _one(words: list[str], found: Changes, where: str, depth: int) -> str | None:
    """Note what one simple command changes; where it is `cd`, the directory it goes to."""
    bare: list[str] = []
    fed = ""
    at = 0
    while at < len(words):
        if words[at] in (">", "<", ">&"):
            target = plain(words[at + 1]) if at + 1 < len(words) else None
            number = target is not None and (target.isdigit() or target == "-")
            if words[at] == "<":
                fed = target or ""
            elif target and not (words[at] == ">&" and number):
                found.add(target, where)
            at += 2
            continue
        bare.append(words[at])
        at += 1
    while bare and (_ASSIGNMENT.match(bare[0]) or bare[0] in ("then", "do", "else", "if", "while", "until", "!", "{")):
        bare.pop(0)
    bare = _unwrapped(bare)
    if not bare:
        return None
    name = (plain(bare[0]) or "").rpartition("/")[2]
    args = bare[1:]
    if name == "cd" and len(args) == 1:
        return plain(args[0])
    if name in ("sh", "bash", "zsh", "dash") and "-c" in args[:3]:
        inner = args[args.index("-c") + 1 : args.index("-c") + 2]
        text = plain(inner[0]) if inner else None
        if text and depth:
            _read(text, found, where, depth - 1)
        return None
    if name == "patch":
        given = next((plain(args[at + 1]) for at, word in enumerate(args[:-1]) if word in ("-i", "--input")), None)
        if given or fed:
            found.apply(given or fed, where)
    if name == "git":
        _git(args, found, where)
    for path in _edited(name, args):
        found.add(path, where)
    return None


def _unwrapped(words: list[str]) -> list[str]:
    """A command without what only runs it (`sudo`, `env X=1`, `nice -n 5`)."""
    while words and (plain(words[0]) or "").rpartition("/")[2] in _WRAPPERS:
        words = words[1:]
        while words and (words[0].startswith("-") or _ASSIGNMENT.match(words[0]) or words[0].isdigit()):
            words = words[1:]
    return words


def _files(args: list[str], valued: tuple[str, ...] = ()) -> list[str]:
    """The arguments that are no options (nor the values of `valued`), where the shell passes them on as they are."""
    found: list[str] = []
    options, skip = True, False
    for word in args:
        text = plain(word)
        if skip:
            skip = False
        elif options and text == "--":
            options = False
        elif options and text in valued:
            skip = True
        elif text is not None and not (options and text.startswith("-")):
            found.append(text)
    return found


def _edited(name: str, args: list[str]) -> Iterator[str]:
    """The files that one command changes, git aside."""
    if name in ("sed", "gsed"):
        yield from _sed(args)
    elif name in ("perl", "ruby") and any(re.match(r"-\w*i", word) for word in args):
        yield from _script_files(args, "eE")
    elif name in ("tee", "rm", "rmdir", "unlink", "shred"):
        yield from _files(args)
    elif name in ("touch", "truncate"):
        yield from _files(args, ("-s", "-r", "-d", "-t"))
    elif name in ("cp", "install", "ln"):
        yield from _into(args, moved=False)
    elif name == "mv":
        yield from _into(args, moved=True)
    elif name == "dd":
        yield from (word[3:] for word in map(plain, args) if word and word.startswith("of="))
    elif name == "patch":
        yield from _files(args)[:1]


def _script_files(args: list[str], flags: str) -> Iterator[str]:
    """The files behind a script that is given with -e, or as the first argument."""
    script_given = any(re.match(rf"-\w*[{flags}]", word) for word in args)
    rest: list[str] = []
    skip = False
    for word in args:
        if skip:
            skip = False
        elif re.fullmatch(rf"-\w*[{flags}]", word):
            skip = True
        else:
            rest.append(word)
    files = _files(rest)
    yield from files if script_given else files[1:]


def _sed(args: list[str]) -> Iterator[str]:
    if any(re.match(r"-(?!-)\w*i|--in-place", plain(word) or "") for word in args):
        given = [word for at, word in enumerate(args) if not (word == "''" or (word == '""' and at))]
        yield from _script_files(given, "ef")


def _into(args: list[str], moved: bool) -> Iterator[str]:
    """Targets of cp and mv: the destination, or the files in it; what is moved away too."""
    files = _files(args)
    target = next((plain(word.partition("=")[2]) for word in args if word.startswith("--target-directory=")), None)
    if "-t" in args and args.index("-t") + 1 < len(args):
        target = plain(args[args.index("-t") + 1])
        files = [one for one in files if one != target]
    sources, to = (files, target) if target is not None else (files[:-1], files[-1] if len(files) > 1 else None)
    if moved:
        yield from sources
    if to is not None:
        folder = to.endswith("/") or len(sources) > 1 or target is not None
        yield from (f"{to.rstrip('/')}/{one.rstrip('/').rpartition('/')[2]}" for one in sources) if folder else (to,)


def _git(args: list[str], found: Changes, where: str) -> None:
    """Note what a git command changes."""
    words = [plain(word) or "" for word in args]
    while words and words[0].startswith("-"):  # `git -C DIR` is somewhere else
        if words[0] in ("-C", "--git-dir", "--work-tree"):
            return
        words = words[2:] if words[0] == "-c" else words[1:]
    if not words:
        return
    verb, rest = words[0], words[1:]
    if verb == "restore":
        staged = {"--staged", "-S"} & set(rest) and not {"--worktree", "-W"} & set(rest)
        _named("git restore", [] if staged else _after_options(rest, ("-s", "--source")), found, where)
    elif verb == "checkout" and "--" in rest:
        _named("git checkout", rest[rest.index("--") + 1 :], found, where)
    elif verb in ("checkout", "switch") and rest and not {"-b", "-c", "-B", "-C", "--orphan"} & set(rest):
        found.sweeping.append(f"git {verb}")
    elif verb == "stash" and (not rest or rest[0].startswith("-") or rest[0] in ("push", "save", "pop", "apply")):
        found.sweeping.append("git stash")
    elif verb == "reset" and "--hard" in rest:
        found.sweeping.append("git reset --hard")
    elif verb == "clean" and any(word.startswith("-") and "f" in word for word in rest) and not _dry(rest):
        found.sweeping.append("git clean")
    elif verb == "apply" and not {"--check", "--stat", "--numstat", "--summary", "--cached"} & set(rest):
        for word in _after_options(rest, ("-p", "-C", "--directory", "--exclude", "--include")):
            found.apply(word, where)
    elif verb in ("rm", "mv") and "--cached" not in rest and not _dry(rest):
        for word in _into(args[-len(rest) :], moved=True) if verb == "mv" else _after_options(rest, ()):
            found.add(word, where)


def _dry(words: list[str]) -> bool:
    return "--dry-run" in words or any(re.match(r"-\w*n", word) for word in words)


def _named(command: str, paths: list[str], found: Changes, where: str) -> None:
    """Paths that git brings back to what they were; the whole work tree is everybody's."""
    for path in paths:
        if path in (".", "./", ":/", ":"):
            found.sweeping.append(f"{command} {path}")
        elif not path.startswith(":"):
            found.add(path, where)


def _after_options(words: list[str], valued: tuple[str, ...]) -> list[str]:
    """The words that are no options; those behind an option of `valued` are its values."""
    found: list[str] = []
    skip, options = False, True
    for word in words:
        if skip:
            skip = False
        elif options and word == "--":
            options = False
        elif options and word in valued:
            skip = True
        elif word and not (options and word.startswith("-")):
            found.append(word)
    return found
