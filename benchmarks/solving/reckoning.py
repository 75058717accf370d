"""Tasks about numbers and collections."""

from __future__ import annotations

from benchmarks.solving.puzzle import Puzzle

PUZZLES = (
    Puzzle(
        "zigzag_sum",
        "Write zigzag(numbers): the first number, minus the second, plus the third, minus the fourth, and so on. 0 "
        "for an "
        "empty list.",
        """
assert m.zigzag([]) == 0
assert m.zigzag([5]) == 5
assert m.zigzag([5, 3]) == 2
assert m.zigzag([1, 2, 3, 4]) == -2
""",
        "def zigzag(numbers):\n    return sum(numbers[::2]) - sum(numbers[1::2])\n",
    ),
    Puzzle(
        "plateau",
        "Write plateau(numbers): (start, length) of the longest run of equal numbers next to each other, of runs "
        "as long "
        "the last one. (0, 0) for an empty list.",
        """
assert m.plateau([]) == (0, 0)
assert m.plateau([7]) == (0, 1)
assert m.plateau([1, 1, 2, 2]) == (2, 2)
assert m.plateau([3, 3, 3, 1, 1]) == (0, 3)
assert m.plateau([1, 2, 3]) == (2, 1)
""",
        "def plateau(numbers):\n    best = (0, 0)\n    start = 0\n    for at, one in enumerate(numbers):\n"
        "        if one != numbers[start]:\n            start = at\n        if at - start + 1 >= best[1]:\n"
        "            best = (start, at - start + 1)\n    return best\n",
    ),
    Puzzle(
        "clock_add",
        'Write add(clock, minutes): clock is "HH:MM" of a day, minutes any whole number, also negative. Give the '
        "new time "
        "in the same form. A clock that is none (`24:00`, `7:5`, `ab:cd`) raises ValueError.",
        """
assert m.add("23:50", 20) == "00:10"
assert m.add("00:00", -1) == "23:59"
assert m.add("12:30", 1440 * 3) == "12:30"
assert fails(ValueError, lambda: m.add("24:00", 1))
assert fails(ValueError, lambda: m.add("7:5", 1))
assert fails(ValueError, lambda: m.add("12:60", 1))
assert fails(ValueError, lambda: m.add("ab:cd", 1))
""",
        'import re\n\n\ndef add(clock, minutes):\n    found = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", '
        "clock)\n"
        "    if not found:\n        raise ValueError(clock)\n"
        "    at = (int(found[1]) * 60 + int(found[2]) + minutes) % 1440\n"
        '    return f"{at // 60:02}:{at % 60:02}"\n',
    ),
    Puzzle(
        "merge_spans",
        "Write merge(spans): spans is a list of (start, end) with start <= end, in any order. Merge those that "
        "overlap or "
        "touch ((1, 2) and (2, 3) do, (1, 2) and (3, 4) do not) and give them sorted. The argument stays as it was.",
        """
assert m.merge([]) == []
assert m.merge([(3, 4), (1, 2)]) == [(1, 2), (3, 4)]
assert m.merge([(1, 2), (2, 3)]) == [(1, 3)]
assert m.merge([(1, 9), (2, 3), (8, 12)]) == [(1, 12)]
spans = [(5, 6), (1, 7)]; assert m.merge(spans) == [(1, 7)] and spans == [(5, 6), (1, 7)]
""",
        "def merge(spans):\n    out = []\n    for start, end in sorted(spans):\n        if out and start <= "
        "out[-1][1]:\n"
        "            out[-1] = (out[-1][0], max(end, out[-1][1]))\n        else:\n            out.append((start, "
        "end))\n"
        "    return out\n",
    ),
    Puzzle(
        "change_coins",
        "Write change(amount, coins): the smallest number of coins that make amount exactly, each kind used as "
        "often as "
        "one likes; None where it cannot be made. 0 takes no coin.",
        """
assert m.change(0, [5]) == 0
assert m.change(6, [1, 3, 4]) == 2
assert m.change(7, [2, 4]) is None
assert m.change(11, [5, 2]) == 4
assert m.change(3, []) is None
assert m.change(400, [7, 405, 200]) == 2
""",
        "def change(amount, coins):\n    best = [0] + [None] * amount\n    for total in range(1, amount + 1):\n"
        "        found = [best[total - c] for c in coins if c <= total and best[total - c] is not None]\n"
        "        best[total] = min(found) + 1 if found else None\n    return best[amount]\n",
    ),
    Puzzle(
        "spiral_in",
        "Write spiral(grid): the items of a rectangular list of lists, read from the top left, going right, then "
        "down, "
        "then left, then up, and so on inwards. The grid stays as it was.",
        """
assert m.spiral([]) == []
assert m.spiral([[1, 2, 3], [4, 5, 6], [7, 8, 9]]) == [1, 2, 3, 6, 9, 8, 7, 4, 5]
assert m.spiral([[1, 2, 3, 4]]) == [1, 2, 3, 4]
assert m.spiral([[1], [2], [3]]) == [1, 2, 3]
g = [[1, 2], [3, 4]]; assert m.spiral(g) == [1, 2, 4, 3] and g == [[1, 2], [3, 4]]
""",
        "def spiral(grid):\n    rows, out = [list(row) for row in grid], []\n    while rows:\n        out += "
        "rows.pop(0)\n"
        "        rows = [list(row) for row in zip(*rows)][::-1]\n    return out\n",
    ),
    Puzzle(
        "top_names",
        "Write top(votes, count): votes is a list of names. Give the count names with most votes, those with more "
        "first, of "
        "equals the one that was voted for first. Fewer names than count are all given.",
        """
assert m.top([], 3) == []
assert m.top(["b", "a", "a"], 1) == ["a"]
assert m.top(["b", "a"], 2) == ["b", "a"]
assert m.top(["c", "a", "b", "b", "a"], 2) == ["a", "b"]
assert m.top(["x"], 0) == []
""",
        "from collections import Counter\n\n\ndef top(votes, count):\n"
        "    return [name for name, _ in Counter(votes).most_common(count)]\n",
    ),
    Puzzle(
        "order_steps",
        "Write order(needs): needs maps each step to a list of steps that come before it; a step that is only in "
        "such a list "
        "needs nothing. Give all steps in an order that keeps to it; of several possible next steps the smallest "
        "by name "
        "comes first. A cycle raises ValueError.",
        """
assert m.order({}) == []
assert m.order({"b": ["a"], "c": []}) == ["a", "b", "c"]
assert m.order({"a": ["z"], "b": []}) == ["b", "z", "a"]
assert m.order({"d": ["b", "c"], "b": ["a"], "c": ["a"]}) == ["a", "b", "c", "d"]
assert fails(ValueError, lambda: m.order({"a": ["b"], "b": ["a"]}))
assert fails(ValueError, lambda: m.order({"a": ["a"]}))
""",
        "def order(needs):\n    left = {step: set(before) for step, before in needs.items()}\n"
        "    for before in needs.values():\n        for step in before:\n            left.setdefault(step, set())\n"
        "    out = []\n    while left:\n        free = sorted(step for step, before in left.items() if not before)\n"
        '        if not free:\n            raise ValueError("a cycle")\n        out.append(free[0])\n        del '
        "left[free[0]]\n"
        "        for before in left.values():\n            before.discard(free[0])\n    return out\n",
    ),
    Puzzle(
        "digit_walk",
        "Write walk(n): begin with the whole number n > 0 and replace it by the sum of the squares of its digits "
        "until a "
        "number comes again. Give the list of the different numbers in their order, n first.",
        """
assert m.walk(1) == [1]
assert m.walk(7) == [7, 49, 97, 130, 10, 1]
assert m.walk(4) == [4, 16, 37, 58, 89, 145, 42, 20]
assert m.walk(10) == [10, 1]
""",
        "def walk(n):\n    out = []\n    while n not in out:\n        out.append(n)\n"
        "        n = sum(int(one) ** 2 for one in str(n))\n    return out\n",
    ),
    Puzzle(
        "ring_buffer",
        "Write a class Ring(size): push(item) keeps at most the last size items; items() gives them, the oldest "
        "first; "
        "lost counts those that fell out; len(ring) is how many it has. A size below 1 raises ValueError.",
        """
r = m.Ring(2); [r.push(n) for n in (1, 2, 3)]; assert (r.items(), r.lost, len(r)) == ([2, 3], 1, 2)
r = m.Ring(3); assert (r.items(), r.lost, len(r)) == ([], 0, 0)
r = m.Ring(1); r.push("a"); r.items().append("b"); assert r.items() == ["a"]
assert fails(ValueError, lambda: m.Ring(0))
""",
        "class Ring:\n    def __init__(self, size):\n        if size < 1:\n            raise ValueError(size)\n"
        "        self.size, self.lost, self._items = size, 0, []\n\n    def push(self, item):\n"
        "        self._items.append(item)\n        if len(self._items) > self.size:\n            del self._items[0]\n"
        "            self.lost += 1\n\n    def items(self):\n        return list(self._items)\n\n"
        "    def __len__(self):\n        return len(self._items)\n",
    ),
)
