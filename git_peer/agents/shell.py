"""Shell commands: which files a command line changes, as far as that can be read off it. Pure; standard library only.

What is recognised: `sed -i`, `perl -i`, redirections and `tee`, `cp`, `mv`, `rm` with plain arguments, `git checkout
--`, `git restore`, `git apply`, and commands of which git has to tell what they change (`find -delete`, `rsync` and
`xargs` among them); what takes the gate away, or passes it. For the rest the gate at the commit holds.
"""

from __future__ import annotations

import re
from posixpath import basename, join, normpath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

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
# What only runs another command: its options that take a value, and how many words of its own come before that.
_WRAPPERS: dict[str, tuple[str, int]] = {
    "builtin": ("", 0),
    "busybox": ("", 0),
    "caffeinate": ("-t -w", 0),
    "chronic": ("", 0),
    "chrt": ("-T -P -D", 1),
    "command": ("", 0),
    "doas": ("-u -C", 0),
    "env": ("-u --unset -C --chdir", 0),
    "exec": ("-a", 0),
    "flock": ("-w --timeout -E --conflict-exit-code", 1),
    "ionice": ("-c --class -n --classdata", 0),
    "nice": ("-n --adjustment", 0),
    "nohup": ("", 0),
    "setsid": ("", 0),
    "stdbuf": ("-i -o -e --input --output --error", 0),
    "strace": ("-o -e -s", 0),
    "sudo": ("-u --user -g --group -h --host -p --prompt -C -r -t -D --chdir", 0),
    "taskset": ("", 1),
    "time": ("-f --format -o --output", 0),
    "timeout": ("-k --kill-after -s --signal", 1),
    "unbuffer": ("", 0),
    "watch": ("-n --interval", 0),
    "xargs": ("-n -I -L -P -d -E -s -a", 0),
}
_SHELLS = ("sh", "bash", "zsh", "dash", "ksh", "ash")
_KEYWORDS = ("then", "do", "else", "elif", "if", "while", "until", "!", "{")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_INNER = re.compile(r"\$\(([^()]*)\)|`([^`]*)`")
MOST = 200  # paths of one command line that are looked at
OPENS = "open"  # a Call of this verb takes the gate away: its words are what it does that to
_HOOKS = "pre-commit|pre-merge-commit|pre-push|reference-transaction"
_GATE = re.compile(
    rf"(?:^|/)\.git(?:/\*?)?$|(?:^|/)\.git/(?:hooks(?:/(?:\*?|{_HOOKS}|(?P<some>[^/]*[*?\[{{][^/]*)))?|peer(?:/(?:\*?|hooks.*|clone\.json))?)/?$"
)
# What stands for git's folder, in a word that only the shell could fill in.
_ASKED = re.compile(r"\$\(\s*git rev-parse --(?:git-path (\S+?)|(?:absolute-)?git-(?:common-)?dir)\s*\)")


class Call:
    """A git command of which only git can tell what it changes: its words behind `git`, `verb` the first of them.

    `where` is the directory that it runs in, counted from where the line starts; `gitdir` and `tree` are what it is
    told of both, "" where it finds them itself. `unhooked`: it has git run no hooks.
    """

    def __init__(
        self, verb: str, words: Sequence[str], where: str, gitdir: str = "", tree: str = "", unhooked: bool = False
    ) -> None:
        self.verb = verb
        self.words = tuple(words)
        self.where = where
        self.gitdir = gitdir
        self.tree = tree
        self.unhooked = unhooked

    @property
    def command(self) -> str:
        """How it is spoken of."""
        if self.verb in (OPENS, "find", "rsync"):
            return " ".join(self.words[:3] if self.verb == OPENS else (self.verb, *self.words[:2]))
        mark = next((word for word in self.words if word in ("--hard", "--autostash", "--no-verify")), "")
        return " ".join(filter(None, ("git", self.verb, mark)))


