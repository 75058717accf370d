"""From a model's text to files: every form that models use, and everything that must not come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from git_peer.core.target import target as targets
from git_peer.runner import answers, blocks, paths
from git_peer.runner.answers import Changes

CODE = "def add(a, b):\n    return a + b\n"
TEST = "from calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"


def of_paths(*names: str) -> Callable[[str], str]:
    """The rule of a task with those paths."""
    kinds = {True: "dir", False: "file"}
    found = []
    for name in names:
        kind = "glob" if "*" in name else kinds[name.endswith("/")]
        found.append(targets.of_path(kind, name.rstrip("/")))  # type: ignore[arg-type]
    return paths.of_task(found)


def read(text: str, old: Mapping[str, str] | None = None, own: tuple[str, ...] = (), **more: object) -> Changes:
    return answers.files(text, (old or {}).get, of_paths(*own), **more)  # type: ignore[arg-type]


# -- forms ----------------------------------------------------------------------------------------
FORMS = {
    "file line": f"FILE: calc.py\n```python\n{CODE}```\n",
    "file line with words around": f"Sure! Here it is.\n\nFile: `calc.py`\n\n```py\n{CODE}```\nThat adds.\n",
    "heading": f"### calc.py\n\n```python\n{CODE}```\n",
    "heading with ticks": f"#### `calc.py` (new file)\n```python\n{CODE}```\n",
    "bold": f"**calc.py**\n```\n{CODE}```\n",
    "bold and ticks": f"1. **`calc.py`**:\n```python\n{CODE}```\n",
    "ticks": f"`calc.py`:\n\n```python\n{CODE}```\n",
    "bold word": f"**File:** `./calc.py`\n```python\n{CODE}```\n",
    "numbered": f"1. File: calc.py\n```python\n{CODE}```\n",
    "info string": f"```python calc.py\n{CODE}```\n",
    "info string alone": f"```calc.py\n{CODE}```\n",
    "info string with colon": f"```python:calc.py\n{CODE}```\n",
    "info string with title": f'```python title="calc.py"\n{CODE}```\n',
    "first line": f"```python\n# calc.py\n{CODE}```\n",
    "first line with word": f"```python\n# File: calc.py\n{CODE}```\n",
    "file line inside": f"```python\nFILE: calc.py\n{CODE}```\n",
    "twice": f"FILE: calc.py\n```python\nFILE: calc.py\n{CODE}```\n",
    "sentence": f"Put this into `calc.py`:\n```python\n{CODE}```\n",
    "tildes": f"FILE: calc.py\n~~~python\n{CODE}~~~\n",
    "longer fence": f"FILE: calc.py\n`````python\n{CODE}`````\n",
    "indented": "FILE: calc.py\n  ```python\n" + "".join(f"  {one}\n" for one in CODE.splitlines()) + "  ```\n",
    "carriage returns": f"FILE: calc.py\r\n```python\r\n{CODE}```\r\n".replace("\n", "\r\n").replace("\r\r", "\r"),
    "byte order mark": f"\ufeffFILE: calc.py\n```python\n{CODE}```\n",
    "no fence": f"FILE: calc.py\n\n{CODE}",
    "no name": f"Here you are:\n```python\n{CODE}```\n",
    "no name, no fence": CODE,
    "unclosed": f"FILE: calc.py\n```python\n{CODE}",
    "a command besides": f"FILE: calc.py\n```python\n{CODE}```\nRun it:\n```bash\npytest\n```\n",
    "an example besides": f"FILE: calc.py\n```python\n{CODE}```\nUse `calc.py`:\n```python\nadd(1, 2)\n```\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_file(form: str) -> None:
    assert read(FORMS[form], own=("calc.py",), only="calc.py") == Changes({"calc.py": CODE})


def test_several_files() -> None:
    text = f"FILE: calc.py\n```python\n{CODE}```\n\nFILE: tests/test_calc.py\n```python\n{TEST}```\n"
    assert read(text, own=("calc.py",)) == Changes({"calc.py": CODE, "tests/test_calc.py": TEST})


def test_code_and_tests_without_names() -> None:
    text = f"```python\n{CODE}```\nand\n```python\n{TEST}```\n"
    found = read(text, own=("calc.py",), only="calc.py", test="tests/test_calc.py")
    assert found == Changes({"calc.py": CODE, "tests/test_calc.py": TEST})


def test_the_last_of_two_whole_files_counts() -> None:
    text = f"FILE: calc.py\n```python\nx = 1\n```\nBetter:\n\nFILE: calc.py\n```python\n{CODE}```\n"
    assert read(text, own=("calc.py",)).files == {"calc.py": CODE}


NESTED = {
    "docstring": 'def f():\n    """Use:\n\n```python\nf()\n```\n\n```\nplain\n```\n"""\n    return 1\n',
    "raw docstring": "def f():\n    r'''\n```\nx\n```\n'''\n",
    "comment with quotes": '# it\'s """ here\nx = "\'\'\'"\n',
}


