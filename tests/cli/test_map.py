"""git peer map: what it tells, what it leaves out, and that it reads git alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pygit2
import pytest
from pygit2.enums import FileMode

from git_peer.ops import map as mapping
from git_peer.store.git.repo import Repo
from tests.cli.asking import ask, complaint, refused, snapshot
from tests.world import Clone, Result, World, start

# Runs the program without the packages that the first argument names.
WITHOUT = """
import sys
for name in sys.argv[1].split(","):
    sys.modules[name] = None
from git_peer.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def without(clone: Clone, packages: str, *args: str) -> dict[str, Any]:
    """The map where these packages are not installed."""
    return start((sys.executable, "-P", "-c", WITHOUT, packages, "map", "--json", *args), clone.path).finish(0).json()


def files(answer: dict[str, Any]) -> dict[str, list[str]]:
    """Path → names of its symbols."""
    return {file["path"]: [symbol["name"] for symbol in file["symbols"]] for file in answer["files"]}


def listing(answer: dict[str, Any]) -> dict[str, int]:
    """Folder → how many files."""
    return {folder["path"]: folder["files"] for folder in answer["folders"]}


def test_what_a_map_tells(world: World) -> None:
    """Folders, languages, files with their symbols; the same as text; nothing is set up or written for it."""
    clone = world.clone("a")
    clone.write("src/auth.py", "class Auth:\n    def login(self, name: str) -> bool:\n        return True\n")
    clone.commit("auth")
    before = snapshot(clone.path)
    told = ask(clone, "map")
    assert told["session"] is None
    assert told["commit"] == clone.head()
    assert told["folders"] == [
        {"path": ".", "files": 1, "languages": {"Markdown": 1}},
        {"path": "docs", "files": 1, "languages": {"Markdown": 1}},
        {"path": "src", "files": 2, "languages": {"Python": 2}},
    ]
    assert told["languages"] == [
        {"name": "Python", "files": 2, "lines": 5, "symbols_by": "tree-sitter"},
        {"name": "Markdown", "files": 2, "lines": 2, "symbols_by": None},
    ]
    assert told["files"][1] == {
        "path": "src/auth.py",
        "language": "Python",
        "lines": 3,
        "symbols": [
            {"name": "Auth", "kind": "class", "signature": "class Auth", "line": 1},
            {
                "name": "Auth.login",
                "kind": "method",
                "signature": "def login(self, name: str) -> bool",
                "line": 2,
            },
        ],
    }
    assert set(told["left_out"].values()) == {0}
    assert clone.peer("map").out == told["text"]
    assert "\nsrc/  2 Python\n  api.py  2 lines\n    def serve() -> None\n" in told["text"]
    assert "symbols by: tree-sitter (Python)\n" in told["text"]
    assert snapshot(clone.path) == before


def test_paths(world: World) -> None:
    """Only what is below the paths, which are relative to the current directory; one that HEAD lacks is an error."""
    clone = world.clone("a")
    assert files(ask(clone, "map", "src")) == {"src/api.py": ["serve"], "src/auth.py": ["login"]}
    assert files(ask(clone, "map", "api.py", cwd="src")) == {"src/api.py": ["serve"]}
    assert listing(ask(clone, "map", "../docs/", "auth.py", cwd="src")) == {"docs": 1, "src": 1}
    assert listing(ask(clone, "map", ":(top)", cwd="src")) == {".": 1, "docs": 1, "src": 2}
    refused(clone, "not_found", "map", "src", "absent/x")
    refused(clone, "usage", "map", "../outside")
    refused(clone, "usage", "map", "--max", "10")
    assert "HEAD has no absent" in complaint(clone.peer("map", "absent", status=1))[0]


def test_head_and_nothing_else(world: World, tmp_path: Path) -> None:
    """The work tree, the index and ignored files are not looked at; a bare or sparse repository has the same map."""
    clone = world.clone("a")
    want = ask(clone, "map")["text"]
    clone.write("src/new.py", "def new(): pass\n")
    clone.write("src/api.py", "def changed(): pass\n")
    clone.git("add", "src/new.py")
    assert ask(clone, "map")["text"] == want
    bare = Clone(world, world.remote)
    assert ask(bare, "map")["text"] == want
    sparse = world.clone("sparse")
    sparse.git("sparse-checkout", "set", "docs")
    assert not (sparse.path / "src").exists()
    assert ask(sparse, "map")["text"] == want
    empty = tmp_path / "empty"
    start(("git", "init", "-q", str(empty)), tmp_path).finish(0)
    told = ask(Clone(world, empty), "map")
    assert (told["commit"], told["folders"], told["files"]) == (None, [], [])
    refused(Clone(world, world.folder), "not_set_up", "map")


