"""Every name that `git add` takes can be locked, is refused to others, and passes a remote that checks what it gets."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from git_peer import layout
from tests.enforce.team import Team

GALLERY = [
    # white space and quoting
    b"a b", b" lead", b"trail ", b"new\nline", b"\n", b"tab\tbed", b"cr\r", b'quo"te', b"it's", b"back\\slash", b"\\",
    b"\x01\x02", b"\x7f", b"\x1b[31mred", b"bell\x07",
    # no UTF-8, and odd UTF-8
    b"\xff", b"caf\xe9", b"mixed\xc3\xa9\xff", b"\xc3\xa9", b"e\xcc\x81", b"\xed\xa0\x80", b"\xf0\x9f\x90\x99",
    b"\xc0\xaf",
    "\u202eltr.\u202c".encode(), "zero\u200bwidth".encode(), "\ufeffbom".encode(), "\u2028".encode(), "\u00a0".encode(),
    "\u05e9\u05dc\u05d5\u05dd".encode(), "\U000e0041tag".encode(), "\U0001f469\u200d\U0001f4bb".encode(),
    # what git, its fsck, NTFS or HFS would take for something of git's
    b"sub/.gitmodules", b"sub2/.gitmodules/x", b".gitattributes/y", b".gitignore", b"sub/.gitattributes", b".mailmap/z",
    b".gitx", b".git_", b"git", b"git~2", b"x.git/config", b".github/x", b"gitmod~1", b"GITMOD~1", b"gi7eba~1",
    b"dir.git",
    b".gitignore.", b"..gitmodules", b"...", b"..x", b".x", b".lock", b"HEAD", b"refs/heads/x", b"a..b", b"x@{1}",
    # what systems or programs take for something else
    b"trailing.", b"trailing. ", b"CON", b"nul.txt", b"aux", b"a.lock", b"b.lock/c", b"COM1", b"a<b>c|d", b"con:x",
    # what a command line or a pathspec takes for something else
    b"-", b"--", b"-x", b"--json", b"-leading/dash", b"@", b"@name", b"@@/x", b":", b":top", b":(top)x", b"::/x",
    b":!x",
    b":(literal)y", b"*", b"?", b"[a]", b"a[b", b"]", b"{a,b}", b"**", b"a*b/**/c", b"!bang", b"#hash", b"$HOME",
    b"`id`",
    b"~", b"~root", b"%", b"%41", b"%zz", b"=", b"=x/=y", b"x:10-45", b"y::Name.member", b"z:5", b"&", b";", b"(",
    b"null",
    # long ones, up to what a file system takes, with their difference at the end
    b"l" * 199, b"l" * 200, b"l" * 201, b"L" * 254 + b"1", b"L" * 254 + b"2", b"%" * 255, b"\xff" * 255,
    "\u00e9".encode() * 127, b"d/" * 120 + b"deep", b"/".join([b"c" * 250] * 10), b"e" * 250 + b"/f",
    b"e" * 249 + b"x/f",
]  # fmt: skip


def literal(names: list[str]) -> bytes:
    """A pathspec file, parted by NUL, that means these very names."""
    return b"".join(b":(literal)" + layout.to_bytes(name) + b"\0" for name in names)


def shown(view: dict[str, str]) -> str:
    """The path that a JSON object speaks of."""
    return layout.unpercent(view["path"]) if view.get("path_encoding") == "percent" else view["path"]


def round_trip(team: Team, names: list[str]) -> None:
    """alice locks them in one transaction on the remote, bob is refused each of them, she gives them back."""
    spec, alice, bob = literal(names), team.alice, team.bob
    taken = alice.peer("lock", "--pathspec-from-file=-", "-z", "--json", stdin=spec).json()
    assert taken["guarantee"] == "remote"
    assert {shown(lock) for lock in taken["locks"]} == set(names)
    assert {lock["kind"] for lock in taken["locks"]} == {"file"}
    bob.peer("sync")
    refused = bob.peer("check", "--staged", "--json", status=1).json()
    assert {shown(violation) for violation in refused["violations"]} == set(names)
    bob.refused("commit", "-q", "-m", "x")
    assert {shown(lock) for lock in bob.peer("locks", "--json").json()["locks"]} == set(names)
    again = bob.peer("lock", "--pathspec-from-file=-", "-z", "--json", status=1, stdin=spec).json()
    assert len(again["conflicts"]) == len(names)
    freed = alice.peer("unlock", "--pathspec-from-file=-", "-z", "--json", stdin=spec).json()
    assert {shown(lock) for lock in freed["released"]} == set(names)
    bob.peer("sync")
    assert bob.peer("check", "--staged", "--json").json()["allowed"]
    assert bob.peer("fsck", "--json").json()["problems"] == []


def test_gallery(team: Team) -> None:
    """Real files, added by `git add`; the log's commits go to a remote with receive.fsckObjects."""
    bob = team.bob
    names = [layout.from_bytes(raw) for raw in GALLERY]
    for name in names:
        bob.at.write(name, "x\n")
    bob.git("add", "-A", "--force")
    staged = bob.git("diff", "--cached", "--name-only", "-z").out.split("\0")[:-1]
    assert set(staged) == set(names)  # git takes every one
    round_trip(team, names)
    bob.git("commit", "-q", "-m", "the gallery")


