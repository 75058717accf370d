"""Sections: a corpus of nasty cases for each language, and what holds for all texts."""

from __future__ import annotations

import random
import sys

import pytest

from git_peer.adapters import languages
from git_peer.adapters.grammars import Grammars
from git_peer.core.target.section import Section, Sections, joined
from git_peer.ops import sections as finding
from tests.world import World

# language → a text in which everything is that its grammar makes hard

SOURCES: dict[str, str] = {
    "Python": '''\
#!/usr/bin/env python
import os

# about A
@dataclass(
    frozen=True,
)
class A(B):
    """Doc: def not_one(): pass"""

    x = 1

    @overload
    def f(self, a: int) -> int: ...
    @overload
    def f(self, a: str) -> str: ...
    # the real one
    def f(self, a):
        def inner():
            return 1

        return inner()

    class Inner:
        async def g(self): pass

    @property
    def p(self): return 1
    @p.setter
    def p(self, v): pass

if os.name:
    def c():
        pass
else:
    def c(): return 2
try:
    from x import d
except ImportError:
    def d(): pass
lam = lambda: 1


def tail(): pass; y = 2
# the end''',
    "JavaScript": """\
import a from "a";

/**
 * doc
 */
export default class Store extends Base {
  #secret = 1;
  handle = () => {
    return 1;
  };
  static { init(); }
  get x() { return 1; }
  set x(v) {}
  #own() {}
  async *gen() {}
}
function* gen() {}
const arrow = async (a) => a, other = function () {};
export const Comp = React.memo(forwardRef((props) => <div/>));
module.exports.named = function () {};
Store.prototype.late = () => 1;
const api = {
  get() {},
  "put-it": () => 2,
};
describe("the store", () => {
  it('works', async () => {
    expect(1);
  });
});
if (x) { function cond() {} } else { function cond() {} }""",
    "TypeScript": """\
import { x } from "y";

export interface Shape { area(): number }
export type Id = string;
declare module "ext" {
  export function q(): void;
}
export namespace N {
  export const z = () => 1;
}
function over(a: string): void;
function over(a: number): void;
function over(a: any) {}
enum E { A, B }

@Component({
  selector: "x",
})
export abstract class C<T> {
  @Input() name = "";
  // m
  @HostListener("x")
  m(): void {}
  abstract n(): void;
  o(a: string): void;
  o(a: any): void {}
}
""",
    "TSX": """\
// the view
export function View({ a }: { a: string }) {
  const on = () => 1;
  return <p onClick={() => on()}>{a}</p>;
}
export default () => <View a="" />;
""",
    "Go": """\
package a

import "fmt"

// Store keeps.
//
// More.
type Store[T any] struct {
	x int
}

// Get gets.
func (s *Store[T]) Get() int { return 1 }
func (Store[T]) Put() {}

type (
	// A is one.
	A struct{ x int }
	B = int
)

func init() {}
func init() {
	f := func() {}
	f()
}

/* block */
func last() {}
""",
    "Rust": """\
use std::fmt;

/// Doc.
#[derive(Debug)]
pub struct Store<T> {
    x: T,
}

impl<T> Store<T> {
    /// new
    #[inline]
    pub fn new() -> Self { todo!() }
}
impl<T> fmt::Display for Store<T> {
    fn fmt(&self) {}
}
impl Store<u8> {
    fn new() {}
}
#[cfg(test)]
mod tests {
    #[test]
    fn t() {}
}
macro_rules! m {
    () => {};
}
trait Tr { fn a(&self); fn b() {} }
""",
    "Java": """\
package p;
import q.R;

/**
 * Doc.
 */
@Deprecated
public class Store<T> {
    int x;
    // build
    public Store() {}
    @Override
    public int get() { return 1; }
    int get(int a) { return a; }
    enum E { A { void q() {} }, B; void z() {} }
    record P(int a) {
        P { }
    }
}
interface I { default void d() {} }
""",
    "C": """\
#include <a.h>
#define MAX(a, b) \\
    ((a) > (b))

/* doc */
static int
load(int n)
{
	return 1;
}

struct point {
	int x;
};
typedef struct { int a; } Pair;
enum color { RED };
#ifdef WIN
char *name(void) { return 0; }
#else
char *name(void) { return 1; }
#endif
int (*table(int a))(int) { return 0; }
int declared(void);
""",
    "C++": """\
namespace a { namespace {

// doc
template <class T>
class Store : Base {
public:
  Store() = default;
  int get() const { return 1; }
  int get(int a);
};
} }

template <class T>
int Store<T>::get(int a) {
  return a;
}
Store::~Store() {}
bool operator==(const Store &a, const Store &b) { return true; }
Store::operator bool() const { return true; }
struct { int a; } unnamed;
extern "C" {
void e() {}
}
auto lam = [] { return 1; };
""",
    "Ruby": """\
require "a"

# doc
class Store::Base < Thing
  attr_reader :x
  # get it
  def get; end
  def self.make
  end
  private def own; end
  class << self
    def single; end
  end
  def x=(v); end
  def ok?
    true
  end
end
module M; module N; end; end
if x
  def cond; end
end
def endless = 1
""",
    "C#": """\
using System;

namespace N
{
    /// <summary>doc</summary>
    [Serializable]
    public class Store : Base
    {
        private int x;
        public Store() { }
        ~Store() { }
        public int P { get; set; }
        public static Store operator +(Store a, Store b) => a;
        public int Get() => 1;
        public int Get(int a)
        {
            int Local() { return 1; }
            return Local();
        }
        #region r
        void InRegion() { }
        #endregion
    }
    record R(int A);
    interface I { void M(); }
}
""",
    "PHP": """\
<?php
namespace A;

use B;

/**
 * doc
 */
#[Attr]
final class Store {
    use T;
    /** get */
    public function get() {}
    private static function own(): int { return 1; }
}
function g() {}
if (!function_exists("h")) {
    function h() {}
}
trait T {}
""",
    "Kotlin": """\
package p

/** doc */
@A
class Store(val a: Int) {
    val x = 1
    // f
    fun f(): Int = 1
    fun f(a: Int): Int {
        return a
    }
    constructor(b: String) : this(1) {
    }
    companion object {
        fun make() = 1
    }
}
object O {
    fun o() {
    }
}
fun String.ext() {
}
""",
    "Swift": """\
import A

/// doc
@objc
class Store: Base {
    var x = 1
    // f
    func f() -> Int { 1 }
    func f(a: Int) {}
    init(a: Int) {}
    deinit {}
    subscript(i: Int) -> Int { 1 }
}
extension Store: P {
    func g() {}
}
protocol P { func q() }
enum E { case a; func z() {} }
func top() {}
""",
    "Markdown": """\
---
x: 1
---
intro

# Title

text

## Use `it`
```sh
# no heading
```
### Deep
Use
---
twice

## Use `it`
end

Last
====
""",
    "JSON": """\
{
  "a": {
    "b": [1, {"in": 2}],
    "c.d": "x"
  },
  "a": 2, "e": null
}""",
    "YAML": """\
# top
a:
  b: 1

  # about c
  c:
    - x: 1
      y: 2
"d e": {f: 1}
text: |
  not: a key
---
a: 2
""",
    "TOML": """\
# about x
x = 1
[a]
y = [
  2,
]

# for b
[a.b]
z = {q = 1}
[[w]]
k = 1
[[w]]
k = 2
""",
}

