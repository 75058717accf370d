"""Globs as git's `:(glob)` pathspecs read them, and which paths a lock covers. Standard library only.

The commit gate imports this in a bare interpreter: no `re`, no `typing`, nothing that costs milliseconds.

A glob is compared byte by byte, as git does: `?` is one byte, of an `é` in UTF-8 the half. Beside what its
wildcards match it matches the path that is spelled exactly like it (`app/[id].tsx`), unless it holds a
backslash; git takes that spelling for a directory as well, which would make `src/*` meet `src/*/**`.

With `fold` a path counts as matched when some spelling of it is, that differs in case or Unicode form only.
Where `?` or a bracket stands for a part of a non-ASCII character, only the spelling given is tried.
"""

from __future__ import annotations

from git_peer.layout import from_bytes, to_bytes

LIMIT = 512  # bytes of a glob; two of them are compared in well under a second

_ALL = (1 << 256) - 2  # a set of bytes as a bit mask; no path holds NUL
_SLASH = 1 << 47
_ANY = _ALL ^ _SLASH
_UPPER = ((1 << 26) - 1) << 65
_SPECIAL = "*?[\\"


def _span(*pairs: tuple[int, int]) -> int:
    return sum((1 << high + 1) - (1 << low) for low, high in pairs)


# git's own ASCII-only character types: its [:space:] has no vertical tab and no form feed
_CLASSES = {
    b"alnum": _span((48, 57), (65, 90), (97, 122)),
    b"alpha": _span((65, 90), (97, 122)),
    b"blank": _span((9, 9), (32, 32)),
    b"cntrl": _span((1, 31), (127, 127)),
    b"digit": _span((48, 57)),
    b"graph": _span((33, 126)),
    b"lower": _span((97, 122)),
    b"print": _span((32, 126)),
    b"punct": _span((33, 47), (58, 64), (91, 96), (123, 126)),
    b"space": _span((9, 10), (13, 13), (32, 32)),
    b"upper": _UPPER,
    b"xdigit": _span((48, 57), (65, 70), (97, 102)),
}


class _Broken(Exception):
    """A glob whose wildcards can match nothing, and why."""


class _Machine:
    """A glob as a nondeterministic automaton whose states stand in a row, one before each byte that it eats.

    In state i a byte of `eat[i]` leads to i + 1, and one of `stay[i]` to i. A state of `skip` leads to the next
    two without a byte: `**/` may match nothing at all.
    """

    __slots__ = ("_steps", "eat", "skip", "stay")

    def __init__(self, eat: list[int], stay: list[int], skip: int) -> None:
        self.eat, self.stay, self.skip = eat, stay, skip
        self._steps: dict[int, tuple[int, int]] = {}

    def closed(self, states: int) -> int:
        """The states (a bit mask) with those that need no further byte."""
        new = states & self.skip
        while new:
            more = (new << 1 | new << 2) & ~states
            states |= more
            new = more & self.skip
        return states

    def run(self, raw: bytes) -> int:
        """The states after `raw` from the start; 0 when none is left."""
        states = self.closed(1)
        for byte in raw:
            step = self._steps.get(byte)
            if step is None:
                step = self._steps[byte] = (self._with(self.eat, byte), self._with(self.stay, byte))
            states = (states & step[0]) << 1 | states & step[1]
            if states & self.skip:
                states = self.closed(states)
            if not states:
                break
        return states

    @staticmethod
    def _with(masks: list[int], byte: int) -> int:
        states = 0
        for index, mask in enumerate(masks):
            states |= (mask >> byte & 1) << index
        return states

    def matches(self, raw: bytes) -> bool:
        """Whether `raw` is matched as a whole."""
        return bool(self.run(raw) >> len(self.eat) & 1)

    def listed(self, states: int) -> list[int]:
        """The states of a bit mask, one by one."""
        return [index for index in range(len(self.stay)) if states >> index & 1]