class Changes:
    """What a command line changes: paths as they are spelled, and what it does to the work tree as a whole.

    `paths` and `patches` (files whose content is applied) count from where the command line starts, `cd` followed;
    `calls` are commands such as `git stash`, of which git tells what they change.
    """

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.patches: list[str] = []
        self.calls: list[Call] = []

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


def changes(
    line: str, variables: Mapping[str, str] | None = None, alias: Callable[[str, str], str] | None = None
) -> Changes:
    """What a command line changes, with the shell's variables that are known. Never raises.

    `alias`: what git's settings have a word stand for, in a directory; "" for nothing. What it cannot read it leaves
    out.
    """
    found = Changes()
    _Reading(found, dict(variables or {}), alias).read(line[:100_000], "", 3)
    return found


def commands(line: str) -> list[list[str]]:
    """The simple commands of a line as words, redirections as `>` and their target, a here-document as `<<` and itself.

    A subshell stands between `(` and `)`, each a command of its own.
    """
    found: list[list[str]] = []
    words: list[str] = []
    at = 0
    marks: list[tuple[str, list[str], int]] = []  # of a here-document: its end, and where its text goes
    while at < len(line):
        token = _TOKEN.match(line, at)
        if token is None:
            at += 1
            continue
        at = token.end()
        if token["space"] or token["comment"]:
            continue
        if token["here"]:
            words += ["<<", ""]
            marks.append((token["mark"], words, len(words) - 1))
        elif token["word"] is not None:
            words.append(token["word"])
        elif token["op"] is not None:
            op = token["op"].lstrip("0123456789")
            if op in _REDIRECTS:
                words.append(">>" if op.endswith(">>") else ">")
            elif op == "<":
                words.append("<")
            elif op == ">&":
                words.append(">&")
            elif op == "<<<":
                words.append("<")
            else:
                if words:
                    found.append(words)
                words = []
                if op in ("(", ")", "|", "|&"):
                    found.append([op[0]])
                if op == "\n":
                    for mark, told, place in marks:
                        end = re.compile(rf"^[\t]*{re.escape(mark)}[ \t]*$", re.MULTILINE).search(line, at)
                        told[place] = line[at : end.start() if end else len(line)]
                        at = end.end() if end else len(line)
                    marks = []
    if words:
        found.append(words)
    return found


def plain(word: str, variables: Mapping[str, str] | None = None) -> str | None:
    """A word as the shell would pass it on; None where that depends on what only the shell knows, or makes several."""
    if variables:
        word = _filled(word, variables)
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


def _filled(word: str, variables: Mapping[str, str]) -> str:
    """A word with the variables in it that are known, and one's home, where the shell puts them in."""
    if word == "~" or word.startswith("~/"):
        word = variables.get("HOME", "~") + word[1:]
    out, at = "", 0
    while at < len(word):
        if word[at] == "'":
            end = word.find("'", at + 1)
            end = len(word) if end < 0 else end + 1
            out, at = out + word[at:end], end
            continue
        named = _VARIABLE.match(word, at) if word[at] == "$" else None
        value = variables.get(named[1] or named[2]) if named else None
        if named and value is not None and not re.search(r"[\s\"'\\$`*?\[]", value):
            out, at = out + value, named.end()
            continue
        step = 2 if word[at] == "\\" else 1
        out, at = out + word[at : at + step], at + step
    return out