# language → the sections, and the lines outside all of them
EXPECTED: dict[str, tuple[str, str]] = {
    "Python": (
        """\
        A class 4-30
        A.f#1 method 13-14
        A.f#2 method 15-16
        A.f#3 method 17-22
        A.f.inner function 19-20
        A.Inner class 24-25
        A.Inner.g method 25-25
        A.p#1 method 27-28
        A.p#2 method 29-30
        c#1 function 33-34
        c#2 function 36-36
        d function 40-40
        tail function 44-44
        """,
        "1-2 32-32 35-35 37-39 41-41 45-45",
    ),
    "JavaScript": (
        """\
        Store class 3-16
        Store.handle method 8-10
        Store.x#1 method 12-12
        Store.x#2 method 13-13
        Store.#own method 14-14
        Store.gen method 15-15
        gen function 17-17
        arrow function 18-18
        other function 18-18
        Comp function 19-19
        named function 20-20
        Store.prototype.late function 21-21
        api object 22-25
        api.get method 23-23
        api.put-it method 24-24
        the store test 26-30
        the store.works test 27-29
        cond#1 function 31-31
        cond#2 function 31-31
        """,
        "1-1",
    ),
    "TypeScript": (
        """\
        Shape interface 3-3
        Shape.area method 3-3
        Id type 4-4
        ext namespace 5-7
        ext.q function 6-6
        N namespace 8-10
        N.z function 9-9
        over#1 function 11-11
        over#2 function 12-12
        over#3 function 13-13
        E enum 14-14
        C class 16-27
        C.m method 21-23
        C.n method 24-24
        C.o#1 method 25-25
        C.o#2 method 26-26
        """,
        "1-1",
    ),
    "TSX": (
        """\
        View function 1-5
        View.on function 3-3
        default function 6-6
        """,
        "",
    ),
    "Go": (
        """\
        Store type 5-10
        Store.Get method 12-13
        Store.Put method 14-14
        A type 17-18
        B type 19-19
        init#1 function 22-22
        init#2 function 23-26
        last function 28-29
        """,
        "1-3 16-16 20-20",
    ),
    "Rust": (
        """\
        Store#1 struct 3-7
        Store#2 impl 9-13
        Store.new#1 method 10-12
        Display for Store impl 14-16
        Display for Store.fmt method 15-15
        Store#3 impl 17-19
        Store.new#2 method 18-18
        tests module 20-24
        tests.t function 22-23
        m macro 25-27
        Tr trait 28-28
        Tr.a method 28-28
        Tr.b method 28-28
        """,
        "1-1",
    ),
    "Java": (
        """\
        Store class 4-19
        Store.Store method 10-11
        Store.get#1 method 12-13
        Store.get#2 method 14-14
        Store.E enum 15-15
        Store.E.q method 15-15
        Store.E.z method 15-15
        Store.P record 16-18
        Store.P.P method 17-17
        I interface 20-20
        I.d method 20-20
        """,
        "1-2",
    ),
    "C": (
        """\
        MAX macro 2-3
        load function 5-10
        point struct 12-14
        Pair type 15-15
        color enum 16-16
        name#1 function 18-18
        name#2 function 20-20
        table function 22-22
        """,
        "1-1 17-17 19-19 21-21 23-23",
    ),
    "C++": (
        """\
        Store class 3-10
        Store.Store method 7-7
        Store.get#1 method 8-8
        Store.get#2 function 13-16
        Store.~Store function 17-17
        operator== function 18-18
        Store.operator bool function 19-19
        e function 22-22
        """,
        "1-1 11-11 20-21 23-24",
    ),
    "Ruby": (
        """\
        Store.Base class 3-18
        Store.Base.get method 6-7
        Store.Base.make method 8-9
        Store.Base.own method 10-10
        Store.Base.single method 12-12
        Store.Base.x= method 14-14
        Store.Base.ok? method 15-17
        M module 19-19
        M.N module 19-19
        cond function 21-21
        endless function 23-23
        """,
        "1-1 20-20 22-22",
    ),
    "C#": (
        """\
        Store class 5-23
        Store.Store method 10-10
        Store.~Store method 11-11
        Store.P property 12-12
        Store.operator + method 13-13
        Store.Get#1 method 14-14
        Store.Get#2 method 15-19
        Store.Get.Local function 17-17
        Store.InRegion method 21-21
        R record 24-24
        I interface 25-25
        I.M method 25-25
        """,
        "1-4 26-26",
    ),
    "PHP": (
        """\
        Store class 6-15
        Store.get method 12-13
        Store.own method 14-14
        g function 16-16
        h function 18-18
        T trait 20-20
        """,
        "1-4 17-17 19-19",
    ),
    "Kotlin": (
        """\
        Store class 3-17
        Store.f#1 method 7-8
        Store.f#2 method 9-11
        Store.constructor method 12-13
        Store.Companion object 14-16
        Store.Companion.make method 15-15
        O object 18-21
        O.o method 19-20
        ext function 22-23
        """,
        "1-1",
    ),
    "Swift": (
        """\
        Store#1 class 3-13
        Store.f#1 method 7-8
        Store.f#2 method 9-9
        Store.init method 10-10
        Store.deinit method 11-11
        Store.subscript method 12-12
        Store#2 class 14-16
        Store.g method 15-15
        P protocol 17-17
        P.q method 17-17
        E class 18-18
        E.z method 18-18
        top function 19-19
        """,
        "1-1",
    ),
    "Markdown": (
        """\
        Title heading 6-20
        Use `it`#1 heading 10-14
        Deep heading 14-14
        Use heading 15-17
        Use `it`#2 heading 19-20
        Last heading 22-23
        """,
        "1-4",
    ),
    "JSON": (
        """\
        a#1 key 2-5
        a.b key 3-3
        a.b.in key 3-3
        a.c.d key 4-4
        a#2 key 6-6
        e key 6-6
        """,
        "1-1 7-7",
    ),
    "YAML": (
        """\
        a#1 key 1-8
        a.b key 3-3
        a.c key 5-8
        a.c.x key 7-7
        a.c.y key 8-8
        d e key 9-9
        d e.f key 9-9
        text key 10-11
        a#2 key 13-13
        """,
        "12-12",
    ),
    "TOML": (
        """\
        x key 1-2
        a table 3-6
        a.y key 4-6
        a.b table 8-10
        a.b.z key 10-10
        a.b.z.q key 10-10
        w#1 table 11-12
        w.k#1 key 12-12
        w#2 table 13-14
        w.k#2 key 14-14
        """,
        "",
    ),
}