@pytest.mark.parametrize("case", NESTED)
def test_fences_in_a_docstring_do_not_end_the_file(case: str) -> None:
    found = read(f"FILE: a.py\n```python\n{NESTED[case]}```\nDone.\n", own=("a.py",))
    assert found == Changes({"a.py": NESTED[case]})


def test_fences_in_markdown() -> None:
    inner = "# T\n\n```python\nf()\n```\n\n```\nplain\n```\n\nend\n"
    for fence in ("````", "```"):
        found = read(f"FILE: README.md\n{fence}markdown\n{inner}{fence}\n\nFILE: a.py\n```python\n{CODE}```\n")
        assert found.files == {"README.md": inner, "a.py": CODE}


# -- edits ----------------------------------------------------------------------------------------
OLD = "import os\n\n\nclass A:\n    def one(self):\n        return 1\n\n    def two(self):\n        return 2\n"


def edit(search: str, replace: str) -> str:
    return f"<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n"


def test_an_edit() -> None:
    for body in (edit("        return 1\n", "        return 10\n"), edit("return 1\n", "return 10\n")):
        for text in (f"FILE: a.py\n```python\n{body}```\n", f"FILE: a.py\n{body}", f"a.py\n\n```a.py\n{body}```"):
            assert read(text, {"a.py": OLD}, ("a.py",)) == Changes({"a.py": OLD.replace("return 1\n", "return 10\n")})


def test_several_edits_in_turn() -> None:
    text = (
        "FILE: a.py\n```\n" + edit("import os\n", "import re\n") + "\n" + edit("import re\n\n", "import re\n") + "```\n"
    )
    assert read(text, {"a.py": OLD}, ("a.py",)).files["a.py"].startswith("import re\n\nclass A")


def test_an_edit_is_indented_as_the_file_is() -> None:
    text = "FILE: a.py\n" + edit("def one(self):  \n    return 1\n", "def one(self):\n    x = 1\n\n    return x\n")
    new = read(text, {"a.py": OLD}, ("a.py",)).files["a.py"]
    assert "    def one(self):\n        x = 1\n\n        return x\n\n    def two" in new


def test_an_edit_keeps_the_newlines_of_the_file() -> None:
    text = "FILE: a.py\n" + edit("import os\n", "import re\nimport os\n")
    found = read(text, {"a.py": OLD.replace("\n", "\r\n")}, ("a.py",))
    assert found.files["a.py"] == OLD.replace("import os\n", "import re\nimport os\n").replace("\n", "\r\n")


def test_a_line_of_equal_signs_may_be_of_the_file() -> None:
    old = "Title\n=======\n\ntext\n"
    text = "FILE: a.rst\n" + edit("Title\n=======\n", "Other\n=======\n")
    assert read(text, {"a.rst": old}, ("a.rst",)).files == {"a.rst": "Other\n=======\n\ntext\n"}


BAD_EDITS = {
    "absent": (edit("return 3\n", "return 4\n"), "not in the file"),
    "twice": (edit("x = 1\n", "x = 2\n"), "2 places"),
    "empty": (edit("", "x\n"), "SEARCH is empty"),
    "half": ("<<<<<<< SEARCH\nx = 1\n=======\n", "does not end"),
    "no middle": ("<<<<<<< SEARCH\nx = 1\n>>>>>>> REPLACE\n", "without the ======="),
    "no start": ("x\n=======\ny\n>>>>>>> REPLACE\n", "without its SEARCH"),
    "nested": ("<<<<<<< SEARCH\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n", "inside another"),
    "crooked": (edit("if y:\nz = 1\n", "if y:\n    z = 2\n"), "not in the file"),
}