class _Reading:
    """One reading of a line, with what it sets on its way."""

    def __init__(
        self, found: Changes, variables: dict[str, str], alias: Callable[[str, str], str] | None = None
    ) -> None:
        self.found = found
        self.alias = alias
        self.aliases: dict[str, str] = {}  # that the line itself sets
        self.variables = variables
        self.began = dict(variables)
        self.exported: dict[str, str] = {}
        self.piped: list[str] = []  # the command whose output is the next one's input

    def plain(self, word: str) -> str | None:
        """A word as the shell would pass it on, as far as that can be known."""
        return plain(word, self.variables)

    def read(self, line: str, where: str, depth: int) -> None:
        """Note what a line changes that runs in `where`; a shell in a shell in a shell, but not for ever."""
        before: list[str] = []
        last: list[str] = []
        for words in commands(line):
            self.piped = last if words != ["|"] and self.piped == ["|"] else []
            if words == ["|"]:
                self.piped = words
                continue
            last = words
            if words == ["("]:
                before.append(where)
            elif words == [")"]:
                where = before.pop() if before else where
            else:
                moved = self._one(words, where, depth)
                where = where if moved is None else join(where, moved)

    def _one(self, words: list[str], where: str, depth: int) -> str | None:
        """Note what one simple command changes; where it is `cd`, the directory it goes to."""
        bare, fed, text = self._redirected(words, where)
        if depth:
            for word in words:
                for inner in _INNER.findall(re.sub(r"'[^']*'", "", word)):
                    self.read("".join(inner), where, depth - 1)
        while bare and bare[0] in _KEYWORDS:
            bare.pop(0)
        given: dict[str, str] = {}
        bare, where = self._unwrapped(bare, given, where)
        if not bare:
            self.variables |= given
            return None
        name = basename(self.plain(bare[0]) or "")
        args = bare[1:]
        if name in ("export", "declare", "local", "readonly", "typeset"):
            self._assigned(args, self.variables)
            if name == "export":
                self._assigned(args, self.exported)
            return None
        if name in ("cd", "pushd"):
            to = [self.plain(word) for word in args if not word.startswith("-")]
            return to[0] if len(to) == 1 else None
        script = self._script(name, args, text)
        if script is not None:
            if script and depth:
                self.read(script, where, depth - 1)
            return None
        if name == "patch":
            named = (self.plain(args[at + 1]) for at, word in enumerate(args[:-1]) if word in ("-i", "--input"))
            file = next(named, None) or fed
            if file:
                self.found.apply(file, where)
        filled = [_filled(word, self.variables) for word in args]
        if name == "git":
            told = {**self.exported, **given}
            as_another = any(key.startswith("GIT_PEER_") and self.began.get(key) != told[key] for key in told)
            filled, script = self._meant(filled, where)
            if script and depth:
                self.read(script, where, depth - 1)
            _git(filled, self.found, where, {**self.variables, **given}, as_another)
        ours = args[1:] if name == "git" and args[:1] == ["peer"] else args if name == "git-peer" else []
        if _after_options(ours, ("--as",))[:1] == ["uninstall"] and not {"-h", "--help"} & set(ours):
            self._opens(["git", "peer", "uninstall"], where)
        self._spread(name, filled, where)
        for path in _edited(name, filled):
            self.found.add(path, where)
        return None

    def _meant(self, args: list[str], where: str) -> tuple[list[str], str]:
        """(git's arguments with aliases spelled out, the command of the shell that one of them stands for)."""
        for _ in range(5):  # one may stand for another
            words = [_spelled(word) for word in args]
            at = _verb_at(words)
            if at == len(words):
                break
            told = {
                key[6:].lower(): value
                for key, _, value in (one.partition("=") for one in words[:at])
                if key.lower().startswith("alias.")
            }
            verb, rest = words[at], args[at + 1 :]
            if verb == "config":
                self._renamed(words[at + 1 :])
            if verb in _KNOWN:
                break
            meant = {**self.aliases, **told}.get(verb.lower()) or (self.alias(verb, where) if self.alias else "")
            if meant.startswith("!"):
                return args, " ".join([meant[1:], *rest])
            if not meant:
                break
            args = [*args[:at], *next(iter(commands(meant)), []), *rest]
        return args, ""

    def _renamed(self, words: Sequence[str]) -> None:
        """Note the alias that `git config` sets."""
        named = _after_options(words, _CONFIG_VALUED)
        named = named[1:] if named[:1] == ["set"] else named
        if len(named) > 1 and named[0].lower().startswith("alias."):
            self.aliases[named[0][6:].lower()] = named[1]

    def _opens(self, words: Sequence[str], where: str) -> None:
        """Note what takes the gate away."""
        self.found.calls.append(Call(OPENS, words, where))

    def _spread(self, name: str, args: Sequence[str], where: str) -> None:
        """Note a command that changes files which it does not name, or files of the gate."""
        if name == "find" and args:
            words = [_spelled(word) for word in args]
            self.found.calls.append(Call("find", words, where))
            if "-delete" in words or {"rm", "chmod", "mv", "truncate", "unlink"} & set(words):
                at = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
                self._gone(name, words[:at], where)
        elif name == "rsync" and not _dry(args):
            self.found.calls.append(Call("rsync", [_spelled(word) for word in args], where))
        edited = _edited(name, list(args)) if name in ("sed", "gsed", "perl", "ruby") else ()
        self._gone(name, [*_taken_away(name, args), *edited], where)

    def _gone(self, name: str, words: Iterable[str], where: str) -> None:
        """Note which of the words name the gate."""
        for word in words:
            asked = _ASKED.sub(lambda found: f".git/{found[1]}" if found[1] else ".git", word.strip("\"'"))
            path = asked if asked != word.strip("\"'") else _spelled(word)
            whole = normpath(join(where, path)) if path else ""
            named = _GATE.search(whole)
            if named and (not named["some"] or any(_is_among(hook, named["some"]) for hook in _HOOKS.split("|"))):
                self._opens([name, path], whole[: whole.rindex(".git")])

    def _fed(self, words: Sequence[str]) -> list[str]:
        """The words that xargs gets of the command before it, as far as that can be known."""
        name, args = (basename(self.plain(words[0]) or ""), words[1:]) if words else ("", ())
        if name in ("echo", "printf"):
            return [word for word in args if not word.startswith("-") and "%" not in word]
        return []

    def _redirected(self, words: list[str], where: str) -> tuple[list[str], str, str]:
        """(the words without redirections, the file that is fed to it, the here-document); what it writes is noted."""
        bare: list[str] = []
        fed = text = ""
        at = 0
        while at < len(words):
            if words[at] == "<<" and at + 1 < len(words):
                text = words[at + 1]
                at += 2
                continue
            if words[at] not in (">", ">>", "<", ">&"):
                bare.append(words[at])
                at += 1
                continue
            target = self.plain(words[at + 1]) if at + 1 < len(words) else None
            number = target is not None and (target.isdigit() or target == "-")
            if words[at] == ">":
                self._spread("tee", [words[at + 1]] if at + 1 < len(words) else [], where)
            if words[at] == "<":
                fed = target or ""
            elif target and not (words[at] == ">&" and number):
                self.found.add(target, where)
            at += 2
        return bare, fed, text

    def _unwrapped(self, words: list[str], given: dict[str, str], where: str) -> tuple[list[str], str]:
        """A command without what only runs it (`sudo`, `env X=1`, `timeout 30`), and where it runs.

        `given`: what it finds set, beside what the shell has.
        """
        while words:
            taken = self._assigned(words, given)
            words = words[taken:]
            wrapper = _WRAPPERS.get(basename(self.plain(words[0]) or "")) if words else None
            if wrapper is None:
                break
            by_xargs = basename(self.plain(words[0]) or "") == "xargs"
            valued, own = wrapper[0].split(), wrapper[1]
            words = words[1:]
            while words and (words[0].startswith("-") or _ASSIGNMENT.match(words[0]) or words[0].isdigit() or own):
                option = words[0].partition("=")[0]
                if option in ("-C", "-D", "--chdir") and option in valued:
                    to = words[0].partition("=")[2] or (words[1] if len(words) > 1 else "")
                    where = join(where, self.plain(to) or "")
                own -= not words[0].startswith("-") and not self._assigned(words[:1], given) and own > 0
                words = words[2 if words[0] in valued else 1 :]
            if by_xargs:
                words = self._xargs(words, where)
        return words, where

    def _xargs(self, words: list[str], where: str) -> list[str]:
        """A command with what xargs puts behind it; what git lists for it, and find, git is asked about."""
        name = basename(self.plain(self.piped[0]) or "") if self.piped else ""
        given = [_spelled(_filled(word, self.variables)) for word in self.piped[1:]]
        if name in ("git", "find") and words and any(True for _ in _changed([*words, _EACH])):
            self.found.calls.append(Call("find" if name == "find" else "listed", [*given, _RUN], where))
        return [*words, *self._fed(self.piped)]

    def _assigned(self, words: Sequence[str], into: dict[str, str]) -> int:
        """How many of the first words are assignments; they are noted."""
        for number, word in enumerate(words):
            found = _ASSIGNMENT.match(word)
            if not found:
                return number
            value = self.plain(word[found.end() :])
            if value is not None:
                into[word[: found.end()].rstrip("+=")] = value
        return len(words)

    def _script(self, name: str, args: list[str], text: str) -> str | None:
        """What a shell is given to run, "" for what cannot be told; None where this is no shell."""
        if name == "eval":
            return " ".join(self.plain(word) or "" for word in args)
        if name not in _SHELLS:
            return None
        options = [at for at, word in enumerate(args) if re.fullmatch(r"-[A-Za-z]*c[A-Za-z]*", word)]
        if options:
            rest = [word for word in args[options[0] + 1 :] if not word.startswith("-")]
            return (self.plain(rest[0]) or "") if rest else ""
        if any(not word.startswith("-") for word in args):
            return ""
        return text or " ".join(self.plain(word) or "" for word in self._fed(self.piped))


