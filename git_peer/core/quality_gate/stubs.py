"""The stubs gate: nothing comes in that only says that something is still to be done, and no test is switched off.

A reason that names a task (`TODO(t12)`, `#12`, `ABC-12`) excuses both: it will not be forgotten.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Collection, Iterable, Iterator

from git_peer.core.quality_gate.change import Change, names_a_task
from git_peer.core.quality_gate.comments import Parts, parts
from git_peer.core.quality_gate.verdict import Finding, Verdict, judged

# Where a mark is one, and no word of a sentence about marks: at the beginning, or with a colon or bracket behind it.
_MARK = re.compile(
    r"^[^\w\n]*@?(?P<first>TODO|FIXME|XXX)\b|(?<![\w\"'`-])(?P<colon>TODO|FIXME)\s?[:(]|^[^\w\n]*(?P<low>(?i:todo|fixme)):"
    r"|[.;]\s+(?P<then>TODO|FIXME)\b"
)
_UNDONE = r"(?i:(?:not|isn't)\s+(?:yet\s+)?implemented|unimplemented|implement\s+me|to\s*do\b|fixme)"
_TEXT = rf"[\"'`][^\"'`\n]*{_UNDONE}"
_JS = (
    (rf"\bthrow\s+(?:new\s+)?\w*Error\s*\(\s*{_TEXT}", "a stub"),
    (r"\b(?:it|test|describe|context|suite)(?:\.\w+)*\.(?:skip|todo|fixme|failing)\b", "a test that is skipped"),
    (r"(?<![\w.])x(?:it|test|describe)\s*\(", "a test that is skipped"),
    (r"\b(?:it|test|describe|context|suite)\.only\b|(?<![\w.])f(?:it|describe)\s*\(", "all other tests are skipped"),
)
_CODE: dict[str, tuple[tuple[str, str], ...]] = {
    **dict.fromkeys(("JavaScript", "TypeScript", "TSX"), _JS),
    "Rust": (
        (r"\b(?:todo|unimplemented)!\s*[(\[{]", "a stub"),
        (r"#\[\s*ignore\b", "a test that is skipped"),
    ),
    "Go": (
        (rf"\bpanic\s*\(\s*(?:fmt\.Sprintf\(\s*)?{_TEXT}", "a stub"),
        (rf"\berrors\.New\s*\(\s*{_TEXT}", "a stub"),
        (r"\b[tb]\.Skip(?:f|Now)?\s*\(", "a test that is skipped"),
    ),
    "Java": (
        (rf"\bthrow\s+new\s+\w+(?:Exception|Error)\s*\(\s*{_TEXT}", "a stub"),
        (r"@(?:Disabled|Ignore)\b", "a test that is skipped"),
    ),
    "Kotlin": ((r"(?<![\w.])TODO\s*\(", "a stub"), (r"@(?:Disabled|Ignore)\b", "a test that is skipped")),
    "C#": (
        (r"\bthrow\s+new\s+(?:System\.)?NotImplementedException\b", "a stub"),
        (r"\[\s*Ignore\b|\bSkip\s*=\s*\"", "a test that is skipped"),
    ),
    "Swift": ((rf"\bfatalError\s*\(\s*{_TEXT}", "a stub"), (r"\bthrow\s+XCTSkip\b", "a test that is skipped")),
    "Ruby": (
        (r"\braise\s*\(?\s*NotImplementedError\b", "a stub"),
        (r"(?<![\w.])x(?:it|describe|context|specify)\b", "a test that is skipped"),
    ),
    "PHP": (
        (rf"\bthrow\s+new\s+\\?\w*Exception\s*\(\s*{_TEXT}", "a stub"),
        (r"->markTest(?:Skipped|Incomplete)\s*\(", "a test that is skipped"),
    ),
}
_BROKEN = (  # of a Python file that cannot be parsed
    (r"\braise\s+NotImplementedError\b", "a stub"),
    (r"\b(?:mark\.(?:skip|xfail)|unittest\.(?:skip|expectedFailure))\b", "a test that is skipped"),
)
_ABSTRACT = frozenset("abstractmethod abstractproperty abstractclassmethod abstractstaticmethod overload".split())
_EMPTY_BY_NATURE = frozenset("group callback fixture singledispatch hookspec result_callback".split())
_PUT_OFF = re.compile(
    r"(?i)\b(?:implement\w*|placeholder|stub\w*|later|for now|to be done|not yet|wip|fill in)\b|…|\.\.\."
)


def judge(changes: Iterable[Change], tasks: Collection[str] | None = None) -> Verdict:
    """Of the lines that are new; `tasks` are the ids of the plan, None where they are not known."""
    found = [one for change in changes for one in of(change, tasks)]
    return judged(found, "no stubs", "stubs, marks or skipped tests: {}")


def of(change: Change, tasks: Collection[str] | None = None) -> Iterator[Finding]:
    """What one file has in its new lines."""
    if change.new is None or change.state or not change.added:
        return
    told = parts(change.language, change.new)
    if told is None:
        return
    lines = change.lines
    for number, comment in enumerate(told.comments.split("\n"), 1):
        if number in change.added and comment.strip():
            mark = _MARK.search(comment.strip())
            if mark and not names_a_task(comment, tasks):
                yield Finding(f"{mark[mark.lastgroup or 0].upper()} without a task", change.path, number)
    if change.language == "Python":
        tree = _parsed(change.new)
        if tree is not None:
            yield from _Python(change, told, tasks).found(tree)
            return
    for pattern, what in _BROKEN if change.language == "Python" else _CODE.get(change.language, ()):
        for match in re.finditer(pattern, told.spoken):
            number = change.new.count("\n", 0, match.start()) + 1
            inside_a_string = told.code[match.start()].isspace()
            if number not in change.added or inside_a_string or names_a_task(lines[number - 1], tasks):
                continue
            if what != "a stub" and change.language == "Go" and _is_conditional(lines, number):
                continue
            yield Finding(what, change.path, number)


def _is_conditional(lines: list[str], number: int) -> bool:
    """Whether a Go test's Skip stands in an `if`, with a reason: it depends on the machine."""
    if not re.search(r"Skipf?\s*\(\s*[\"'`]", lines[number - 1]):
        return False
    before = next((line.strip() for line in reversed(lines[: number - 1]) if line.strip()), "")
    return before.endswith("{") and re.match(r"(?:\}\s*else\s+)?if\b", before) is not None


