"""Tasks about text."""

from __future__ import annotations

from benchmarks.solving.puzzle import Puzzle

PUZZLES = (
    Puzzle(
        "hyphen_runs",
        "Write squeeze(text): every run of two or more hyphens in text becomes a single underscore; single hyphens "
        "stay.",
        """
assert m.squeeze("a--b") == "a_b"
assert m.squeeze("a-b") == "a-b"
assert m.squeeze("----") == "_"
assert m.squeeze("") == ""
assert m.squeeze("a---b-c--") == "a_b-c_"
""",
        'import re\n\n\ndef squeeze(text):\n    return re.sub("-{2,}", "_", text)\n',
    ),
    Puzzle(
        "ladder_text",
        "Write ladder(word): a list of the prefixes of word from the longest to one letter, each second one (the "
        "second, "
        "the fourth, and so on) in upper case. An empty word gives an empty list.",
        """
assert m.ladder("abc") == ["abc", "AB", "a"]
assert m.ladder("") == []
assert m.ladder("xY") == ["xY", "X"]
assert m.ladder("q") == ["q"]
""",
        "def ladder(word):\n    found = [word[:n] for n in range(len(word), 0, -1)]\n"
        "    return [one.upper() if at % 2 else one for at, one in enumerate(found)]\n",
    ),
    Puzzle(
        "tag_lines",
        "Write tag_lines(text): put a number and a colon before each line that is not blank (`1: first`). Blank "
        "lines stay "
        "as they are and are not counted. Lines are joined by newlines again.",
        """
assert m.tag_lines("a\\n\\nb") == "1: a\\n\\n2: b"
assert m.tag_lines("") == ""
assert m.tag_lines("  \\nx") == "  \\n1: x"
assert m.tag_lines(" x") == "1:  x"
""",
        'def tag_lines(text):\n    out, count = [], 0\n    for line in text.split("\\n"):\n        if line.strip():\n'
        '            count += 1\n            line = f"{count}: {line}"\n        out.append(line)\n    return '
        '"\\n".join(out)\n',
    ),
    Puzzle(
        "pairs_text",
        "Write parse_pairs(text): text holds pairs such as `a=1;b=2`. Give a dict of str to str. White space "
        "around names "
        "and values is dropped, empty pieces are skipped, a later pair wins, a value may hold `=`. A piece without "
        "`=`, "
        "or with an empty name, raises ValueError.",
        """
assert m.parse_pairs("a=1;b=2") == {"a": "1", "b": "2"}
assert m.parse_pairs(" a = 1 ;; a=2; ") == {"a": "2"}
assert m.parse_pairs("a=b=c") == {"a": "b=c"}
assert m.parse_pairs("") == {}
assert m.parse_pairs("a=") == {"a": ""}
assert fails(ValueError, lambda: m.parse_pairs("a"))
assert fails(ValueError, lambda: m.parse_pairs("=1"))
""",
        'def parse_pairs(text):\n    found = {}\n    for piece in text.split(";"):\n        if not piece.strip():\n'
        '            continue\n        name, mark, value = piece.partition("=")\n        if not mark or not '
        "name.strip():\n"
        "            raise ValueError(piece)\n        found[name.strip()] = value.strip()\n    return found\n",
    ),
    Puzzle(
        "mirror_words",
        "Write mirror(text): reverse the letters of each word but leave words of three letters or fewer alone. "
        "Words are "
        "what stands between single spaces; all spaces stay where they are.",
        """
assert m.mirror("hello you") == "olleh you"
assert m.mirror("a  abcd") == "a  dcba"
assert m.mirror("") == ""
assert m.mirror(" word ") == " drow "
""",
        'def mirror(text):\n    return " ".join(one[::-1] if len(one) > 3 else one for one in text.split(" "))\n',
    ),
    Puzzle(
        "roman_like",
        "Write marks(n) for 0 <= n <= 99: tens as `X`, fives as `V`, ones as `I`, the larger first, never "
        "subtracting "
        "(4 is IIII, 9 is VIIII). 0 gives `-`. Anything else raises ValueError.",
        """
assert m.marks(0) == "-"
assert m.marks(4) == "IIII"
assert m.marks(9) == "VIIII"
assert m.marks(38) == "XXXVIII"
assert m.marks(99) == "XXXXXXXXXVIIII"
assert fails(ValueError, lambda: m.marks(100))
assert fails(ValueError, lambda: m.marks(-1))
""",
        "def marks(n):\n    if not 0 <= n <= 99:\n        raise ValueError(n)\n    tens, rest = divmod(n, 10)\n"
        '    fives, ones = divmod(rest, 5)\n    return "X" * tens + "V" * fives + "I" * ones or "-"\n',
    ),
    Puzzle(
        "column_text",
        "Write columns(rows): rows is a list of lists of str. Give the rows as lines in which every column is as "
        "wide as "
        "its longest cell, cells padded with spaces on the right and joined by two spaces; no line ends in spaces. "
        "Rows "
        "may have different numbers of cells.",
        """
assert m.columns([["a", "bb"], ["ccc", "d"]]) == "a    bb\\nccc  d"
assert m.columns([]) == ""
assert m.columns([["a"], ["b", "c"]]) == "a\\nb  c"
assert m.columns([["", "x"]]) == "  x"
""",
        "def columns(rows):\n    width = {}\n    for row in rows:\n        for at, cell in enumerate(row):\n"
        "            width[at] = max(width.get(at, 0), len(cell))\n"
        '    return "\\n".join("  ".join(cell.ljust(width[at]) for at, cell in enumerate(row)).rstrip() for row in '
        "rows)\n",
    ),
    Puzzle(
        "dotted_keys",
        "Write flatten(data): data is a dict whose values are dicts again or anything else. Give a flat dict in "
        "which keys "
        "are joined by dots. An empty inner dict stays as a value. Keys are in the order in which they are met.",
        """
assert m.flatten({"a": {"b": 1, "c": {"d": 2}}}) == {"a.b": 1, "a.c.d": 2}
assert m.flatten({}) == {}
assert m.flatten({"a": {}}) == {"a": {}}
assert list(m.flatten({"x": 1, "a": {"z": 1, "b": 2}})) == ["x", "a.z", "a.b"]
assert m.flatten({"a": [{"b": 1}]}) == {"a": [{"b": 1}]}
""",
        'def flatten(data, before=""):\n    found = {}\n    for key, value in data.items():\n'
        '        if isinstance(value, dict) and value:\n            found.update(flatten(value, f"{before}{key}."))\n'
        "        else:\n            found[before + key] = value\n    return found\n",
    ),
    Puzzle(
        "brackets_depth",
        "Write depth(text): how deeply round and square brackets in text are nested at most, other characters left "
        "out of "
        "account. -1 where they do not match, such as `(]`, `)` or `(`.",
        """
assert m.depth("") == 0
assert m.depth("a(b[c])d") == 2
assert m.depth("()[]") == 1
assert m.depth("(]") == -1
assert m.depth(")") == -1
assert m.depth("((") == -1
assert m.depth("([)]") == -1
""",
        'def depth(text):\n    open_ones, most = [], 0\n    for char in text:\n        if char in "([":\n'
        "            open_ones.append(char)\n            most = max(most, len(open_ones))\n"
        '        elif char in ")]":\n            if not open_ones or open_ones.pop() + char not in ("()", "[]"):\n'
        "                return -1\n    return -1 if open_ones else most\n",
    ),
    Puzzle(
        "span_words",
        "Write spans(text): a list of (start, end, word) of each run of ASCII letters in text, end being the index "
        "behind "
        "it, words in lower case.",
        """
assert m.spans("Ab, c") == [(0, 2, "ab"), (4, 5, "c")]
assert m.spans("") == []
assert m.spans("12_3") == []
assert m.spans("x1Y") == [(0, 1, "x"), (2, 3, "y")]
""",
        "import re\n\n\ndef spans(text):\n    return [(one.start(), one.end(), one[0].lower()) for one in "
        're.finditer("[A-Za-z]+", text)]\n',
    ),
)