@pytest.mark.parametrize("case", BAD_EDITS)
def test_an_edit_that_does_not_fit_is_told(case: str) -> None:
    body, why = BAD_EDITS[case]
    found = read(f"FILE: a.py\n```\n{body}```\n", {"a.py": "x = 1\nx = 1\nif y:\n    z = 1\n"}, ("a.py",))
    assert not found.files
    assert why in found.problems[0]
    assert "a.py" in found.problems[0]


# -- hostile --------------------------------------------------------------------------------------
OUTSIDE = [
    "/etc/passwd", "../x.py", "a/../../x.py", "~/x.py", "C:/x.py", "C:\\x.py", "a\\b.py", "file:///x.py", "a//b.py",
    ".git/hooks/pre-commit", ".GIT/config", ".git /config", ".git./x.py", "git~1/config", "GIT~1/x.py", "a/.git/x.py",
    ".git::$INDEX_ALLOCATION/x.py", ".g\u200cit/config", "a\x1b[31m.py", "a\u202egpj.py", "a/./b.py", "a.py ./x.py",
    "x" * 300 + ".py", "/".join(["abcdefgh"] * 200) + ".py", "a:b.py", "\udc80.py", "aux|x.py",
]  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_leads_outside(path: str) -> None:
    """Under rules that would allow it, too."""
    assert paths.problem(path)
    for text in (f"FILE: {path}\n```python\n{CODE}```\n", f"```python {path}\n{CODE}```\n", f"FILE: {path}\n{CODE}"):
        found = answers.files(text, lambda _: None, lambda _: "")
        assert all(not paths.problem(one) for one in found.files), found


def test_plain_paths_have_no_problem() -> None:
    for path in ("a.py", "src/pkg/ä_b.py", ".github/x.yml", "a-b/c.d.e", "Makefile", ".gitignore"):
        assert not paths.problem(path)


SETTINGS = [
    ".github/workflows/ci.yml", ".pre-commit-config.yaml", ".gitlab-ci.yml", "hooks/pre-commit", ".gitattributes",
    "sub/.gitattributes", ".claude/settings.json", "CLAUDE.md", ".git-peer.toml", ".vscode/tasks.json", "Jenkinsfile",
    "sitecustomize.py", "x.pth", ".ci/run",
]  # fmt: skip


@pytest.mark.parametrize("path", SETTINGS)
def test_settings_are_written_by_a_task_that_names_them_only(path: str) -> None:
    text = f"FILE: {path}\n```\nx\n```\n"
    for own in ((), ("**",), ("src/",), ("*",)):
        found = read(text, own=own)
        assert not found.files
        assert "setting" in found.problems[0] or "not of this task" in found.problems[0]
    assert read(text, own=(path,)).files == {path: "x\n"}


def test_a_folder_of_code_may_be_called_hooks() -> None:
    assert not of_paths("src/")("src/hooks/use.py")


def test_only_the_tasks_own_paths_and_their_tests() -> None:
    rule = of_paths("src/calc.py")
    for path in ("src/calc.py", "tests/test_calc.py", "tests/unit/test_calc_more.py", "src/test_calc.py"):
        assert not rule(path), path
    for path in (
        "src/other.py",
        "tests/test_other.py",
        "tests/conftest.py",
        "test_calc.py",
        "setup.py",
        "tests/calc.py",
    ):
        assert "not of this task" in rule(path), path
    assert not of_paths("pkg/")("tests/test_any.py")
    assert of_paths("docs/x.md")("tests/test_x.py")


def test_what_is_refused_does_not_keep_the_rest() -> None:
    text = f"FILE: setup.py\n```python\nx = 1\n```\nFILE: calc.py\n```python\n{CODE}```\n"
    found = read(text, own=("calc.py",))
    assert found.files == {"calc.py": CODE}
    assert "setup.py" in found.problems[0]


