"""The grammar of targets, and the way back to what people type."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from git_peer.core.errors import Malformed, PeerError
from git_peer.core.target import git_dir
from git_peer.core.target import glob as globs
from git_peer.core.target.target import Target, check, of_path, parse, root_path, show  # fmt: skip
from git_peer.layout import from_bytes, is_utf8

TREE = {
    "src": "dir", "src/a.py": "file", "src/sub": "dir", "app/[id]": "dir", "app/[id]/page.tsx": "file",
    "notes:10": "file",
    "x::y": "file", "src/[ab].py": "file", "vendor/lib": "submodule", "vendor/lib/x.c": "inside-submodule",
    "@file": "file",
    "vendor/lib/sub": "inside-submodule", "w[1]": "file", "odd\\[1\\]": "file", ":top": "file",
}  # fmt: skip


def exists(path: str) -> str:
    assert path == path.strip("/") != ""
    return TREE.get(path, "")


def nothing(_: str) -> str:
    return ""


def read(text: str, prefix: str = "") -> Target:
    return parse(text, prefix, exists, "/top/of it")


def refused(text: str, prefix: str = "") -> PeerError:
    with pytest.raises(PeerError) as caught:
        read(text, prefix)
    assert caught.value.code == "usage"
    return caught.value


# -- the grammar --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "prefix", "kind", "path"),
    [
        ("src/a.py", "", "file", "src/a.py"), ("a.py", "src/", "file", "src/a.py"), ("a.py", "src", "file", "src/a.py"),
        ("../new", "src/sub/", "file", "src/new"), ("./src/./a.py", "", "file", "src/a.py"),
        ("src//a.py", "", "file", "src/a.py"),
        ("src", "", "dir", "src"), ("src/", "", "dir", "src"), ("new/", "", "dir", "new"), ("new/.", "", "dir", "new"),
        ("src/sub/..", "", "dir", "src"), (".", "src/", "dir", "src"), ("..", "src/", "dir", ""), (".", "", "dir", ""),
        ("./", "", "dir", ""), (":/", "src/", "dir", ""), (":(top)", "src/", "dir", ""),
        (":(glob)", "src/", "dir", "src"),
        ("/top/of it/src/a.py", "x/", "file", "src/a.py"), ("/top/of it", "src/", "dir", ""),
        ("/top/x/../of it/n", "", "file", "n"),
        ("/top/of it/*.c", "src/", "glob", "*.c"), (":/src/a.py", "src/sub/", "file", "src/a.py"),
        (":(top)src", "x/", "dir", "src"), (":/:src", "x/", "dir", "src"), ("::src", "", "dir", "src"),
        (":src", "", "dir", "src"),
        (":top", "", "file", "top"), ("./:top", "", "file", ":top"), (":()src", "", "dir", "src"),
        ("vendor/lib", "", "file", "vendor/lib"), ("vendor/lib/", "", "file", "vendor/lib"),
        ("*.py", "src/", "glob", "src/*.py"), ("../**/x?", "src/", "glob", "**/x?"),
        (":(top,glob)*.py", "src/", "glob", "*.py"),
        ("*.py", "app/[id]/", "glob", "app/\\[id]/*.py"), (":/*.py", "src/", "glob", "*.py"),
        ("src/./*", "", "glob", "src/*"),
        ("src/[ab].py", "", "file", "src/[ab].py"), (":(glob)src/[ab].py", "", "glob", "src/[ab].py"),
        ("app/[id]", "", "dir", "app/[id]"), ("app/[id]/page.tsx", "", "file", "app/[id]/page.tsx"),
        ("app/[id]/", "", "dir", "app/[id]"), ("app/[no]/page.tsx", "", "glob", "app/[no]/page.tsx"),
        (":(literal)app/[no]/page.tsx", "", "file", "app/[no]/page.tsx"), (":(literal,top)*", "src/", "file", "*"),
        (":(literal)a:10-45", "", "file", "a:10-45"), (":(literal)a::b", "", "file", "a::b"),
        ("w\\[2\\]", "", "file", "w[2]"),
        ("w\\[1\\]", "", "file", "w[1]"), ("odd\\[1\\]", "", "file", "odd\\[1\\]"), ("b\\c", "", "file", "b\\c"),
        (":(glob)b\\c", "", "file", "bc"), (":(glob)x\\", "", "file", "x\\"),
        (":(glob)src", "", "dir", "src"), ("b\\\\c", "", "file", "b\\c"),
        ("notes:10", "", "file", "notes:10"), ("x::y", "", "file", "x::y"), ("./@file", "", "file", "@file"),
        (":(top)@file", "", "file", "@file"), ("@file", "", "name", "file"), ("@issue/42", "src/", "name", "issue/42"),
        ("@leader", "", "name", "leader"), ("@file::x", "", "name", "file::x"),  ("@a b", "", "name", "a b"),
        (".gitignore", "", "file", ".gitignore"),
        (".github/x", "", "file", ".github/x"), ("git~2", "", "file", "git~2"), ("..a", "", "file", "..a"),
        ("...", "", "file", "..."),
        ("a b\n", "", "file", "a b\n"), ("a:b", "", "file", "a:b"), ("C:\\x", "", "file", "C:\\x"),
        ("a:", "", "file", "a:"),
    ],
)  # fmt: skip
def test_reads(text: str, prefix: str, kind: str, path: str) -> None:
    target = read(text, prefix)
    assert (target.kind, target.path, target.encoding) == (kind, path, "")
    assert target.lines is None
    assert not target.section
    check(target)


@pytest.mark.parametrize(
    ("text", "path", "lines", "section"),
    [
        ("src/a.py:10-45", "src/a.py", (10, 45), ""), ("new:7", "new", (7, 7), ""),
        ("notes:10:3-4", "notes:10", (3, 4), ""),
        ("w[1]:3", "w[1]", (3, 3), ""), ("w\\[2\\]:3", "w[2]", (3, 3), ""), ("x::y:1-2", "x", None, "y:1-2"),
        ("x\\:\\:y:1-2", "x::y", (1, 2), ""), (":/src/a.py:1", "src/a.py", (1, 1), ""), ("z\\\\:5", "z\\", (5, 5), ""),
        ("a::", "a", None, ""),
        ("src/a.py::Name.member", "src/a.py", None, "Name.member"), ("new::a::b", "new", None, "a::b"),
        ("x::y::z", "x::y", None, "z"), ("README.md::Install / Linux", "README.md", None, "Install / Linux"),
        ("a.md::../../x", "a.md", None, "../../x"), ("a\\:\\:b::c", "a::b", None, "c"),
    ],
)  # fmt: skip
def test_reads_parts(text: str, path: str, lines: tuple[int, int] | None, section: str) -> None:
    target = read(text)
    kind = "lines" if lines else "section"
    assert (target.kind, target.path, target.lines, target.section) == (kind, path, lines, section)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "empty"), ("../x", "outside"), ("src/../../x", "outside"), ("/etc/passwd", "outside"), ("/top", "outside"),
        ("/top/of itx", "outside"), ("/", "outside"), ("../*.py", "outside"), (":(top)../x", "outside"),
        ("..", "outside"),
        (".git", "git's own"), (".git/config", "git's own"), ("src/.GIT/x", "git's own"), ("git~1/x", "git's own"),
        (".git. ./x", "git's own"), (".git::$INDEX_ALLOCATION/x", "git's own"), (".g\u200cit/x", "git's own"),
        ("a\\.git\\x", "git's own"), (".git/*", "git's own"), ("*/.git/hooks", "git's own"),
        (".git/config:3", "git's own"),
        (":(literal).Git", "git's own"), ("/top/of it/.git/HEAD", "git's own"), ("src/.git/x::y", "git's own"),
        ("vendor/lib/x.c", "submodule"), ("vendor/lib/*.c", "submodule"), ("vendor/lib/sub/*.c", "submodule"),
        ("vendor/lib/x.c:3", "submodule"), ("vendor/lib:3", "only a file"), ("src/a.py/", "not a directory"),
        ("src/a.py/.", "not a directory"), ("a:45-10", "no range"), ("a:0", "no range"), ("a:0-3", "no range"),
        ("a:99999999999", "so many"), ("a:2147483648", "so many"), ("a:10-", "half"), ("a:-5", "half"),
        ("a:3:7", "no range"),
        ("src:3", "only a file"), ("src/::X", "only a file"), ("new/:3", "only a file"), ("*.py:3", "a glob"),
        ("*.py::X", "a glob"),
        ("a::x\n", "no section"), ("a\0b", "NUL"), ("a\ud800", "no bytes"), ("@", "no name"),
        ("@/x", "no name"), ("@x/", "no name"), ("@a//b", "no name"), ("@a/../b", "no name"), ("@.", "no name"),
        ("@a\nb", "control"), ("@a\x9bb", "control"), ("@\udcff", "control"), (":(exclude)x", "excludes"),
        (":!x", "excludes"),
        (":^x", "excludes"), (":/!x", "excludes"), (":(icase)x", "icase"), (":(attr:x)y", "attr"), (":(Top)x", "Top"),
        (":(prefix:0)x", "prefix"), (":(top", "')'"), (":(literal,glob)x", "exclude each other"),
        (":%x", "no magic"), (":@x", "no magic"),
        ("[a", "no glob"), ("a/[[:x:]]", "no glob"), ("*\\", "no glob"), ("[/]", "no glob"),
        ("src/*/", "matches no file"), ("x" * 512 + "*", "512 bytes"),
    ],
)  # fmt: skip
def test_refuses(text: str, part: str) -> None:
    assert part in str(refused(text))


def test_an_absolute_path_needs_a_top() -> None:
    with pytest.raises(PeerError, match="outside"):
        parse("/a", "", nothing)
    assert parse("/a", "", nothing, "/") == Target("file", "a")


def test_outside_depends_on_where_one_stands() -> None:
    assert read("../x", "src/").path == "x"
    assert "outside" in str(refused("../../x", "src/"))


# -- what git takes for .git --------------------------------------------------------------------

DISGUISES = (
    ".git", ".GIT", ".gIt", "git~1", "GIT~1", "git~2", "git~10", "git~1x", ".git.", ".git ", ".git. .", ".git...",
    ".git x", ".git:x", ".git.:x",
    ".git::$INDEX_ALLOCATION", "git~1:x", ".gitx", ".gi", "xgit", " .git", "..git", "x.git", ".git\\x", "x\\.git",
    "x\\git~1 \\y", ".\u200cgit",
    "\ufeff.git", ".g\u200fit\u206f", ".gi\u0301t", ".\u0261it", ".git\u202e", "\u206a\u206b.\u206cGi\u202at",
    "git\u200c~1", ".g\u0131t", ".git\x01",
    ".gitmodules", ".gitattributes", ".git\u3000", "\u200b.git", ".git-x", "~git", ".git~1", "gi~1", "GI7EBA~1",
)  # fmt: skip


@pytest.mark.parametrize("part", DISGUISES)
def test_git_refuses_what_we_take_for_its_directory(tmp_path: Path, part: str) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    command = ["git", "-c", "core.protectNTFS=true", "-c", "core.protectHFS=true", "-C", str(tmp_path)]
    entry = b"100644 " + b"1" * 40 + b"\t" + os.fsencode(f"a/{part}/b") + b"\0"
    subprocess.run([*command, "update-index", "-z", "--index-info"], input=entry, capture_output=True)
    listed = subprocess.run([*command, "ls-files", "-z"], check=True, stdout=subprocess.PIPE).stdout
    assert git_dir.is_one(part) == (not listed)


# -- round trips --------------------------------------------------------------------------------

PIECES = [bytes([byte]) for byte in b"ab.:-\\[]*?@()! \n/%\xff"] + [b"::", b"10", b"\xc3\xa9", b"git", b"~1", b"%41"]
BYTES = st.one_of(
    st.binary(min_size=1, max_size=6),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map(b"".join),
)


def _paths(raw: bytes) -> str:
    return "/".join(part for part in from_bytes(raw).split("/") if part not in {"", ".", ".."})


REAL = BYTES.map(_paths).filter(
    lambda path: bool(path) and "\0" not in path and not any(git_dir.is_one(part) for part in path.split("/"))
)
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=5)
SECTIONS = st.one_of(TEXTS, st.lists(st.sampled_from([":", "a", "10", "-", "\\", "/", ".."]), min_size=1).map("".join))
RANGES = st.tuples(st.integers(1, 30), st.integers(0, 30)).map(lambda pair: (pair[0], pair[0] + pair[1]))
GLOBS = REAL.filter(lambda path: globs.is_glob(path) and not globs.problem(path))
BLOBS = st.sampled_from(["", "1" * 40, "2" * 40])
PARTS = TEXTS.filter(lambda text: "/" not in text and text not in {".", ".."})
NAMES = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
TARGETS = st.one_of(
    st.builds(of_path, st.sampled_from(["file", "dir"]), REAL),
    st.just(Target("dir", "")),
    st.builds(lambda path, lines, blob: of_path("lines", path, lines, blob=blob), REAL, RANGES, BLOBS),
    st.builds(lambda path, section, blob: of_path("section", path, section=section, blob=blob), REAL, SECTIONS, BLOBS),
    st.builds(lambda path: of_path("glob", path), GLOBS),
    st.builds(lambda name: Target("name", name), NAMES),
)


def _there(target: Target) -> Callable[[str], str]:
    kind = {"lines": "file", "section": "file"}.get(target.kind, target.kind)
    return lambda path: kind if path == target.real and kind in {"file", "dir"} else ""


@given(TARGETS)
@example(of_path("file", "a\\"))
@example(of_path("lines", "a\\", (1, 2)))
@example(of_path("lines", "a:10", (1, 2)))
@example(of_path("section", "a:", section=":x"))
@example(of_path("section", "a", section="/.."))
@example(of_path("section", "a/b", section="c/../.."))
@example(of_path("dir", "-x[1]"))
@example(of_path("glob", "*:10"))
def test_what_is_shown_reads_as_the_same(target: Target) -> None:
    plain = msgspec.structs.replace(target, blob="")
    text = show(target)
    assert parse(text, "", nothing) == plain
    assert parse(text, "", _there(target)) == plain
    check(target)


@given(TARGETS)
def test_records_survive_json(target: Target) -> None:
    raw = msgspec.json.encode(target)
    assert msgspec.json.decode(raw, type=Target) == target
    assert is_utf8(target.path)


@given(REAL)
def test_every_name_is_a_file_by_literal(path: str) -> None:
    assert parse(f":(literal){path}", "", nothing).real == path
    assert parse(f":(literal){path}", "", lambda _: "file") == of_path("file", path)
    if not path.startswith(("@", ":")):
        assert parse(path, "", lambda asked: "file" if asked == path else "") == of_path("file", path)


@given(REAL, REAL)
def test_every_directory_can_be_stood_in(directory: str, name: str) -> None:
    assert parse(f":(literal){name}", directory + "/", nothing).real == f"{directory}/{name}"
    glob = (
        parse("*.x", directory + "/", nothing)
        if len(globs.escape(directory).encode("utf-8", "replace")) < 100
        else None
    )
    if glob is not None:
        assert root_path(glob) == directory
        assert globs.match(glob.real, f"{directory}/n.x")


@given(BYTES, st.sampled_from(["", "src/", "app/[id]/"]))
def test_any_bytes_are_read_or_refused(raw: bytes, prefix: str) -> None:
    try:
        target = parse(from_bytes(raw), prefix, exists, "/top")
    except PeerError as error:
        code = error.code
    else:
        code = "usage"
        if target.section or target.kind != "section":  # what is outside all sections is looked up before it is kept
            check(target)
        assert parse(show(target), "", _there(target)) == target
    assert code == "usage"


def test_bytes_that_come_together_are_the_character() -> None:
    assert parse(":(glob)\udcc3\\\udca9", "", nothing) == Target("file", "é")
    assert root_path(of_path("glob", "\udcc3\\\udca9/*")) == "é"
    assert parse("\udcc3\udca9", "", nothing) == Target("file", "é")


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (Target("file", "src/a.py"), "src/a.py"), (Target("dir", "src"), "src/"), (Target("dir", ""), ":/"),
        (Target("glob", "src/**/*.py"), "src/**/*.py"), (Target("lines", "a", lines=(3, 3)), "a:3"),
        (Target("name", "x"), "@x"),
        (Target("lines", "a", lines=(3, 9)), "a:3-9"), (Target("section", "a", section="B.c"), "a::B.c"),
        (Target("file", "@x"), "./@x"),
        (Target("file", "-x"), "./-x"), (Target("file", "w[1]"), ":(literal)w[1]"),
        (Target("glob", "*:10"), ":(glob)*:10"),
        (Target("file", "a:10"), ":(literal)a:10"), (Target("lines", "w[1]", lines=(3, 9)), "w\\[1\\]:3-9"),
    ],
)  # fmt: skip
def test_shows(target: Target, text: str) -> None:
    assert show(target) == text


# -- records ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        Target("file", ""), Target("file", "a//b"), Target("file", "/a"), Target("file", "a/"), Target("file", "../a"),
        Target("dir", "."), Target("file", "a\0"), Target("file", ".git/x"), Target("glob", "a/.GIT/*"),
        Target("glob", "[a"), Target("glob", "a"), Target("glob", ""), Target("glob", "*" * 600), Target("lines", "a"),
        Target("file", "a", lines=(1, 2)), Target("lines", "a", lines=(2, 1)), Target("lines", "a", lines=(0, 1)),
        Target("section", "a"), Target("file", "a", section="x"), Target("section", "a", section="x\n"),
        Target("name", "a\n"), Target("name", "a//b"), Target("name", ""), Target("file", "a", "rot13"),
        Target("file", "a", "percent"), Target("file", "%zz", "percent"), Target("file", "%F", "percent"),
        Target("file", "%ff", "percent"), Target("file", "\udcff"), Target("file", "x\ud800"),
        Target("name", "%FF", "percent"), Target("file", "a", blob="xyz"), Target("section", "a", section="\ud800"),
        Target("file", "%", "percent"), Target("file", "%FF%41", "percent"),
    ],
)  # fmt: skip
def test_malformed_records(target: Target) -> None:
    with pytest.raises(Malformed):
        check(target)


def test_unknown_fields_and_kinds_are_refused() -> None:
    for raw in (b'{"kind":"file","path":"a","x":1}', b'{"kind":"odd","path":"a"}', b'{"path":"a"}'):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(raw, type=Target)
