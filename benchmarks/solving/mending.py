"""Tasks on files that are there: to be mended, to be extended, or to be used."""

from __future__ import annotations

from benchmarks.solving.puzzle import Puzzle

_STOCK = '''\
class Stock:
    """What a shop has: name → how many."""

    def __init__(self):
        self.items = {}

    def add(self, name, count=1):
        self.items[name] = self.items.get(name, 0) + count

    def take(self, name, count=1):
        self.items[name] -= count
'''
_UNITS = '''\
FACTORS = {"mm": 1, "cm": 10, "m": 1000}


def to_mm(value, unit):
    """A length in millimetres; KeyError for a unit that is not known."""
    return value * FACTORS[unit]
'''
_MEAN = "def middle(numbers):\n    numbers.sort()\n    return numbers[len(numbers) // 2]\n"
_WRAP = '''\
def wrap(text, width):
    """Lines of at most width characters; words longer than that stand alone."""
    lines, line = [], ""
    for word in text.split():
        if len(line) + len(word) > width:
            lines.append(line)
            line = ""
        line = line + " " + word
    lines.append(line)
    return lines
'''
_PAGES = '''\
def page(items, number, size):
    """Page `number`, from 1, of so many items each."""
    start = number * size
    return items[start : start + size]
'''
_CACHE = """\
def memo(function, known={}):
    def call(x):
        if x not in known:
            known[x] = function(x)
        return known[x]

    return call
"""
_LEVELS = 'LEVELS = ["debug", "info", "warning", "error"]\n\n\ndef at_least(level, than):\n    return level >= than\n'
_GRID = "def grid(width, height, fill):\n    return [[fill] * width] * height\n"
_DATES = "def is_leap(year):\n    return year % 4 == 0\n"
_LOG = '''\
import re

LINE = re.compile(r"(\\w+) (.*)")


def parse(line):
    """(level, message) of `[warning] disk: 91 %`."""
    found = LINE.match(line)
    return found[1], found[2]
'''

