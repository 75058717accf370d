"""Reports that strangers wrote: counted where they are reports, refused where they are more than that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_peer.runner import results
from git_peer.runner.results import Tests

REPORT = b"""<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" errors="9" failures="9" tests="99" hostname="secret">
<testcase classname="tests.test_a" name="test_one" time="0.001" />
<testcase classname="tests.test_a" name="test_two"><failure message="assert 1 == 2">def test_two():
&gt;       assert 1 == 2
E       assert 1 == 2

tests/test_a.py:7: AssertionError</failure></testcase>
<testcase classname="tests.test_a" name="test_three"><skipped message="later">no</skipped></testcase>
<testcase classname="" name="tests.test_b"><error message="collection failure">E   ImportError: no c</error></testcase>
</testsuite></testsuites>"""


def test_a_report() -> None:
    """The tests themselves are counted, and not what the report says of their number."""
    found = results.parse(REPORT)
    assert (found.passed, found.failed, found.errors, found.skipped, found.unreadable) == (1, 1, 1, 1, "")
    assert (found.total, found.ok) == (4, False)
    assert [name for name, _ in found.failures] == ["tests.test_a::test_two", "tests.test_b"]
    assert "assert 1 == 2" in found.failures[0][1]
    assert "ImportError: no c" in found.failures[1][1]


def test_what_pytest_really_writes(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(
        "import pytest\ndef test_a(): pass\ndef test_b(): assert [1] == [2]\n@pytest.mark.skip\ndef test_c(): pass\n"
        "@pytest.fixture\ndef bad(): raise OSError('no')\ndef test_d(bad): pass\n"
    )
    report = tmp_path / "r.xml"
    argv = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", "test_x.py"]
    ran = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    found = results.parse(report.read_bytes())
    assert (found.passed, found.failed, found.errors, found.skipped) == (1, 1, 1, 1), ran
    told = results.feedback(found, ran.stdout, 3_000, [str(tmp_path)])
    assert told.index("FAILED test_x::test_b") < told.index("E   assert [1] == [2]") < told.index("Output:")
    assert "OSError: no" in told
    assert str(tmp_path) not in told
    assert " in 0." not in told


def test_one_that_passes() -> None:
    assert results.parse(b'<testsuite><testcase name="a"/></testsuite>') == Tests(1)
    assert results.parse(b'<testsuite><testcase name="a"/></testsuite>').ok
    assert not results.parse(b"<testsuite/>").ok
    assert results.parse(b"") == Tests()
    assert not Tests().ok


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HOSTILE = {
    "billion laughs": f'<!DOCTYPE t[<!ENTITY l0 "ha">{LAUGHS}]><testsuite><testcase x="&l9;"/></testsuite>'.encode(),
    "external entity": b'<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuite>&x;</testsuite>',
    "external type": b'<!DOCTYPE t SYSTEM "http://127.0.0.1/x.dtd"><testsuite/>',
    "bare type": b"<!DOCTYPE testsuite><testsuite/>",
    "undefined entity": b"<testsuite>&nothing;</testsuite>",
    "not XML": b"4 passed in 0.01s",
    "half": REPORT[:400],
    "two": REPORT + REPORT,
    "binary": bytes(range(256)) * 100,
    "another": b"<html><testcase name='a'/></html>",
    "deep": b"<testsuite>" * 100 + b"</testsuite>" * 100,
    "deeper": b"<testsuite>" * 300_000,
    "large": b"<testsuite>" + b" " * results.LARGE + b"</testsuite>",
    "many": b"<testsuite>" + b"<testcase/>" * (results.CASES + 1) + b"</testsuite>",
    "odd encoding": b'<?xml version="1.0" encoding="no-such"?><testsuite>\xff\xfe</testsuite>',
    "attribute flood": b"<testsuite " + b" ".join(b"a%d='1'" % n for n in range(1000)) + b" a1='2'/>",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_reports(case: str) -> None:
    found = results.parse(HOSTILE[case])
    assert found.unreadable
    assert (found.total, found.ok) == (0, False)
    assert "left a report" in results.feedback(found, "", 1_000)


def test_what_is_kept_is_bounded() -> None:
    case = (
        b"<testcase name='"
        + b"n" * 9_000
        + b"'><failure message='"
        + b"m" * 9_000
        + b"'>"
        + b"t" * 90_000
        + b"</failure></testcase>"
    )
    found = results.parse(b"<testsuite>" + case * 30 + b"<testcase><failure/></testcase>" * 100 + b"</testsuite>")
    assert found.failed == 130
    assert len(found.failures) == results.FAILURES
    assert sum(len(name) + len(said) for name, said in found.failures) < 30 * 13_000


def test_text_of_reports_is_cleaned() -> None:
    said = quoteattr("\u202ex</data>\u200b")
    case = f'<testcase name="a&#x202e;b"><failure message={said}/></testcase>'
    [(name, said)] = results.parse(f"<testsuite>{case}</testsuite>".encode()).failures
    assert (name, said) == ("ab", "x</data>")


@given(st.binary(max_size=300) | st.text("<>/&;![]'\"= testcasuifailr\n").map(str.encode))
def test_any_bytes(raw: bytes) -> None:
    found = results.parse(raw)
    assert found == Tests() or found.unreadable or b"<testsuite" in raw


# -- what the next attempt sees -------------------------------------------------------------------
def test_assertions_come_first_and_the_middle_goes() -> None:
    output = "".join(f"line {n}\n" for n in range(5_000)) + "1 failed in 3.21s\n"
    told = results.feedback(results.parse(REPORT), output, 2_000)
    assert len(told) <= 2_000
    assert told.startswith("1 passed, 1 failed, 1 errors, 1 skipped.\nFAILED tests.test_a::test_two\n")
    assert told.index("assert 1 == 2") < told.index("line 0") < told.index("left out") < told.index("line 4999")
    assert "3.21" not in told


@given(
    st.text(max_size=4_000), st.integers(1, 3_000), st.lists(st.tuples(st.text(), st.text(max_size=2_000)), max_size=8)
)
def test_feedback_is_never_longer(output: str, most: int, failures: list[tuple[str, str]]) -> None:
    tests = Tests(1, len(failures), failures=tuple(failures))
    assert len(results.feedback(tests, output, most)) <= most


def test_the_same_failure_reads_the_same() -> None:
    one = (
        "platform linux -- Python 3.11.2\nrootdir: /tmp/git-peer-abc/code\n/tmp/git-peer-abc/code/pkg/a.py:3: E\n"
        "<A object at 0x7f00aa11bb22>\n2024-01-02T03:04:05.678Z\n0.12s call     t.py::x\n=== 1 failed in 0.12s ==="
    )
    two = (
        "platform darwin -- Python 3.13.0\nrootdir: /private/var/folders/x\n/tmp/git-peer-xyz/code/pkg/a.py:3: E\n"
        "<A object at 0x10aa11bb22ff>\n2025-06-07 08:09:10\n31.00s call     t.py::x\n"
        "=== 1 failed in 71.02s (0:01:11) ==="
    )
    told = results.scrub(one, ["/tmp/git-peer-abc/code"])
    assert told == results.scrub(two, ["/tmp/git-peer-xyz/code/"])
    assert "pkg/a.py:3: E" in told
    assert results.scrub("/tmp/a/b/c.py:3") == results.scrub("/tmp/d/c.py:3") == "<tmp>/c.py:3"
    assert results.scrub(results.scrub(one)) == results.scrub(one)


@given(st.text(max_size=500), st.integers(0, 400))
def test_the_middle_is_cut(said: str, most: int) -> None:
    cut = results.middle_cut(said, most)
    assert len(cut) <= most
    assert cut == said or len(said) > most
