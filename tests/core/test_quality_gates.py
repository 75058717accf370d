"""The gates that are pure functions of a diff, each on a corpus of cases that must fail it and cases that must not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli

from git_peer.adapters import languages
from git_peer.adapters.grammars import Grammars
from git_peer.core.errors import PeerError
from git_peer.core.quality_gate import api, coverage, definition, dependencies, regression, secrets, size, stubs
from git_peer.core.quality_gate.change import Change
from git_peer.core.quality_gate.verdict import Verdict
from git_peer.formats import manifests, reports
from git_peer.ops.changed_files import change

CORPUS = Path(__file__).parent / "gates"
NAMES = ("stubs", "secrets", "api", "dependencies", "size")


def cases(gate: str) -> dict[str, list[dict[str, Any]]]:
    return tomli.loads((CORPUS / f"{gate}.toml").read_text("utf-8").replace("~", ""))


def made(case: dict[str, Any]) -> Change:
    """The change of a case; an empty `new` is a file that is gone."""
    old, new = case.get("old"), case["new"]
    return change(case["path"], old.encode() if old else None, new.encode() if new else None)


def surface(one: Change) -> api.Surface:
    grammars = Grammars()

    def of(source: str | None) -> list[api.Public]:
        found = grammars.symbols(one.language, (source or "").encode())
        assert found is not None
        return [api.Public(row.name, row.kind, row.signature, row.line) for row in found]

    return api.Surface(one.path, one.language, of(one.old), of(one.new), one.new or "")


def manifest(one: Change) -> list[dependencies.Manifest]:
    if one.state == "vendored" or not manifests.declares(one.path):
        return []
    old, new = (manifests.read(one.path, text) if text else {} for text in (one.old, one.new))
    assert old is not None
    assert new is not None
    return [dependencies.Manifest(one.path, old, new)]


def sized(case: dict[str, Any]) -> Verdict:
    def text(count: int, word: str) -> bytes:
        return "".join(f"{word} {at}\n" for at in range(abs(count))).encode()

    changes = [
        change(one["path"], text(one["old"], "old") or None, text(one["new"], "new") or None) for one in case["files"]
    ]
    return size.judge(changes, case["lines"], case["most"])


def verdict(gate: str, case: dict[str, Any]) -> Verdict:
    if gate == "size":
        return sized(case)
    one = made(case)
    if gate == "stubs":
        return stubs.judge([one])
    if gate == "secrets":
        return secrets.judge([("0" * 40, [one])])
    return api.judge([surface(one)]) if gate == "api" else dependencies.judge(manifest(one))


@pytest.mark.parametrize("gate", NAMES)
@pytest.mark.parametrize("word", ["fail", "pass"])
def test_the_corpus(gate: str, word: str) -> None:
    """At least 20 cases each; no miss, no false alarm."""
    listed = cases(gate)[word]
    assert len({case["name"] for case in listed}) == len(listed) >= 20
    wrong = [(case["name"], found) for case in listed if (found := verdict(gate, case)).word != word]
    assert wrong == []


def test_the_figures_in_the_docs() -> None:
    """docs/gates.md tells how many cases each corpus has, as it has them."""
    page = (Path(__file__).parents[2] / "docs" / "gates.md").read_text("utf-8")
    for gate in NAMES:
        found = cases(gate)
        assert f"| `{gate}` | {len(found['fail'])} of {len(found['fail'])} | 0 of {len(found['pass'])} |" in page


def test_where_it_is_told() -> None:
    """With path and line of the new file, also below what was there."""
    one = made({"path": "a.py", "old": "x = 1\n", "new": "x = 1\n\n\ndef f():\n    pass\n# TODO: x\n"})
    found = stubs.judge([one]).findings
    assert [(row.path, row.line) for row in found] == [("a.py", 4), ("a.py", 6)]


def test_a_task_is_one_of_the_plan() -> None:
    one = made({"path": "a.py", "new": "# TODO(t99): x\n# TODO(fix-it): y\n"})
    assert [row.line for row in stubs.judge([one], frozenset({"fix-it"})).findings] == [1]


def test_a_secret_that_a_later_commit_takes_out() -> None:
    """It is in the history: each commit is looked at."""
    text = cases("secrets")["fail"][0]["new"]
    came = change("a.py", None, text.encode())
    assert secrets.judge([("a" * 40, [came]), ("b" * 40, [change("a.py", text.encode(), None)])]).word == "fail"


def test_what_a_contract_says_may_change() -> None:
    one = surface(
        made({"path": "m.py", "old": "def parse(a):\n    return a\n", "new": "def parse(a, b):\n    return a\n"})
    )
    assert api.judge([one], ["parser\nparse(a, b) -> str"]).word == "pass"
    assert api.judge([one], ["parser\nparsed(a, b)"]).word == "fail"
    new = dependencies.Manifest("requirements.txt", {}, {"requests": ""})
    assert dependencies.judge([new], agreed=["http\nwe use Requests"]).word == "pass"
    assert dependencies.judge([new], ["req*"]).word == "pass"
    assert dependencies.judge([new], ["requests-mock"]).word == "fail"


@pytest.mark.parametrize(
    ("before", "after", "bad"),
    [
        ({"a::t": "passed"}, {"a::t": "passed"}, 0),
        ({"a::t": "passed"}, {"a::t": "failed"}, 1),
        ({"a::t": "passed"}, {"a::t": "skipped"}, 1),
        ({"a::t": "passed"}, {}, 1),
        ({"a::t": "failed", "a::u": "skipped"}, {}, 0),
        ({"a::t": "passed"}, {"b::t": "passed"}, 0),  # moved
        ({"a::t": "passed", "b::t": "passed"}, {"c::t": "passed"}, 1),  # two are not one
        ({"a::t": "passed", "b::t": "passed"}, {"b::t": "passed"}, 1),  # the other one was there
        ({"a::t": "passed"}, {"b::t": "failed"}, 1),
        ({"a::t[x::y]": "passed"}, {"b::t[x::y]": "passed"}, 0),
    ],
)
def test_regression(before: dict[str, str], after: dict[str, str], bad: int) -> None:
    assert len(regression.judge(before, after).findings) == bad


def test_coverage() -> None:
    """Of the changed lines that can be run, and in all; what is not known is no pass."""
    one = Change("a.py", "", "1\n2\n3\n4\n5\n", frozenset({2, 3, 4}))
    full = {"a.py": {1: 1, 2: 1, 3: 1, 5: 0}}
    half = {"a.py": {1: 1, 2: 1, 3: 0, 5: 1}}
    assert coverage.judge([one], full, full).word == "pass"
    assert coverage.judge([one], half, full, 50).word == "pass"
    found = coverage.judge([one], half, full, 51)
    assert (found.word, [row.line for row in found.findings]) == ("fail", [3])
    assert coverage.judge([one], full, {"a.py": {1: 1}}).word == "fail"
    assert coverage.judge([one], full, {"a.py": {1: 1}}, drop=25).word == "pass"
    assert coverage.judge([one], full, None).word == "unknown"
    assert coverage.judge([one], {}, full).word == "unknown"


def test_reports() -> None:
    """LCOV and Go's profile, under whatever name the tool has for a file; cargo's and Go's lines."""
    lcov = b"SF:/code/src/a.py\nDA:1,1\nDA:2,0,x\nend_of_record\nSF:/usr/lib/b.py\nDA:1,1\n"
    assert reports.coverage(lcov, ["src/a.py", "a.py"]) == {"src/a.py": {1: 1, 2: 0}}
    go = b"mode: set\nexample.org/p/sub/a.go:3.10,5.2 2 1\nexample.org/p/sub/a.go:5.2,6.2 1 0\n"
    assert reports.coverage(go, ["sub/a.go"]) == {"sub/a.go": {3: 1, 4: 1, 5: 1, 6: 0}}
    assert reports.coverage(b"<xml/>", ["a"]) is None
    said = "test a::b ... ok\ntest c ... FAILED\ntest d ... ignored\n"
    said += '{"Action":"pass","Package":"p","Test":"T"}\n{"Action":\n'
    assert reports.outcomes(said) == {"a::b": "passed", "c": "failed", "d": "skipped", "p::T": "passed"}