_EACH = "{}"  # a file, in the command that find runs for it
_RUN = "-delete"  # find's word for: each of these is changed


def _changed(words: list[str]) -> Iterator[str]:
    """The files that a command changes, as far as it names them."""
    name, args = basename(plain(words[0]) or ""), words[1:]
    if name == "git":
        found = Changes()
        _git(args, found, "", {}, False)
        yield from found.paths
    else:
        yield from _edited(name, args)


def names_gate(path: str) -> bool:
    """Whether a path is a hook of git-peer's, or one that it has its block in."""
    found = _GATE.search(path)
    return found is not None and not found["some"]


def changes_each(words: Sequence[str]) -> bool:
    """Whether the command that `find -exec` runs, from its name on, changes the file that `{}` stands for."""
    while words and basename(words[0]) in _WRAPPERS:
        words = words[1:]
    return bool(words) and any(_EACH in path for path in _changed([f"'{_EACH}'" if w == _EACH else w for w in words]))


def _taken_away(name: str, args: Sequence[str]) -> Iterator[str]:
    """The words that name what a command removes, replaces, or makes no longer executable."""
    files = [word for word in args if not word.startswith("-")]
    if name in ("rm", "rmdir", "unlink", "shred", "mv", "truncate", "tee"):
        yield from files if name != "tee" or not {"-a", "--append"} & set(args) else ()
    elif name in ("cp", "install", "ln"):
        yield from files[-1:]
    elif name == "chmod":
        modes = [word for word in args if _MODE.fullmatch(word)]
        if modes and _unsets_x(modes[0]):
            yield from (word for word in files if word != modes[0])