def _parsed(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a stranger's odd escapes are not ours to tell of
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Python:
    """Looks through a Python file's syntax tree."""

    def __init__(self, change: Change, told: Parts, tasks: Collection[str] | None) -> None:
        self.change = change
        self.tasks = tasks
        self.comments = told.comments.split("\n")
        self._whole: set[int] = set()  # lines of bodies that are empty: their functions are told, or may be so

    def found(self, tree: ast.Module) -> Iterator[Finding]:
        """In the order of the tree."""
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and all(map(_is_empty, _body(node))):
                self._whole |= {one.lineno for one in _body(node)}
        todo: list[tuple[ast.AST, ast.ClassDef | None, bool]] = [(tree, None, False)]
        while todo:
            node, inside, on_condition = todo.pop()
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from self._function(node, inside)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
                yield from self._docstring(node)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                for decorator in node.decorator_list:
                    yield from self._switched_off(decorator, False)
            elif isinstance(node, ast.Assign) and any(_last(one) == "pytestmark" for one in node.targets):
                marks = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
                for mark in marks:
                    yield from self._switched_off(mark, False)
            elif isinstance(node, ast.Expr | ast.Raise):
                value = node.value if isinstance(node, ast.Expr) else node.exc
                if value is not None and _name(value).rpartition(".")[2] in ("skip", "skipTest", "xfail", "SkipTest"):
                    yield from self._switched_off(value, on_condition)
            if (
                isinstance(node, ast.Raise)
                and _name(node.exc) == "NotImplementedError"
                and not isinstance(node.exc, ast.Call)
            ):
                yield from self._bare(node, inside)
            for child in ast.iter_child_nodes(node):
                deeper = on_condition or isinstance(node, ast.If | ast.ExceptHandler)
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    deeper = False
                todo.append((child, node if isinstance(node, ast.ClassDef) else inside, deeper))

    def _says(self, what: str, node: ast.stmt | ast.expr, first: int = 0) -> Iterator[Finding]:
        lines = range(first or node.lineno, (node.end_lineno or node.lineno) + 1)
        new = [line for line in lines if line in self.change.added]
        if new and not any(names_a_task(self.comments[line - 1], self.tasks) for line in lines):
            yield Finding(what, self.change.path, node.lineno)

    def _docstring(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module) -> Iterator[Finding]:
        if not node.body or ast.get_docstring(node, clean=False) is None:
            return
        first = node.body[0]
        for number in range(first.lineno, (first.end_lineno or first.lineno) + 1):
            line = self.change.lines[number - 1]
            mark = re.match(r"[^\w]*(?:[rRuU]?[\"']+\s*)?(TODO|FIXME)\b", line)
            if mark and number in self.change.added and not names_a_task(line, self.tasks):
                yield Finding(f"{mark[1]} without a task", self.change.path, number)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, inside: ast.ClassDef | None) -> Iterator[Finding]:
        body = _body(node)
        if any(not _is_empty(one) for one in body) or self._may_be_empty(node, inside):
            return
        raises = any(isinstance(one, ast.Raise) for one in body)
        if raises:
            text = " ".join(_strings(body[-1]))
            if names_a_task(text, self.tasks) or _is_abstract(inside):
                return
            yield from self._says(f"{node.name} only raises NotImplementedError", node)
            return
        if self._excused(node):
            return
        what = "does nothing" if body else "has a docstring and no body"
        yield from self._says(f"{node.name} {what}", node)

    def _may_be_empty(self, node: ast.FunctionDef | ast.AsyncFunctionDef, inside: ast.ClassDef | None) -> bool:
        if self.change.path.endswith(".pyi"):
            return True
        names = {_name(one).rpartition(".")[2] for one in node.decorator_list}
        if names & _ABSTRACT or names & _EMPTY_BY_NATURE:
            return True
        if inside is not None and any(_name(base).rpartition(".")[2] == "Protocol" for base in inside.bases):
            return True
        passes = not any(isinstance(one, ast.Raise) for one in node.body)
        dunder = node.name.startswith("__") and node.name.endswith("__")
        double = self.change.test and not node.name.startswith("test")  # a stand-in of a test does nothing on purpose
        return passes and (dunder or double)

    def _excused(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Whether a comment in it says why there is nothing to do."""
        lines = self.comments[node.lineno - 1 : node.end_lineno]
        said = " ".join(line.strip(" #\t") for line in lines).strip()
        said = re.sub(r"\b(?:noqa|type: ignore|pragma|pylint|fmt)\b\S*", "", said).strip()
        return bool(re.search(r"\w\W+\w", said)) and not _PUT_OFF.search(said)

    def _bare(self, node: ast.Raise, inside: ast.ClassDef | None) -> Iterator[Finding]:
        if not _is_abstract(inside) and node.lineno not in self._whole:
            yield from self._says("raises NotImplementedError", node)

    def _switched_off(self, node: ast.expr, on_condition: bool) -> Iterator[Finding]:
        name = _name(node).rpartition(".")[2]
        call = node if isinstance(node, ast.Call) else None
        if name not in ("skip", "xfail", "skipTest", "SkipTest", "expectedFailure", "skipif", "skipIf"):
            return
        said = " ".join(_strings(call)) if call is not None else ""
        if names_a_task(said, self.tasks):
            return
        if call is not None and name in ("xfail", "skipif", "skipIf") and call.args:
            on_condition = on_condition or not isinstance(call.args[0], ast.Constant)
        if on_condition and said:
            return
        what = "is expected to fail" if name in ("xfail", "expectedFailure") else "is skipped"
        yield from self._says(f"a test {what}, without a task", node)


def _body(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    """The statements of a function, its docstring left out."""
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


def _last(node: ast.expr) -> str:
    return _name(node).rpartition(".")[2]


def _name(node: ast.AST | None) -> str:
    """`a.b.c` of a name, an attribute, a call or a subscript of one; "" else."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _strings(node: ast.AST) -> Iterator[str]:
    return (one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str))


def _is_empty(node: ast.stmt) -> bool:
    if isinstance(node, ast.Raise):
        return _name(node.exc) == "NotImplementedError"
    is_dots = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value.value is ...
    return isinstance(node, ast.Pass) or is_dots


def _is_abstract(inside: ast.ClassDef | None) -> bool:
    if inside is None:
        return False
    bases = {_name(one).rpartition(".")[2] for one in [*inside.bases, *(key.value for key in inside.keywords)]}
    return bool(bases & {"ABC", "ABCMeta", "Protocol"})