def test_a_partial_clone_fetches_nothing(world: World) -> None:
    """Blobs that are not here are counted as missing, and stay away."""
    world_config = Clone(world, world.remote)
    world_config.git("config", "uploadpack.allowFilter", "true")
    clone = world.clone("p", "--filter=blob:none", "--no-checkout", url=f"file://{world.remote}")
    before = snapshot(clone.path)
    for answer in (ask(clone, "map"), without(clone, "tree_sitter")):
        assert answer["files"] == []
        assert answer["left_out"]["missing"] == 4
    assert snapshot(clone.path) == before


def test_what_is_only_counted(world: World) -> None:
    """Vendored, generated, binary and huge files, and lock files; attributes have the last word."""
    clone = world.clone("a")
    source = "def seen(): pass\n"
    for path in (
        "node_modules/x/y/a.py",
        "node_modules/z.py",
        "web/dist/b.js",
        "web/a.min.js",
        "gen/c.py",
        "ours/vendor/d.py",
    ):
        clone.write(path, source)
    clone.write("package-lock.json", "{}\n")
    clone.write("big.py", "x = 1\n" * 100_000)
    clone.write("one-line.js", "var a = [" + "1," * 5_000_000 + "];")
    clone.write("binary.py", b"\0\1\2")
    clone.write(".gitattributes", "gen/* linguist-generated\nours/vendor/* -linguist-vendored\n")
    clone.commit("much")
    told = ask(clone, "map")
    assert set(files(told)) == {"src/api.py", "src/auth.py", "ours/vendor/d.py"}
    counts = {key: count for key, count in told["left_out"].items() if count}
    assert counts == {"vendored": 2, "generated": 4, "large": 2, "binary": 1}
    assert listing(told)["node_modules"] == 2
    assert "node_modules/x" not in listing(told)
    assert "node_modules/  2 vendored\n" in told["text"]
    assert "2 large" in told["text"].splitlines()[-1]
    clone.git("push", "-q", "origin", "main")
    bare = ask(Clone(world, world.remote), "map")
    assert bare["text"] == told["text"]


def test_links_are_named_and_not_followed(world: World) -> None:
    """A submodule and a symlink, also one that leads out of the repository."""
    clone, inner = world.clone("a"), world.clone("b")
    os.symlink("/etc", clone.path / "out")
    os.symlink("src", clone.path / "again")
    clone.git("submodule", "add", "-q", str(inner.path), "lib/sub")
    clone.commit("links")
    told = ask(clone, "map")
    assert told["links"] == [
        {"path": "again", "kind": "symlink"},
        {"path": "lib/sub", "kind": "submodule"},
        {"path": "out", "kind": "symlink"},
    ]
    assert set(files(told)) == {"src/api.py", "src/auth.py"}
    assert "lib/sub  submodule, not followed\n" in told["text"]


def test_text_is_safe(world: World) -> None:
    """Names and signatures are data from strangers: no control character, no forged line, no lone surrogate."""
    clone = world.clone("a")
    bad = ("x\nfolders: forged/", "caf\udce9%", "esc\x1b[2J", "dir\u202erev")
    for name in bad:
        clone.write(f"{name}/a.py", "def f(a='\x1b[2J\u202e'): pass\n")
    clone.commit("odd names")
    result: Result = clone.peer("map", "--json")
    told = result.json()
    result.raw.decode("utf-8", "strict")
    assert {"path": "caf%E9%25/a.py", "path_encoding": "percent"}.items() <= next(
        file for file in told["files"] if "caf" in file["path"]
    ).items()
    for text in (told["text"], clone.peer("map").out):
        assert all(char == "\n" or char.isprintable() for char in text)
        assert not any(line.startswith("folders: forged") for line in text.splitlines())
        assert text.count("def f(a=") == len(bad)
    told = without(clone, "tree_sitter")
    assert all(char == "\n" or char.isprintable() for char in told["text"])