HALVES = {
    "fence": (f"FILE: calc.py\n```python\n{CODE}    x = (", True),
    "fence that parses": (f"FILE: calc.py\n```python\n{CODE}", True),
    "broken": ("FILE: calc.py\n```python\ndef f(:\n", False),
    "edit": ("FILE: calc.py\n```\n<<<<<<< SEARCH\nx\n=======\ny\n", True),
    "no fence": ("def add(a, b):\n    return a +", True),
    "elided": ("FILE: calc.py\n```python\ndef add(a, b):\n    ...\n# ... rest of the code unchanged ...\n```\n", False),
    "elided in brackets": ("FILE: calc.py\n```python\nimport a\n# (... existing code ...)\n```\n", False),
    "empty": ("FILE: calc.py\n```python\n```\n", False),
    "not python": ("I cannot do that.", False),
    "nothing": ("", False),
    "white space": (" \n\n\t", False),
    "a lone fence": ("```", False),
    "prose and shell": ("Run this:\n```bash\nrm -rf /\n```\n", False),
    "json": ('FILE: calc.json\n```json\n{"a": 1\n', False),
}


@pytest.mark.parametrize("case", HALVES)
def test_half_a_file_is_none(case: str) -> None:
    text, cut = HALVES[case]
    old = {"calc.py": CODE * 20}
    found = read(text, old, ("calc.py", "calc.json"), only="calc.py", cut=cut)
    assert not found.files
    assert found.problems
    assert ("limit of the answer" in found.problems[0]) is case.startswith("fence")


FLOODS = {
    "NUL": "x = 1\n\0\n",
    "binary": "\x7fELF\x02\x01" * 1000,
    "escape": "x = '\x1b[2J'\n",
    "half characters": "x = '\ud800'\n",
    "replacement": "\ufffd" * 5000,
    "turning": "x = 1  # \u202e\n",
    "one large file": "# " + "x" * 300_000 + "\n",
}


@pytest.mark.parametrize("case", FLOODS)
def test_what_is_not_text_is_refused(case: str) -> None:
    found = read(f"FILE: calc.py\n```python\n{FLOODS[case]}```\n", own=("calc.py",))
    assert not found.files
    assert "calc.py" in found.problems[0]


def test_bounds_of_an_answer() -> None:
    many = "".join(f"FILE: pkg/f{n}.py\n```python\nx = {n}\n```\n" for n in range(answers.COUNT + 5))
    found = read(many, own=("pkg/",))
    assert len(found.files) == answers.COUNT
    assert found.problems
    large = "".join(f"FILE: pkg/f{n}.py\n```python\n# {'x' * 190_000}\n```\n" for n in range(8))
    found = read(large, own=("pkg/",))
    assert sum(map(len, found.files.values())) <= answers.ALL
    assert found.problems
    assert read("x" * (answers.ANSWER + 1)).problems
    assert len(read("FILE: /x\n```\nx\n```\n" * 150).problems) <= answers.SHOWN + 1


def test_files_do_not_stand_inside_of_files() -> None:
    both = "FILE: pkg/a\n```\nx\n```\nFILE: pkg/a/b.py\n```python\nx = 1\n```\nFILE: pkg/A\n```\ny\n```\n"
    found = read(both, own=("pkg/",))
    assert list(found.files) == ["pkg/a"]
    assert len(found.problems) == 2
    assert not read("FILE: pkg/a.py/b.py\n```\nx\n```\n", {"pkg/a.py": "x\n"}, ("pkg/",)).files


TANGLES = [
    "*" * 900 + "\n", "`" * 50 + " \n", "# " + " " * 900 + "x\n", "```python\n'''\n", "<<<<<<< SEARCH\n",
    "FILE: a.py\n",
    "```python\n" + "# " + " " * 900 + "-\n```\n",
    "FILE: a.py\n" + "<<<<<<< SEARCH\nx = 1\n=======\nx = 1\n>>>>>>> REPLACE\n" * 9,
]  # fmt: skip