def of(language: str, source: bytes) -> Sections:
    found = Grammars().sections(language, source)
    assert found is not None
    return Sections(found, source, "tree-sitter")


def told(sections: Sections) -> list[str]:
    return [
        f"{label} {one.kind} {one.first}-{one.last}" for label, one in zip(sections.labels, sections.found, strict=True)
    ]


@pytest.mark.parametrize("language", SOURCES)
def test_corpus(language: str) -> None:
    """Decorators, comments, overloads, nested and conditional definitions, equal names, one-liners."""
    found = of(language, SOURCES[language].encode())
    rows, outside = EXPECTED[language]
    assert told(found) == [row.strip() for row in rows.splitlines() if row.strip()]
    assert " ".join(f"{first}-{last}" for first, last in found.spans("")) == outside


def test_every_language_is_tested() -> None:
    assert set(SOURCES) == set(languages.SECTIONS)


@pytest.mark.parametrize("language", SOURCES)
def test_other_line_ends(language: str) -> None:
    """CRLF, a byte-order mark, no last line feed, and blank lines at the end change nothing."""
    source = SOURCES[language].encode()
    same = told(of(language, source))
    for other in (source.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + source, source.rstrip(b"\n"), source + b"\n\n"):
        assert told(of(language, other)) == same


@pytest.mark.parametrize("language", ["Python", "JavaScript", "Go", "Rust", "Java", "C", "Ruby", "C#", "PHP"])
def test_tabs(language: str) -> None:
    """Text that is indented by tabs."""
    source = SOURCES[language].replace("    ", "\t").encode()
    assert told(of(language, source)) == told(of(language, SOURCES[language].encode()))


