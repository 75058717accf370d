"""Public symbols: by tree-sitter for every language, and by what there is without it."""

from __future__ import annotations

import random
import sys

import pytest

from git_peer.adapters import languages, outlines
from git_peer.adapters.grammars import Grammars
from git_peer.adapters.symbols import LONGEST
from tests.world import World

SOURCES: dict[str, str] = {
    "a.py": """\
LIMIT: int = 3
_HIDDEN = 4
@wraps
class Store(Base):
    SIZE = 1
    def __init__(self, top: str) -> None: ...
    def _inner(self): ...
    @property
    def name(
        self,
    ) -> str:
        def nested(): ...
async def load(path: str, *, deep: bool = False) -> dict[str, int]:
    pass
def _private(): ...
""",
    "a.js": """\
export default class Store extends Base { #secret = 1; constructor(top) {} get name() { return 1 } _inner() {} #x() {} }
export const LIMIT = 3, load = async (path) => path;
function named(a) {}
function hidden() {}
export { named };
""",
    "b.js": "function plain(a, b) { return a }\nfunction _own() {}\nmodule.exports = { plain };\n",
    "a.ts": """\
export interface Shape<T> extends Base { area(unit: string): number }
export type Id = string | number;
export abstract class Store { private x = 1; public load(path: string): number { return 1 } protected own() {} }
function hidden(): void {}
""",
    "a.tsx": "export function View(props: Props): JSX.Element { return <div>{props.a}</div> }\n",
    "a.go": """\
package a
const Limit, hidden = 3, 4
type Store struct { a int }
type Shape interface { Area(unit string) (float64, error); own() }
func (s *Store) Load(path string) error { return nil }
func (s *store) Load() {}
func New[K any](n int) *Store { return nil }
func own() {}
""",
    "a.rs": """\
pub struct Store<T> where T: Base { pub a: T }
struct Own;
impl<T> Store<T> { pub fn new(n: u8) -> Self { todo!() } fn own(&self) {} }
impl Own { fn own() {} }
pub trait Shape { fn area(&self) -> f64; }
pub const LIMIT: u8 = 3;
pub mod inner { pub fn load() {} fn own() {} }
""",
    "a.java": """\
@Deprecated
public class Store<T> extends Base {
  public static final int LIMIT = 1;
  private int x;
  public Store(int n) {}
  @Override public <K> List<K> load(String path) throws E { return null; }
  private void own() {}
}
interface Shape { double area(); }
""",
    "a.c": """\
#define HIDDEN 1
struct store { int a; };
static int own(void) { return 0; }
char *load(const char *path) { return 0; }
int variable;
""",
    "a.h": "#ifndef A_H\n#define A_H\n#define LIMIT 3\nint load(int n);\ntypedef struct { int a; } store;\n#endif\n",
    "a.hpp": """\
namespace n {
template<class T> class Store : public Base {
  int own();
 public:
  explicit Store(int n) : a(n) {}
  int load(const char* path) const;
 private:
  void hidden();
};
namespace { int secret(); }
int& ref(int n);
}
""",
    "a.rb": """\
module Shop
  LIMIT = 3
  class Store < Base
    def load(path, deep: false)
      path
    end
    def self.open; end
    def taken; end
    private
    def own; end
    private :taken
  end
end
""",
    "a.cs": """\
namespace N {
  [Serializable]
  public class Store : Base {
    public const int Limit = 3;
    private int x;
    public string Name { get; set; }
    public Store(int n) {}
    public int Load(string path) => 1;
    private void Own() {}
  }
  public interface IShape { double Area(); }
}
""",
    "a.php": """\
<?php
namespace N;
const LIMIT = 3;
function load(string $path): int { return 1; }
final class Store extends Base { private $x; public function get(int $n): int { } protected function own() {} }
""",
}
EXPECTED: dict[str, list[tuple[str, str, str]]] = {
    "a.py": [
        ("constant", "LIMIT", "LIMIT: int = 3"),
        ("class", "Store", "class Store(Base)"),
        ("constant", "Store.SIZE", "SIZE = 1"),
        ("method", "Store.__init__", "def __init__(self, top: str) -> None"),
        ("method", "Store.name", "def name(self) -> str"),
        ("function", "load", "async def load(path: str, *, deep: bool = False) -> dict[str, int]"),
    ],
    "a.js": [
        ("class", "Store", "class Store extends Base"),
        ("method", "Store.constructor", "constructor(top)"),
        ("method", "Store.name", "get name()"),
        ("constant", "LIMIT", "LIMIT = 3"),
        ("function", "load", "load = async (path)"),
        ("function", "named", "function named(a)"),
    ],
    "b.js": [("function", "plain", "function plain(a, b)")],
    "a.ts": [
        ("interface", "Shape", "interface Shape<T> extends Base"),
        ("method", "Shape.area", "area(unit: string): number"),
        ("type", "Id", "type Id = string | number"),
        ("class", "Store", "abstract class Store"),
        ("method", "Store.load", "public load(path: string): number"),
    ],
    "a.tsx": [("function", "View", "function View(props: Props): JSX.Element")],
    "a.go": [
        ("constant", "Limit", "const Limit, hidden = 3, 4"),
        ("struct", "Store", "type Store struct"),
        ("interface", "Shape", "type Shape interface"),
        ("method", "Shape.Area", "Area(unit string) (float64, error)"),
        ("method", "Store.Load", "func (s *Store) Load(path string) error"),
        ("function", "New", "func New[K any](n int) *Store"),
    ],
    "a.rs": [
        ("struct", "Store", "pub struct Store<T> where T: Base"),
        ("impl", "Store", "impl<T> Store<T>"),
        ("method", "Store.new", "pub fn new(n: u8) -> Self"),
        ("trait", "Shape", "pub trait Shape"),
        ("method", "Shape.area", "fn area(&self) -> f64"),
        ("constant", "LIMIT", "pub const LIMIT: u8 = 3"),
        ("module", "inner", "pub mod inner"),
        ("function", "inner.load", "pub fn load()"),
    ],
    "a.java": [
        ("class", "Store", "public class Store<T> extends Base"),
        ("constant", "Store.LIMIT", "public static final int LIMIT = 1"),
        ("method", "Store.Store", "public Store(int n)"),
        ("method", "Store.load", "public <K> List<K> load(String path) throws E"),
        ("interface", "Shape", "interface Shape"),
        ("method", "Shape.area", "double area()"),
    ],
    "a.c": [("struct", "store", "struct store"), ("function", "load", "char *load(const char *path)")],
    "a.h": [
        ("constant", "LIMIT", "#define LIMIT 3"),
        ("function", "load", "int load(int n)"),
        ("type", "store", "typedef struct store"),
    ],
    "a.hpp": [
        ("class", "Store", "template<class T> class Store : public Base"),
        ("method", "Store.Store", "explicit Store(int n)"),
        ("method", "Store.load", "int load(const char* path) const"),
        ("function", "ref", "int& ref(int n)"),
    ],
    "a.rb": [
        ("module", "Shop", "module Shop"),
        ("constant", "Shop.LIMIT", "LIMIT = 3"),
        ("class", "Shop.Store", "class Store < Base"),
        ("method", "Shop.Store.load", "def load(path, deep: false)"),
        ("method", "Shop.Store.open", "def self.open"),
    ],
    "a.cs": [
        ("class", "Store", "public class Store : Base"),
        ("constant", "Store.Limit", "public const int Limit = 3"),
        ("property", "Store.Name", "public string Name"),
        ("method", "Store.Store", "public Store(int n)"),
        ("method", "Store.Load", "public int Load(string path)"),
        ("interface", "IShape", "public interface IShape"),
        ("method", "IShape.Area", "double Area()"),
    ],
    "a.php": [
        ("constant", "LIMIT", "const LIMIT = 3"),
        ("function", "load", "function load(string $path): int"),
        ("class", "Store", "final class Store extends Base"),
        ("method", "Store.get", "public function get(int $n): int"),
    ],
}