def _is_among(name: str, pattern: str) -> bool:
    """Whether the shell may make this name of a pattern."""
    said = re.split(r"(\*+|\?|\[[^]]*\]|\{[^}]*\})", pattern)
    rows = [".*" if part[:1] in ("*", "{") else "." if part[:1] in ("?", "[") else re.escape(part) for part in said]
    braces = [part.strip("{}").split(",") for part in said if part.startswith("{")]
    return re.fullmatch("".join(rows), name) is not None and all(any(one in name for one in some) for some in braces)


_MODE = re.compile(r"[0-7]{3,4}|(?:[ugoa]*[-+=][rwxXstugo]*,?)+")


def _unsets_x(mode: str) -> bool:
    """Whether a mode that chmod is given leaves no execute bit."""
    if mode.isdigit():
        return not any(int(digit) & 1 for digit in mode[-3:])
    return re.search(r"-[rwst]*x|=(?![rwst]*x)", mode) is not None


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
    elif name == "chmod":
        mode = next((word for word in args if _MODE.fullmatch(word)), "")
        if "x" in mode or mode.isdigit():  # git keeps no other bit
            yield from _files([word for word in args if word != mode])


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


_TOLD = {"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env", "--super-prefix"}  # with a value
_CONFIG_VALUED = ("-f", "--file", "--blob", "--type", "--default", "--comment", "--value", "--url")
# What git takes for itself, whatever an alias says: no question is asked about these.
_KNOWN = frozenset(
    """
    add am annotate apply archive bisect blame branch bundle cat-file check-ignore checkout cherry cherry-pick clean
    clone commit commit-tree config describe diff diff-tree difftool fetch filter-branch for-each-ref format-patch
    fsck gc grep hash-object help init log ls-files ls-remote ls-tree maintenance merge merge-base mergetool mv
    name-rev notes peer pull push range-diff read-tree rebase reflog remote reset restore rev-list rev-parse revert
    rm shortlog show show-ref sparse-checkout stash status submodule switch symbolic-ref tag update-index update-ref
    version worktree write-tree
    """.split()
)
_TREES = ("pull", "rebase", "merge", "cherry-pick", "revert", "read-tree", "checkout-index")