PUZZLES = (
    Puzzle(
        "stock",
        "In stock.py: take() must raise KeyError for a name that is not there and ValueError where there are fewer "
        "than "
        "count, and change nothing then. A name of which none is left is removed. Add total(), the sum of all "
        "counts.",
        """
s = m.Stock(); s.add("a", 3); s.take("a"); assert s.items == {"a": 2} and s.total() == 2
s = m.Stock(); s.add("a"); s.take("a"); assert s.items == {} and s.total() == 0
s = m.Stock(); s.add("a"); assert fails(ValueError, lambda: s.take("a", 2)) and s.items == {"a": 1}
assert fails(KeyError, lambda: m.Stock().take("x"))
""",
        _STOCK.replace(
            "        self.items[name] -= count\n",
            "        if self.items[name] < count:\n            raise ValueError(name)\n        self.items[name] -= "
            "count\n"
            "        if not self.items[name]:\n            del self.items[name]\n\n    def total(self):\n"
            "        return sum(self.items.values())\n",
        ),
        {"stock.py": _STOCK},
    ),
    Puzzle(
        "lengths",
        "units.py is there; use it, and leave it as it is. Write parse(text) in lengths.py: `12 cm` or `3m` gives "
        "the "
        "length in millimetres as a float. What is no number and known unit raises ValueError.",
        """
assert m.parse("12 cm") == 120.0
assert m.parse("3m") == 3000.0
assert m.parse(" 0.5 mm ") == 0.5
assert fails(ValueError, lambda: m.parse("3 km"))
assert fails(ValueError, lambda: m.parse("m"))
assert isinstance(m.parse("1m"), float)
""",
        "import re\n\nfrom units import FACTORS, to_mm\n\n\ndef parse(text):\n"
        '    found = re.fullmatch(r"\\s*(\\d+(?:\\.\\d+)?)\\s*([a-z]+)\\s*", text)\n'
        "    if not found or found[2] not in FACTORS:\n        raise ValueError(text)\n"
        "    return float(to_mm(float(found[1]), found[2]))\n",
        {"units.py": _UNITS},
    ),
    Puzzle(
        "middle",
        "middle() in middle.py is to give the median: of an even number of numbers the mean of the two in the "
        "middle. It "
        "must not change its argument. An empty list raises ValueError.",
        """
assert m.middle([3, 1, 2]) == 2
assert m.middle([4, 1, 3, 2]) == 2.5
n = [2, 1]; assert m.middle(n) == 1.5 and n == [2, 1]
assert fails(ValueError, lambda: m.middle([]))
""",
        'def middle(numbers):\n    if not numbers:\n        raise ValueError("no numbers")\n    found = '
        "sorted(numbers)\n"
        "    half = len(found) // 2\n    return found[half] if len(found) % 2 else (found[half - 1] + found[half]) "
        "/ 2\n",
        {"middle.py": _MEAN},
    ),
    Puzzle(
        "wrapping",
        "wrap() in wrapping.py has bugs: lines begin with a space, empty lines come out, and the space before a "
        "word is not "
        "counted. Mend it. An empty text gives an empty list.",
        """
assert m.wrap("aa bb cc", 5) == ["aa bb", "cc"]
assert m.wrap("", 5) == []
assert m.wrap("abcdefgh ij", 4) == ["abcdefgh", "ij"]
assert m.wrap("a b c d", 3) == ["a b", "c d"]
""",
        'def wrap(text, width):\n    lines, line = [], ""\n    for word in text.split():\n'
        "        if line and len(line) + 1 + len(word) > width:\n            lines.append(line)\n            line "
        '= ""\n'
        '        line = f"{line} {word}" if line else word\n    return lines + [line] if line else lines\n',
        {"wrapping.py": _WRAP},
    ),
    Puzzle(
        "pages",
        "page() in pages.py gives the wrong page; mend it. Add count(items, size): how many pages there are, 0 for "
        "no "
        "items. In both a size below 1, and in page() a number below 1, raises ValueError. A page behind the last "
        "is [].",
        """
assert m.page([1, 2, 3], 1, 2) == [1, 2]
assert m.page([1, 2, 3], 2, 2) == [3]
assert m.page([1, 2, 3], 3, 2) == []
assert (m.count([1, 2, 3], 2), m.count([], 2), m.count([1, 2], 2)) == (2, 0, 1)
assert fails(ValueError, lambda: m.page([1], 0, 1))
assert fails(ValueError, lambda: m.page([1], 1, 0))
assert fails(ValueError, lambda: m.count([1], 0))
""",
        "def page(items, number, size):\n    if number < 1 or size < 1:\n        raise ValueError(number)\n"
        "    start = (number - 1) * size\n    return items[start : start + size]\n\n\ndef count(items, size):\n"
        "    if size < 1:\n        raise ValueError(size)\n    return -(-len(items) // size)\n",
        {"pages.py": _PAGES},
    ),
    Puzzle(
        "memo",
        "memo() in memo.py mixes the results of different functions up. Mend it, so that each memoised function "
        "has its "
        "own; add an attribute calls to what it gives: how often the function was really called.",
        """
a, b = m.memo(lambda x: x + 1), m.memo(lambda x: x * 10); assert (a(2), b(2)) == (3, 20)
a = m.memo(abs); [a(-1), a(-1), a(2)]; assert a.calls == 2
assert m.memo(abs).calls == 0
""",
        "def memo(function):\n    known = {}\n\n    def call(x):\n        if x not in known:\n            "
        "call.calls += 1\n"
        "            known[x] = function(x)\n        return known[x]\n\n    call.calls = 0\n    return call\n",
        {"memo.py": _CACHE},
    ),
    Puzzle(
        "levels",
        "at_least() in levels.py compares the names of levels by the alphabet. It is to go by their order in LEVELS, "
        "whatever the case of the letters. A level that is not known raises ValueError.",
        """
assert m.at_least("error", "info")
assert not m.at_least("debug", "info")
assert m.at_least("WARNING", "warning")
assert fails(ValueError, lambda: m.at_least("loud", "info"))
assert m.LEVELS == ["debug", "info", "warning", "error"]
""",
        _LEVELS.replace("level >= than", "LEVELS.index(level.lower()) >= LEVELS.index(than.lower())"),
        {"levels.py": _LEVELS},
    ),
    Puzzle(
        "grids",
        "The rows that grid() in grids.py gives are one and the same list. Mend it, and add turned(grid): a new "
        "grid turned "
        "by a quarter to the right. An empty grid gives [].",
        """
g = m.grid(2, 2, 0); g[0][0] = 1; assert g == [[1, 0], [0, 0]]
assert m.grid(3, 1, "x") == [["x", "x", "x"]]
assert m.turned([[1, 2], [3, 4]]) == [[3, 1], [4, 2]]
assert m.turned([[1, 2, 3]]) == [[1], [2], [3]]
assert m.turned([]) == []
""",
        "def grid(width, height, fill):\n    return [[fill] * width for _ in range(height)]\n\n\n"
        "def turned(grid):\n    return [list(row) for row in zip(*grid[::-1])]\n",
        {"grids.py": _GRID},
    ),
    Puzzle(
        "leaps",
        "is_leap() in leaps.py leaves out the rule of centuries. Mend it, and add days(year, month): how many days "
        "that "
        "month (1 to 12) has; any other month raises ValueError.",
        """
assert [m.is_leap(y) for y in (1900, 2000, 2023, 2024)] == [False, True, False, True]
assert [m.days(2023, n) for n in range(1, 13)] == [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
assert (m.days(2024, 2), m.days(2100, 2)) == (29, 28)
assert fails(ValueError, lambda: m.days(2024, 13))
assert fails(ValueError, lambda: m.days(2024, 0))
""",
        "def is_leap(year):\n    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)\n\n\ndef days(year, "
        "month):\n"
        "    if not 1 <= month <= 12:\n        raise ValueError(month)\n    if month == 2:\n"
        "        return 29 if is_leap(year) else 28\n    return 30 if month in (4, 6, 9, 11) else 31\n",
        {"leaps.py": _DATES},
    ),
    Puzzle(
        "log_lines",
        "parse() in log_lines.py does not do what its docstring says: the brackets belong to the line, not to the "
        "level. "
        "Mend it; a line of another form gives None. Levels come out in lower case, messages without space at "
        "their ends.",
        """
assert m.parse("[warning] disk: 91 %") == ("warning", "disk: 91 %")
assert m.parse("[INFO]  up  ") == ("info", "up")
assert m.parse("warning disk") is None
assert m.parse("") is None
assert m.parse("[x] ") == ("x", "")
""",
        'import re\n\nLINE = re.compile(r"\\[(\\w+)\\](.*)")\n\n\ndef parse(line):\n    found = '
        "LINE.fullmatch(line)\n"
        "    return (found[1].lower(), found[2].strip()) if found else None\n",
        {"log_lines.py": _LOG},
    ),
)
