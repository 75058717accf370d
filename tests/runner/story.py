"""A plan of five tasks, and what a model says to each step of it: a first try that fails, a task to be divided, and one
that cannot be done. The tiny model that the tests ship has learned these answers by heart."""

from __future__ import annotations

import json

PYTEST = "python3 -m pytest -q"
SLOW = 'python3 -c "import time; time.sleep(4)"'

PLAN = f"""
goal = "A small library of numbers and words"

[[tasks]]
id = "t1"
title = "Write is_prime"
paths = ["primes.py"]
accept = "{PYTEST} test_primes.py"
priority = 9

[[tasks]]
id = "t2"
title = "Write reverse_words"
paths = ["words.py"]
accept = '{SLOW} && {PYTEST} test_words.py'
priority = 8

[[tasks]]
id = "t3"
title = "Write mean and median"
paths = ["mean.py", "median.py"]

[[tasks]]
id = "t4"
title = "Write a proof that no test can fail"
paths = ["proof.py"]
accept = "{PYTEST} test_proof.py"

[[tasks]]
id = "t5"
title = "Write a report of primes and words"
depends_on = ["t1", "t2"]
paths = ["report.py"]
accept = "{PYTEST} test_report.py"
"""


def _file(path: str, text: str) -> str:
    return f"FILE: {path}\n```python\n{text}```\n"


_PRIME_TEST = _file(
    "test_primes.py",
    """from primes import is_prime


def test_is_prime():
    assert [n for n in range(12) if is_prime(n)] == [2, 3, 5, 7, 11]
""",
)
_PRIME = "def is_prime(n):\n    return {} all(n % d for d in range(2, n))\n"
_PARTS = json.dumps(
    {
        "subtasks": [
            {"title": f"Write {one}", "description": "", "paths": [f"{one}.py"], "accept": f"{PYTEST} test_{one}.py"}
            for one in ("mean", "median")
        ]
    }
)

# what the last line of a prompt is looked for with → the answer
REPLIES = {
    r"Step: decide\. Task: t3\.": "no\n",
    r"Step: decide\.": "yes\n",
    r"Step: divide\. Task: t3\.": _PARTS,
    r"Task: t1\. Attempt: 1\.": _file("primes.py", _PRIME.format("")) + _PRIME_TEST,
    r"Task: t1\.": _file("primes.py", _PRIME.format("n > 1 and")) + _PRIME_TEST,
    r"Task: t2\.": _file("words.py", 'def reverse_words(text):\n    return " ".join(text.split()[::-1])\n')
    + _file(
        "test_words.py",
        'from words import reverse_words\n\n\ndef test_words():\n    assert reverse_words("a b") == "b a"\n',
    ),
    r"Task: t4\.": _file("proof.py", "PROOF = None\n")
    + _file("test_proof.py", "from proof import PROOF\n\n\ndef test_proof():\n    assert PROOF\n"),
    r"Task: t5\.": _file(
        "report.py",
        "from primes import is_prime\nfrom words import reverse_words\n\n\n"
        'def report(n):\n    return reverse_words(f"{n} prime" if is_prime(n) else f"{n} not")\n',
    )
    + _file("test_report.py", 'from report import report\n\n\ndef test_report():\n    assert report(7) == "prime 7"\n'),
    r"Task: t6\.": _file("mean.py", "def mean(items):\n    return sum(items) / len(items)\n")
    + _file("test_mean.py", "from mean import mean\n\n\ndef test_mean():\n    assert mean([1, 3]) == 2\n"),
    r"Task: t7\.": _file("median.py", "def median(items):\n    return sorted(items)[len(items) // 2]\n")
    + _file("test_median.py", "from median import median\n\n\ndef test_median():\n    assert median([3, 1, 2]) == 2\n"),
}