@pytest.mark.parametrize(
    "table",
    [
        [], {"x": 1}, {"size": {"lines": "1"}}, {"size": {"lines": -1}}, {"size": {"lines": True}}, {"lint": {}},
        {"tests": {"timeout": "soon"}}, {"tests": {"timeout": 5}}, {"coverage": {"changed": 101}},
        {"a b": {"command": "x"}},
        {"dependencies": {"allow": "x"}}, {"dependencies": {"allow": [1]}}, {"stubs": {"required": "yes"}},
        {"sise": {}},
    ],
)  # fmt: skip
def test_a_wrong_value_is_named(table: Any) -> None:
    with pytest.raises(PeerError) as why:
        definition.read(table)
    assert (why.value.code, bool(why.value.hint)) == ("invalid", True)


def test_what_a_project_says() -> None:
    found, warnings = definition.read({"lint": {"command": "x", "timeout": "2m"}, "size": {"off": True, "linse": 1}})
    assert (found["lint"].seconds, found["lint"].declared, found["stubs"].declared) == (120, True, False)
    assert "size" not in found
    assert ["did you mean lines?" in line for line in warnings] == [True]


def test_a_language_of_which_nothing_is_known() -> None:
    assert languages.of("a.xyz") == ""
    assert stubs.judge([made({"path": "a.xyz", "new": "TODO: x\n"})]).word == "pass"


def test_the_line_of_a_dependency() -> None:
    """However its name is spelled there."""
    assert manifests.line_of("a\nTree_Sitter.json>=1\ntree-sitter\n", "tree-sitter-json") == 2
    assert manifests.line_of("a-b\n", "a") == 0