def sound(sections: Sections) -> None:
    """What holds of all sections: they are nested, in order, in the text; a line is in what it is said to be in."""
    for index, one in enumerate(sections.found):
        assert 1 <= one.first <= one.last <= sections.lines
        assert -1 <= one.within < index
        if one.within >= 0:
            around = sections.found[one.within]
            assert around.first <= one.first
            assert one.last <= around.last
        assert (one.first, one.last) in sections.spans(sections.labels[index]) or one.name == ""
    assert len(set(sections.labels)) == len(sections.labels)
    for line in range(1, sections.lines + 1):
        spans = joined([span for name in sections.at(line, line) for span in sections.spans(name)])
        assert any(first <= line <= last for first, last in spans) or line in sections.blank


@pytest.mark.parametrize("language", SOURCES)
def test_damaged_texts(language: str) -> None:
    """Whatever is cut out of a text or put into it, what is found is sound."""
    noise = random.Random(11)
    source = SOURCES[language].encode()
    sound(of(language, source))
    for _ in range(12):
        start, end = sorted(noise.randrange(len(source)) for _ in range(2))
        put = noise.choice([b"", b"{", b"}", b"(((", b'"', b"\n\n", noise.randbytes(5)])
        sound(of(language, source[:start] + put + source[min(end, start + 40) :]))