def _bracket(raw: bytes, at: int) -> tuple[int, int]:
    """(bytes matched, index behind the `]`) of the bracket expression whose `[` stands at `at`."""
    at += 1
    negated = raw[at : at + 1] in (b"!", b"^")
    at += negated
    first, found, previous = at, 0, 0
    try:
        while raw[at] != 0x5D or at == first:
            char = raw[at]
            if char == 0x5C:  # a backslash
                at += 1
                char = raw[at]
                found |= 1 << char
            elif char == 0x2D and previous and raw[at + 1] != 0x5D:  # a-z
                at += 2 if raw[at + 1] == 0x5C else 1
                found |= _span((previous, raw[at])) if raw[at] >= previous else 0
                char = 0  # nor does a range begin at the end of one
            elif raw[at : at + 2] == b"[:" and raw[(end := raw.index(b"]", at + 2)) - 1] == 0x3A and end > at + 2:
                if raw[at + 2 : end - 1] not in _CLASSES:
                    raise _Broken("an unknown class in [: :]")
                found |= _CLASSES[raw[at + 2 : end - 1]]
                at, char = end, 0
            else:
                found |= 1 << char
            previous = char
            at += 1
    except (IndexError, ValueError):
        raise _Broken("a '[' that no ']' closes") from None
    return (~found if negated else found) & _ANY, at + 1


def _build(pattern: str, fold: bool) -> _Machine:
    raw = to_bytes(pattern)
    # git compares what stands before the first special character literally, and reads the rest on its own:
    # a `**` there counts as standing at the start, so `a**` crosses slashes and `?a**` does not
    head = next((index for index, byte in enumerate(raw) if byte in b"*?[\\"), len(raw))
    eat: list[int] = []
    stay: list[int] = []
    word = bytearray()
    skip = loop = at = 0

    def put(mask: int) -> None:
        nonlocal loop
        eat.append((mask & ~_UPPER | (mask & _UPPER) << 32) if fold else mask)
        stay.append(loop)
        loop = 0

    def flush() -> None:
        text = bytes(word)
        word.clear()
        for byte in to_bytes(_spelled(text.decode("utf-8", "surrogateescape"))) if fold else text:
            put(1 << byte)

    while at < len(raw):
        char = raw[at]
        if char not in b"*?[\\":
            word.append(char)
            at += 1
        elif char == 0x5C:
            if at + 1 == len(raw):
                raise _Broken("a '\\' at its end")
            word.append(raw[at + 1])
            at += 2
        elif char == 0x2A:
            flush()
            end = at
            while raw[end : end + 1] == b"*":
                end += 1
            starts = at in (0, head) or raw[at - 1] == 0x2F
            if end - at == 1 or not starts or raw[end : end + 1] not in (b"", b"/", b"\\"):
                loop = _ANY
            elif raw[end : end + 1] == b"/":
                if not (len(eat) > 1 and skip >> len(eat) - 2 & 1):  # **/**/ is **/
                    skip |= 1 << len(eat)
                    put(0)
                    loop = _ALL
                    put(_SLASH)
                end += 1
            else:
                loop = _ALL if raw[end : end + 2] in (b"", b"\\/") else _ANY
            at = end
        else:
            flush()
            mask, at = (_ANY, at + 1) if char == 0x3F else _bracket(raw, at)
            put(mask)
    flush()
    stay.append(loop)
    return _Machine(eat, stay, skip)


_machines: dict[tuple[str, bool], _Machine | None] = {}


def _machine(pattern: str, fold: bool) -> _Machine | None:
    """The automaton of a glob; None when it is malformed, and so matches nothing."""
    key = (pattern, fold)
    if key not in _machines:
        if len(_machines) >= 4096:
            _machines.clear()
        try:
            _machines[key] = _build(pattern, fold)
        except _Broken:
            _machines[key] = None
    return _machines[key]