@pytest.mark.parametrize("name", ["-x", "@name", ":(top)x", "%41", "raw\udcff", "new\nline", "[a]", "y::Name.member"])
def test_one(team: Team, name: str) -> None:
    """In a refusal for people, in a work on it, and in a landing."""
    alice, bob = team.alice, team.bob
    alice.peer("lock", "--pathspec-from-file=-", "-z", stdin=literal([name]))
    bob.peer("sync")
    for member in (alice, bob):
        assert member.stage([name]) == [name]
        member.at.write(name, "x\n")
    refused = bob.refused("commit", "-q", "-m", "x")
    assert "\n" not in refused.err.split(" is locked by ")[0]
    assert "\x1b" not in refused.err
    bob.git("commit", "-q", "-m", "x", "--no-verify")
    bob.refused("push", "-q")
    alice.git("commit", "-q", "-m", "x")
    answer = alice.peer("push", "--json").json()
    assert [shown(lock) for lock in answer["released"]] == [name]


@pytest.mark.parametrize("name", [".git/x", ".GIT/x", ".git", "git~1", "sub/git~1/x", ".git ", ".git.", ".git...  "])
def test_gits_own(team: Team, name: str) -> None:
    """What git itself does not take, for it is or may become its own folder, is no target either."""
    assert team.bob.stage([name]) == []
    answer = team.alice.peer("lock", "--json", "--", f":(literal){name}", status=129).json()
    assert answer["error"]["code"] == "usage"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere git does not take them")
@pytest.mark.parametrize("name", ["sub/.g\u200cit/x", "sub/.git\u200c"])
def test_gits_own_on_another_system(team: Team, name: str) -> None:
    """macOS would take these for `.git`: no targets of their own, but the lock of a folder around them covers them."""
    assert team.bob.stage([name]) == [name]
    team.alice.peer("lock", "--", f":(literal){name}", status=129)
    team.hold("sub/")
    team.bob.refused("commit", "-q", "-m", "x")


def test_folders(team: Team) -> None:
    """A folder's lock covers what is in it, whatever its name."""
    folders = ["sub2/.gitmodules", ".gitattributes", "-d", "@d", ":d", "a b", "\udcff", "[x]", "n\nl", "e" * 250]
    spec = literal([f"{name}/" for name in folders])
    taken = team.alice.peer("lock", "--pathspec-from-file=-", "-z", "--json", stdin=spec).json()
    assert {(shown(lock), lock["kind"]) for lock in taken["locks"]} == {(name, "dir") for name in folders}
    team.bob.peer("sync")
    inner = [f"{name}/in/side" for name in folders]
    assert set(team.bob.stage(inner)) == set(inner)
    refused = team.bob.peer("check", "--staged", "--json", status=1).json()
    assert {shown(violation) for violation in refused["violations"]} == set(inner)


def test_from_a_folder_with_an_odd_name(team: Team) -> None:
    """Targets are relative to the current directory, also where that is no UTF-8."""
    folder = "odd \udcff\n*"
    os.makedirs(os.fsencode(team.alice.at.path) + b"/" + layout.to_bytes(folder))
    cwd = os.fsdecode(layout.to_bytes(folder))
    team.alice.peer("lock", "file.txt", cwd=cwd)
    (lock,) = team.alice.peer("locks", "--json").json()["locks"]
    assert shown(lock) == f"{folder}/file.txt"


_BYTES = st.one_of(
    st.sampled_from([b".", b" ", b"%", b"=", b"@", b":", b"*", b"\\", b"\n", b"~", b"git", b".git", b"\xff", b"-"]),
    st.binary(min_size=1, max_size=3),
    st.characters(exclude_categories=["Cs"]).map(str.encode),
)
_COMPONENT = (
    st.lists(_BYTES, min_size=1, max_size=60)
    .map(lambda parts: b"".join(parts).replace(b"\0", b"0").replace(b"/", b"|")[:255])
    .filter(lambda part: part not in (b".", b".."))
)
_NAME = st.lists(_COMPONENT, min_size=1, max_size=4).map(b"/".join)


@given(raw=st.lists(_NAME, min_size=20, max_size=60, unique=True))
@settings(max_examples=4, suppress_health_check=list(HealthCheck))
def test_any_name(team: Team, raw: list[bytes]) -> None:
    """Made-up names, by the dozen; the first as it is, each other in a folder of its own, for they must not collide."""
    bob = team.bob
    bob.git("reset", "-q", "--hard")
    wanted = [layout.from_bytes(name if turn == 0 else b"%d/%s" % (turn, name)) for turn, name in enumerate(raw)]
    names = bob.stage(wanted)
    if names:
        round_trip(team, names)