@pytest.mark.parametrize("line", TANGLES)
def test_tangled_answers_come_to_an_end(line: str) -> None:
    """What grows with the square of the text would not, within the suite's time-out."""
    text = line * (answers.ANSWER // len(line))
    found = read(text, {"a.py": "x = 1\n" * 20_000}, ("a.py",), only="a.py")
    assert found.problems
    assert not found.files


pieces = st.sampled_from(
    ["```", "```python\n", "~~~", "````md\n", "FILE: ", "../", ".git/", "a.py", "/etc/x", "\n", "# ", "'''", "\0", " ",
     "**",
     "<<<<<<< SEARCH\n", "=======\n", ">>>>>>> REPLACE\n", "x = 1\n", "\r\n", "\ufeff", "def f():\n    return 1\n",
     "`", "{", "["]
)  # fmt: skip


@given(st.lists(pieces | st.text(max_size=8), max_size=40).map("".join), st.booleans())
@example("FILE: a.py\n```python\n", False)
def test_whatever_it_says(text: str, cut: bool) -> None:
    """Never an exception, never a path outside, nothing but text; and there is always something to say or to do."""
    old = {"a.py": "x = 1\ny = 2\n"}
    found = answers.files(text, old.get, of_paths("a.py", "pkg/"), only="a.py", cut=cut, parses=lambda _: True)
    assert found.files or found.problems
    for path, new in found.files.items():
        assert path in {"a.py", "tests/test_a.py", "test_a.py"} or path.startswith("pkg/") or paths.is_test(path)
        assert not paths.problem(path)
        assert "\0" not in new
        assert new.encode()
        assert new != old.get(path)
    answers.verdict(text)
    assert answers.subtasks(text, lambda _: "") or answers.subtasks(text, lambda _: "").problems


@given(st.lists(st.sampled_from(['"""', "'''", "'", '"', "#", "\\", "x", " ", "(", "\n"]), max_size=30).map("".join))
def test_a_python_file_comes_back_as_it_was(code: str) -> None:
    """Whatever its strings are: of a text without fences nothing is lost."""
    body = code.replace("\r", "") + "\n"
    block = blocks.read(f"FILE: a.py\n```python\n{body}```\n")
    assert [one.body for one in block] == [body] or not block[0].closed or block[0].body == body


# -- yes or no, and parts -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"answer": "yes", "why": "small"}', True),
        ('```json\n{"answer": "no", "why": "large"}\n```', False),
        ('{"answer": true}', True),
        ("Yes.", True),
        ("**No**, it is too large.", False),
        ("Answer: yes, because", True),
        ("Yesterday", None),
        ("", None),
        ("[" * 100_000, None),
        ('{"answer": 3}', None),
        ("perhaps", None),
    ],
)
def test_verdict(text: str, wanted: bool | None) -> None:
    assert answers.verdict(text).solvable is wanted


PART = '{"title": "T%s", "description": "d", "paths": ["pkg/a.py"], "accept": "%s"}'


def parts(*accept: str) -> str:
    return '{"subtasks": [' + ", ".join(PART % (n, one) for n, one in enumerate(accept)) + "]}"


def test_subtasks() -> None:
    own = of_paths("pkg/")
    found = answers.subtasks("Sure:\n```json\n" + parts("python -m pytest -q tests/test_a.py", "") + "\n```", own)
    assert [one.title for one in found.subtasks] == ["T0", "T1"]
    assert [one.accept for one in found.subtasks] == ["python -m pytest -q tests/test_a.py", ""]
    assert found.subtasks[0].paths == ("pkg/a.py",)
    listed = parts("", "").removeprefix('{"subtasks": ').removesuffix("}")
    assert len(answers.subtasks(listed, own).subtasks) == 2


@pytest.mark.parametrize(
    "command",
    ["rm -rf ~", "pytest; id", "pytest $(id)", "pytest -p evil", "pytest ../x", "pytest /x", "pytest\\nid", "make"],
)
def test_no_command_of_a_models_own_is_kept(command: str) -> None:
    found = answers.subtasks(parts(command, "make check"), of_paths("pkg/"), accept="make check")
    assert [one.accept for one in found.subtasks] == ["", "make check"]


@pytest.mark.parametrize(
    "text",
    [
        "", "no", "{}", "[]", parts(""), parts(*[""] * 5), parts("", "").replace("T1", "T0"),
        parts("", "").replace("T1", ""),
        parts("", "").replace("pkg/a.py", "../a.py"), parts("", "").replace("pkg/a.py", ".git/config"),
        parts("", "").replace("pkg/a.py", "other.py"), parts("", "").replace("pkg/a.py", "pkg/**/*"), "[" * 200_000,
        parts("", "")[:-9], '{"subtasks": [1, 2]}', '{"subtasks": {"title": "x"}}',
    ],
)  # fmt: skip
def test_subtasks_that_cannot_be_taken(text: str) -> None:
    found = answers.subtasks(text, of_paths("pkg/"))
    assert not found.subtasks
    assert found.problems