def _spelled(word: str) -> str:
    """A word as git gets it; of a pattern that the shell would fill in the pattern."""
    found = plain(word)
    return found if found is not None else "" if "$" in word or "`" in word else word.strip("\"'")


def _verb_at(words: Sequence[str]) -> int:
    """Where git's command stands among its arguments."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in _TOLD else 1
    return min(at, len(words))


def _git(args: list[str], found: Changes, where: str, variables: Mapping[str, str], as_another: bool) -> None:
    """Note what a git command changes."""
    words = [_spelled(word) for word in args]
    gitdir, tree = variables.get("GIT_DIR", ""), variables.get("GIT_WORK_TREE", "")
    settings = [value for key, value in variables.items() if key.startswith("GIT_CONFIG_")]
    while words and words[0].startswith("-"):
        option, _, value = words[0].partition("=")
        apart = option in _TOLD and "=" not in words[0]
        value = words[1] if apart and len(words) > 1 else value
        if option == "-C":
            where = join(where, value)
        elif option == "--git-dir":
            gitdir = value
        elif option == "--work-tree":
            tree = value
        elif option in ("-c", "--config-env"):
            settings.append(value)
        words = words[2 if apart else 1 :]
    if not words:
        return
    verb, rest = words[0], words[1:]
    unhooked = as_another or any("core.hookspath" in one.lower() for one in settings)

    def call(name: str, at: str = where) -> None:
        found.calls.append(Call(name, rest, at, gitdir, tree, unhooked or _skips_hooks(verb, rest)))

    if verb == "restore":
        staged = {"--staged", "-S"} & set(rest) and not {"--worktree", "-W"} & set(rest)
        named = _after_options(rest, ("-s", "--source"))
        if not staged and (not named or any(map(_is_pathspec, named))):
            call(verb)
        elif not staged:
            _named(named, found, where)
    elif verb == "checkout" and "--" in rest:
        named = rest[rest.index("--") + 1 :]
        if not named or any(map(_is_pathspec, named)):
            call(verb)
        else:
            _named(named, found, where)
    elif verb == "worktree" and rest[:1] == ["remove"] and {"-f", "--force", "-ff"} & set(rest):
        for folder in _after_options(rest[1:], ()):
            call("worktree remove", join(where, folder))
    elif verb in ("apply", "am") and not {"--check", "--stat", "--numstat", "--summary", "--cached"} & set(rest):
        for word in _after_options(rest, ("-p", "-C", "--directory", "--exclude", "--include")):
            found.apply(word, where)
    elif verb in ("rm", "mv") and "--cached" not in rest and not _dry(rest):
        for word in _into(args[-len(rest) :], moved=True) if verb == "mv" else _after_options(rest, ()):
            found.add(word, where)
    elif verb == "config" and _opens_gate(rest):
        found.calls.append(Call(OPENS, ["git", "config", _opens_gate(rest)], where, gitdir, tree))
    elif _changes_tree(verb, rest) or (verb in ("commit", "push") and (unhooked or _skips_hooks(verb, rest))):
        call(verb)


def _changes_tree(verb: str, words: Sequence[str]) -> bool:
    """Whether a command may change files that it does not name."""
    if verb in ("checkout", "switch"):
        made = {"-b", "-c", "-B", "-C"} & set(words)
        return bool(words) and not (made and len(_after_options(words, ("-t", "--track"))) < 2)
    if verb == "stash":
        return not words or words[0].startswith("-") or words[0] in ("push", "save", "pop", "apply")
    if verb == "reset":
        return bool({"--hard", "--merge", "--keep"} & set(words))
    return verb in _TREES or (verb == "clean" and not _dry(words))


def _opens_gate(words: Sequence[str]) -> str:
    """The setting that `git config` is told to change, where the gate hangs on it; "" for none."""
    named = _after_options(words, _CONFIG_VALUED)
    if named[:1] in (["set"], ["unset"]):
        return next((word for word in named[1:2] if word.lower() in ("core.hookspath", "peer.strict")), "")
    changes = len(named) > 1 or "" in words or {"--unset", "--unset-all", "--add", "--replace-all"} & set(words)
    if not changes or any(word.startswith("--get") for word in words) or named[:1] in (["get"], ["list"]):
        return ""
    return next((word for word in named[:1] if word.lower() in ("core.hookspath", "peer.strict")), "")


# Options of the two whose value is a word of its own.
_VALUES = {
    "commit": "--message --file --reuse-message --reedit-message --template --author --date --fixup --squash --cleanup "
    "--trailer --pathspec-from-file".split(),
    "push": "-o --push-option --repo --receive-pack --exec".split(),
}


def _skips_hooks(verb: str, words: Sequence[str]) -> bool:
    """Whether a commit or a push is told to run no hooks."""
    if verb not in ("commit", "push"):
        return False
    skip = False
    for word in words:
        if skip:
            skip = False
            continue
        if word == "--":
            break
        skip = word in _VALUES[verb] or (
            verb == "commit" and re.fullmatch(r"-(?!-)[aepqsvz]*[mFCct]", word) is not None
        )
        if len(word) > 8 and "--no-verify".startswith(word):
            return True
        if verb == "commit" and re.match(r"-(?!-)[^mFCctSu]*n", word):
            return True
    return False


def _is_pathspec(word: str) -> bool:
    """Whether a word names more than a file of that name."""
    return word in (".", "./", "..") or word.startswith(":") or word.endswith("/") or any(c in word for c in "*?[")


def _dry(words: Sequence[str]) -> bool:
    return "--dry-run" in words or any(re.match(r"-\w*n", word) for word in words)


def _named(paths: list[str], found: Changes, where: str) -> None:
    """Files that git brings back to what they were."""
    for path in paths:
        found.add(path, where)


def _after_options(words: Sequence[str], valued: tuple[str, ...]) -> list[str]:
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