@pytest.mark.parametrize("path", SOURCES)
def test_symbols(path: str) -> None:
    """What is public, with its kind and signature; nothing else."""
    told = Grammars().symbols(languages.of(path), SOURCES[path].encode(), path.endswith((".h", ".hpp")))
    assert told is not None
    assert [(one.kind, one.name, one.signature) for one in told] == EXPECTED[path]
    lines = SOURCES[path].splitlines()
    assert all(one.name.rpartition(".")[2] in "".join(lines[one.line - 1 : one.line + 1]) for one in told)


def test_every_language_is_tested() -> None:
    """No language without an example."""
    assert {languages.of(path) for path in SOURCES} == set(languages.SYMBOLS)


@pytest.mark.parametrize("language", languages.SYMBOLS)
def test_hostile_sources(language: str) -> None:
    """Noise, depth and one endless line end within the bound, whatever comes of them."""
    noise = random.Random(5)
    for source in (
        b"", b"\xef\xbb\xbf", noise.randbytes(20_000), b"(" * 50_000, b"{" * 50_000, b"a<" * 50_000,
        b"class A { " * 5_000, b"class A:\n " * 2_000, b"namespace a { " * 5_000, b"module A\n" * 5_000,
        b"#if 1\n" * 5_000, b"x = [" + b"1," * 100_000 + b"]", b"\xff\xfe" + "class A: pass".encode("utf-16-le"),
    ):  # fmt: skip
        for one in Grammars(steps=4_000).symbols(language, source) or []:
            assert len(one.signature) <= LONGEST
            assert "\n" not in one.signature