def test_a_syntax_error_elsewhere() -> None:
    """It hides what is around it; what stands before and behind is found where it is."""
    found = of("Python", b"def before(a):\n    pass\n\ndef (((:\n\nclass Behind:\n    def m(self): pass\n")
    assert {"before function 1-2", "Behind.m method 7-7"} <= set(told(found))


def test_many_lines() -> None:
    """50,000 lines, generated."""
    source = b"".join(
        b"# %d\n@deco\ndef f%d(a):\n    if a:\n        return {'k': [a, %d]}\n\n" % (n, n, n) for n in range(8400)
    )
    found = of("Python", source)
    assert len(found.found) == 8400
    assert found.found[-1] == Section("f8399", "function", 50395, 50399)
    assert found.at(50399, 50399) == ["f8399"]


# -- names and lines ------------------------------------------------------------------------------
def python(source: str) -> Sections:
    return of("Python", source.encode())


NAMES = """\
import a


class A:
    x = 1

    def f(self):
        return 1

    def f(self, b):
        return 2

    y = 2


def g():
    pass
"""


def test_names() -> None:
    """A name stands for all that bear it; with a number for one; with a dot at its end for what is its own."""
    found = python(NAMES)
    spans = {
        name: found.spans(name) for name in ("", "A", "A.", "A.f", "A.f#1", "A::f#2", "g", "g.", "f", "A.f#3", "#1")
    }
    assert spans == {
        "": ((1, 1),),
        "A": ((4, 13),),
        "A.": ((4, 5), (13, 13)),
        "A.f": ((7, 8), (10, 11)),
        "A.f#1": ((7, 8),),
        "A::f#2": ((10, 11),),
        "g": ((16, 17),),
        "g.": ((16, 17),),
        "f": (),
        "A.f#3": (),
        "#1": (),
    }
    assert found.near("f") == ["A.f#1", "A.f#2"]
    assert found.near("A.ff")[0].startswith("A.f")
    assert found.near("nothing like it") == []


@pytest.mark.parametrize(
    ("first", "last", "names"),
    [
        (1, 1, [""]), (8, 8, ["A.f#1"]), (5, 5, ["A."]), (7, 8, ["A.f#1"]), (8, 10, ["A.f#1", "A.f#2", "A."]),
        (4, 13, ["A"]), (13, 16, ["A.", "g", ""]), (1, 17, ["A", "g", ""]),
        (8, 7, ["A.f#1"]), (7, 6, ["A."]), (9, 8, ["A."]), (16, 15, [""]), (18, 17, [""]), (1, 0, [""]), (14, 13, [""]),
    ],
)  # fmt: skip
def test_lines(first: int, last: int, names: list[str]) -> None:
    """The smallest parts that have the lines; a place between two lines is of what is on both sides of it."""
    assert python(NAMES).at(first, last) == names


# -- by git ---------------------------------------------------------------------------------------
SHELL = b"""\
#!/bin/sh
# about one
one() {
    a
    }
two() { b; }

function three {
    inner() {
        c
    }
    one() {
        c
    }
}
main
"""


def test_git_s_function_names(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Languages without a grammar: what git calls a function, with its block, in git's own languages and the user's."""
    clone = world.clone("a")
    clone.write(".gitattributes", "*.tale diff=tale\n")
    clone.git("config", "diff.tale.xfuncname", "^(chapter .*)$")
    monkeypatch.chdir(clone.path)
    from git_peer.store.git.repo import Repo

    repo = Repo(str(clone.path))
    found = finding.of(repo, "a b.sh", SHELL)
    assert found.tool == "git"
    assert told(found) == [
        "one function 2-5", "two function 6-6", "three function 8-15", "three.inner function 9-11",
        "three.one function 12-14",
    ]  # fmt: skip
    tale = b"once\n\nchapter 1\nThe fox.\n\nchapter 2\n"
    assert told(finding.of(repo, "x.tale", tale)) == ["chapter 1 section 3-4", "chapter 2 section 6-6"]
    for path, source in (("a.txt", b"a\n"), ("a.py", b"\0binary"), ("x.tale", b"")):
        assert finding.of(repo, path, source).found == ()
    monkeypatch.setitem(sys.modules, "tree_sitter_go", None)
    go = finding.of(repo, "a.go", SOURCES["Go"].encode())
    assert go.tool == "git"
    assert "Get function 12-13" in told(go)