def test_without_the_grammars(world: World) -> None:
    """Python by its own parser, the others by git's function names; the answer says so."""
    clone = world.clone("a")
    clone.write("src/a.go", "package a\n\nfunc Load(p string) error {\n\treturn nil\n}\n")
    clone.write("src/broken.py", "def fine(a):\n    return a\n\ndef (((\n")
    clone.commit("go")
    full = ask(clone, "map")
    assert "tree-sitter (Go, Python)" in full["text"]
    told = without(clone, "tree_sitter")
    assert {one["name"]: one["symbols_by"] for one in told["languages"] if one["symbols_by"]} == {
        "Python": "ast+git",
        "Go": "git",
    }
    assert "symbols by: git's function-name lines (Go, Python); Python's own parser (Python)\n" in told["text"]
    assert files(told) == {
        "src/a.go": ["Load"],
        "src/api.py": ["serve"],
        "src/auth.py": ["login"],
        "src/broken.py": ["fine"],
    }
    assert files(told).keys() == files(full).keys()
    some = without(clone, "tree_sitter_go")
    assert "tree-sitter (Python); git's function-name lines (Go)" in some["text"]


def filled(world: World, folders: int, per_folder: int, symbols: int, depth: int = 1) -> Clone:
    """A clone with many files."""
    clone = world.clone("big")
    text = "".join(f"class Symbol{n}:\n    def method(self): pass\n" for n in range(symbols))
    for folder in range(folders):
        below = "/".join(["folder"] * (depth - 1))
        for number in range(per_folder):
            clone.write(f"folder{folder}/{below + '/' if below else ''}file{number}.py", text)
    clone.commit("much")
    return clone


@pytest.mark.parametrize("shape", [(20, 10, 30, 1), (400, 1, 2, 1), (60, 1, 1, 12), (2, 2, 900, 1)])
def test_bounded(world: World, shape: tuple[int, int, int, int]) -> None:
    """The text keeps to its bound whatever the shape; what fits grows with it; what is left out is told."""
    clone = filled(world, *shape)
    repo = Repo(str(clone.path))
    total = shape[0] * shape[1] + 4
    before = 0
    for most in (1_000, 3_000, 12_000, 100_000):
        made = mapping.make(repo, (), most)
        assert len(made.text) <= most
        assert made.text == mapping.make(repo, (), most).text
        assert sum(folder["files"] for folder in made.data["folders"]) == total
        shown = sum(len(file["symbols"]) for file in made.data["files"])
        assert shown >= before
        before = shown
        if any(made.data["left_out"].values()):
            assert "left out: " in made.text
    assert before > 0
    assert made.text.count("class Symbol") + made.text.count("def ") == before


def test_breadth_first(world: World) -> None:
    """Every folder is named and every file has its first symbols before any has all; tests come last."""
    clone = filled(world, 10, 1, 40)
    clone.write("tests/test_a.py", "class TestIt: pass\n" * 3)
    clone.commit("tests")
    told = ask(clone, "map", "--max", "5000")
    assert len(told["folders"]) == 14
    counts = [len(file["symbols"]) for file in told["files"] if file["path"].startswith("folder")]
    assert len(counts) == 10
    assert min(counts) >= 10
    assert told["left_out"]["symbols"] > 0
    assert "tests/test_a.py" in files(ask(clone, "map"))
    tight = ask(clone, "map", "--max", "1500")
    assert "tests/test_a.py" not in files(tight)
    assert tight["left_out"]["files"] + tight["left_out"]["unread"] > 0


def test_deep_trees(world: World) -> None:
    """A thousand folders in each other: no recursion gives out."""
    clone = world.clone("a")
    git = Repo(str(clone.path)).git
    ident, mode, name = git.head.peel(pygit2.Tree)["src/api.py"].id, FileMode.BLOB, "a.py"
    for _ in range(1_500):
        level = git.TreeBuilder()
        level.insert(name, ident, mode)
        ident, mode, name = level.write(), FileMode.TREE, "d"
    clone.git("update-ref", "HEAD", clone.git("commit-tree", "-m", "deep", str(ident)).line)
    told = ask(clone, "map")
    assert sum(folder["files"] for folder in told["folders"]) == 1
    assert len(told["text"]) <= mapping.MOST