def test_a_syntax_error_hides_only_what_is_around_it() -> None:
    """What stands before and behind it is found."""
    told = Grammars().symbols("Python", b"def before(a): pass\n\ndef (((:\n\nclass Behind:\n    def m(self): pass\n")
    assert told is not None
    assert {"before", "Behind.m"} <= {one.name for one in told}


def test_steps_are_bounded_over_all_files() -> None:
    """What one file used, the next ones lack."""
    grammars = Grammars(steps=20)
    assert grammars.symbols("Java", b"a<" * 50_000) is None
    assert grammars.symbols("Python", b"def f(): pass\n" * 10_000) is None
    assert Grammars().symbols("Python", b"def f(): pass\n") is not None


def test_without_grammars(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package takes its language away, a missing tree_sitter all of them."""
    monkeypatch.setitem(sys.modules, "tree_sitter_go", None)
    assert [Grammars().has(language) for language in ("Go", "Python", "Cobol")] == [False, True, False]
    monkeypatch.setitem(sys.modules, "tree_sitter", None)
    assert not any(Grammars().has(language) for language in languages.SYMBOLS)


def test_python_s_own_parser() -> None:
    """The same symbols as by the grammar; None where Python itself cannot read the file."""
    told = outlines.python(SOURCES["a.py"].encode())
    assert told is not None
    found = [(one.kind, one.name, one.signature.replace("bool=", "bool = ")) for one in told]
    assert found == EXPECTED["a.py"]
    for source in (b"def (:", b"\0", b"(" * 50_000, b"-" * 100_000 + b"1", b"# coding: none\n", b"\xff = 1\n"):
        assert outlines.python(source) is None
    assert outlines.python(b"x = '\\d'\n") == []  # a warning of the compiler is none of ours


def test_git_s_function_names(world: World) -> None:
    """One git child finds, in every language that git has a pattern for, what it calls function names."""
    clone = world.clone("a")
    clone.write("s/a.go", "package a\n\nfunc (s *Store) Load(p string) error {\n\treturn nil\n}\n\nfunc own() {\n}\n")
    clone.write("s/a.rs", "pub fn load(n: u8) -> u8 {\n    n\n}\n\nfn own() {\n}\n")
    clone.write("s/a.java", "public class Store {\n\n    public int load(int n) {\n        return 1;\n    }\n}\n")
    clone.write("s/a=1:b.c", "int load(int n)\n{\n\treturn 1;\n}\n\nstatic int own(void)\n{\n\treturn 0;\n}\n")
    commit = clone.commit("sources")
    paths = {path: languages.of(path) for path in ("s/a.go", "s/a.rs", "s/a.java", "s/a=1:b.c")}
    told = outlines.of_git(clone.git(*outlines.git_args(commit, paths)).out, commit, paths)
    assert {path: [(one.kind, one.name, one.signature, one.line) for one in found] for path, found in told.items()} == {
        "s/a.go": [("function", "Load", "func (s *Store) Load(p string) error", 3)],
        "s/a.rs": [("function", "load", "pub fn load(n: u8) -> u8", 1)],
        "s/a.java": [
            ("class", "Store", "public class Store", 1),
            ("function", "load", "public int load(int n)", 3),
        ],
        "s/a=1:b.c": [("function", "load", "int load(int n)", 1)],
    }