def _meet(one: _Machine, ones: int, two: _Machine, twos: int) -> bool:
    """Whether both machines, from these states, accept one path: non-empty components between single slashes.

    For each state of `one`, in their order, the states that `two` can be in beside it, as a bit mask: so two globs of
    any make cost a few hundred thousand steps, and not one for each pair of states with each pair of their moves.
    """
    steps: dict[int, tuple[int, int, int, int]] = {}  # bytes → the states of `two` that eat, or stay on, any of them
    # beside each state of `one`: inside a component, and where one has to begin
    inside, fresh = [0] * len(one.stay), [0] * len(one.stay)
    for at in one.listed(ones):
        fresh[at] = twos
    for at, mask in enumerate(one.stay):
        new_inside, new_fresh = inside[at], fresh[at]
        while mask and new_inside | new_fresh:
            go_inside, go_fresh = _step(two, steps, mask, new_inside, new_fresh)
            new_inside, new_fresh = go_inside & ~inside[at], go_fresh & ~fresh[at]
            inside[at] |= new_inside
            fresh[at] |= new_fresh
        if at < len(one.eat) and one.eat[at] and inside[at] | fresh[at]:
            go_inside, go_fresh = _step(two, steps, one.eat[at], inside[at], fresh[at])
            for after in one.listed(one.closed(2 << at)):
                inside[after] |= go_inside
                fresh[after] |= go_fresh
    return bool(inside[-1] >> len(two.eat) & 1)


def _step(
    two: _Machine, steps: dict[int, tuple[int, int, int, int]], mask: int, inside: int, fresh: int
) -> tuple[int, int]:
    """The states after a byte of `mask`: a slash begins the next component; any other byte leads inside."""
    found = steps.get(mask)
    if found is None:
        found = steps[mask] = (
            _of(two.eat, mask & _ANY), _of(two.stay, mask & _ANY), _of(two.eat, mask & _SLASH),
            _of(two.stay, mask & _SLASH),
        )  # fmt: skip
    states = inside | fresh
    return (
        two.closed((states & found[0]) << 1 | states & found[1]),
        two.closed((inside & found[2]) << 1 | inside & found[3]),
    )


def _of(masks: list[int], wanted: int) -> int:
    """The states (a bit mask) whose bytes have some of `wanted`."""
    states = 0
    for at, mask in enumerate(masks):
        if mask & wanted:
            states |= 1 << at
    return states


_EVERYTHING = _Machine([], [_ALL], 0)


def _spelled(text: str) -> str:
    """The spelling that stands for all that differ in case or Unicode form, decomposed: so a prefix stays one."""
    if text.isascii():
        return text.lower()
    from unicodedata import normalize

    return normalize("NFD", normalize("NFD", normalize("NFD", text).casefold()).casefold())


def fold_key(path: str) -> str:
    """What is equal for paths that a case-folding file system takes for one: case folded, in NFC."""
    if path.isascii():
        return path.lower()
    from unicodedata import normalize

    return normalize("NFC", _spelled(path))


def _tokens(pattern: str) -> tuple[str, bool]:
    """(what stands before the first wildcard, unescaped; whether there is a wildcard)."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char in "*?[":
            return "".join(out), True
        at += char == "\\" and at + 1 < len(pattern)
        out.append(pattern[at])
        at += 1
    return "".join(out), False


def is_glob(text: str) -> bool:
    """Whether `text` has a wildcard that no backslash quotes."""
    return _tokens(text)[1]


def escape(text: str) -> str:
    """The glob that matches the path `text` only."""
    return "".join("\\" + char if char in _SPECIAL else char for char in text)


def unescape(text: str) -> str:
    """The path that a glob without wildcards matches."""
    return _tokens(text)[0]


def literal_dir(pattern: str) -> str:
    """The deepest directory that holds all that `pattern` matches, unescaped; "" is the top."""
    directory = _tokens(pattern)[0].rpartition("/")[0]
    return directory if directory.isascii() else from_bytes(to_bytes(directory))


def problem(pattern: str) -> str:
    """What is wrong with a glob, as a noun phrase; "" when nothing is."""
    if len(to_bytes(pattern)) > LIMIT:
        return f"more than {LIMIT} bytes"
    try:
        machine = _build(pattern, False)
    except _Broken as broken:
        return str(broken)
    return "" if _meet(machine, machine.closed(1), _EVERYTHING, 1) else "no path that it could match"


def _under(path: str, directory: str) -> bool:
    return not directory or path == directory or path.startswith(directory + "/")


def _plain(pattern: str) -> bool:
    """Whether the glob's own spelling is a path that it matches."""
    return "\\" not in pattern and all(pattern.split("/"))


def _spellings(fold: bool, *texts: str) -> list[tuple[bool, tuple[str, ...]]]:
    """The texts as they are and, with `fold`, as _spelled() gives them."""
    return [(False, texts), (True, tuple(map(_spelled, texts)))] if fold else [(False, texts)]


def match(pattern: str, path: str, fold: bool = False) -> bool:
    """Whether the glob matches the path; one without wildcards matches what lies under it, too."""
    head, wild = _tokens(pattern)
    plain = _plain(pattern)
    for folded, (start, text, name) in _spellings(fold, head, pattern, path):
        if not name.startswith(start):
            continue
        if plain and (name == text or (not wild and _under(name, text))):
            return True
        machine = _machine(pattern, folded)
        if machine is not None and machine.matches(to_bytes(name)):
            return True
    return False


def overlaps_dir(pattern: str, directory: str, fold: bool = False) -> bool:
    """Whether the glob matches some path inside the directory; "" is the top."""
    head, wild = _tokens(pattern)
    plain = _plain(pattern)
    for folded, (start, text, name) in _spellings(fold, head, pattern, directory + "/" if directory else ""):
        if not (name.startswith(start) or start.startswith(name)):
            continue
        if plain and (text.startswith(name) or (not wild and _under(name, text))):
            return True
        machine = _machine(pattern, folded)
        if machine is not None:
            states = machine.run(to_bytes(name))
            if states and _meet(machine, states, _EVERYTHING, 1):
                return True
    return False


def overlap(pattern_a: str, pattern_b: str, fold: bool = False) -> bool:
    """Whether some path is matched by both globs. One over LIMIT, which problem() names, counts as meeting."""
    (head_a, wild_a), (head_b, wild_b) = _tokens(pattern_a), _tokens(pattern_b)
    near = [
        (folded, one, two)
        for folded, (one, two) in _spellings(fold, head_a, head_b)
        if one.startswith(two) or two.startswith(one)
    ]
    if not near:
        return False
    for one, wild, two in ((pattern_a, wild_a, pattern_b), (pattern_b, wild_b, pattern_a)):
        if _plain(one) and (match(two, one, fold) or (not wild and overlaps_dir(two, one, fold))):
            return True
    if max(len(to_bytes(pattern_a)), len(to_bytes(pattern_b))) > LIMIT:
        return True
    for folded, _, _ in near:
        left, right = _machine(pattern_a, folded), _machine(pattern_b, folded)
        if left is not None and right is not None and _meet(left, left.closed(1), right, right.closed(1)):
            return True
    return False


def covers(kind: str, target_path: str, path: str, fold: bool = False) -> bool:
    """Whether a lock on a target of `kind` (file, lines, section, dir, glob, name) concerns the file `path`.

    A file's lock also covers what would lie under it: who writes `a/b` makes `a` a directory.
    """
    if kind == "name":
        return False
    if kind == "glob":
        return match(target_path, path, fold)
    return _under(fold_key(path), fold_key(target_path)) if fold else _under(path, target_path)


def meets(kind_a: str, a: str, kind_b: str, b: str, fold: bool = False) -> bool:
    """Whether two targets can concern one path: the one rule that locks, the gate and the hooks go by. Exact.

    A file counts as holding what would lie under it, and a directory its own path, for one path cannot be both.
    Against a glob that is told by paths that there can be beside it: a directory is what is inside it, and a file
    is itself, or stands where the directory is that holds all that the glob matches. So `*` does not meet `src/`,
    and `src/**/*.md` meets neither `src/main.py` nor, as a name of a directory, `src/main.py/x.md`.
    """
    if "name" in (kind_a, kind_b):
        return kind_a == kind_b and a == b
    if kind_a == kind_b == "glob":
        return overlap(a, b, fold)
    if kind_b == "glob":
        kind_a, a, kind_b, b = kind_b, b, kind_a, a
    if kind_a != "glob":
        return covers(kind_a, a, b, fold) or covers(kind_b, b, a, fold)
    if kind_b == "dir":
        return overlaps_dir(a, b, fold)
    return match(a, b, fold) or covers("dir", b, literal_dir(a), fold)
