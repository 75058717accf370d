"""Locks on lines at the gate: what a commit may change of a file of which somebody else has lines."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gate.site import Site, lock, session

ROWS = [f"line {number}\n" for number in range(1, 31)]


def text(**changes: str) -> str:
    """Lines 1 to 30, with some replaced: `l5="x"`."""
    rows = list(ROWS)
    for name, new in changes.items():
        rows[int(name[1:]) - 1] = new
    return "".join(rows)


def stand(site: Site, path: str = "f") -> dict[str, Any]:
    """The file committed, and lines 10 to 20 of it locked by another; the lock."""
    site.base_commit()
    site.write(path, text())
    site.git("add", "-A")
    site.git("commit", "-qm", "long", "--no-verify")
    held = of_lines(site, [10, 20], path)
    site.log(held)
    return held


def of_lines(site: Site, lines: list[int], path: str = "f", **more: Any) -> dict[str, Any]:
    made = lock(path, kind="lines", **more)
    target = made["target"] | {"lines": lines, "blob": site.git("rev-parse", f"HEAD:{path}").strip()}
    return made | {"target": target}


def commits(site: Site, content: str, *args: str, path: str = "f") -> bool:
    """Whether a commit of this content is let through."""
    site.write(path, content)
    site.git("add", "-A")
    if site.run("commit", "-qm", "x", *args).returncode == 0:
        return True
    site.refused("commit", "-qm", "x", *args)
    return False


@pytest.mark.parametrize(
    ("content", "free"),
    [
        (text(l9="x\n", l21="y\n"), True), (text(l1="a\nb\n", l30=""), True), (text(l9="line 9\nnew\n"), True),
        (text(l20="line 20\nnew\n"), True), (text(l15="x\n"), False), (text(l10=""), False), (text(l20=""), False),
        (text(l10="line 10\nnew\n"), False), (text(l3="x\n", l12="y\n"), False), (text().replace("\n", "\r\n"), False),
        (text() + "no end", True), ("", False),
    ],
)  # fmt: skip
def test_a_commit_beside_them_passes_and_one_inside_does_not(site: Site, content: str, free: bool) -> None:
    stand(site)
    assert commits(site, content) is free


def test_a_refusal_says_which_lines(site: Site) -> None:
    stand(site)
    site.write("f", text(l12="x\n"))
    site.git("add", "-A")
    told = site.refused("commit", "-qm", "x")
    assert told.startswith("error: f is locked by claude-a (exclusive on lines 10-20, lapses in ")
    assert "leave those lines as they are" in told


def test_they_are_followed_through_commits_and_amends(site: Site) -> None:
    stand(site)
    assert commits(site, text(l1="a\nb\nc\n"))
    assert commits(site, text(l1="a\nb\nc\nd\n", l5=""))
    assert not commits(site, text(l1="a\nb\nc\nd\n", l5="", l20="x\n"))
    assert commits(site, text(l1="a\nb\n", l5="", l25="x\n"), "--amend")
    assert not commits(site, text(l1="a\nb\n", l5="", l10="x\n", l25="x\n"), "--amend")


def test_what_a_branch_does_not_have_it_cannot_change(site: Site) -> None:
    """The lock is on lines that came later: the old branch may change what is beside them, and not what they were."""
    site.base_commit()
    site.write("f", text(l15=""))
    site.git("add", "-A")
    site.git("commit", "-qm", "old", "--no-verify")
    site.git("branch", "old")
    site.write("f", text())
    site.git("commit", "-qam", "new", "--no-verify")
    site.log(of_lines(site, [15, 15]))
    site.git("checkout", "-q", "old")
    assert commits(site, text(l14="x\n", l15="", l16="y\n"))


def test_a_merge_that_brings_the_holders_work_passes(site: Site) -> None:
    held = stand(site)
    site.git("checkout", "-qb", "theirs")
    site.write("f", text(l12="theirs\n"))
    site.git("commit", "-qam", "theirs", "--no-verify")
    site.git("checkout", "-q", "-")
    assert commits(site, text(l28="mine\n"))
    site.log(held)
    site.git("merge", "-q", "--no-edit", "theirs")
    site.git("reset", "-q", "--hard", "HEAD~1")
    site.git("merge", "-q", "--no-commit", "theirs")
    site.write("f", text(l12="evil\n", l28="mine\n"))
    site.git("add", "-A")
    site.refused("commit", "-qm", "merged")


def test_the_whole_file(site: Site) -> None:
    """Its deletion and its move take the lines away; its mode is not theirs; a link in its place is."""
    stand(site)
    site.git("rm", "-q", "f")
    site.refused("commit", "-qm", "x")
    site.git("reset", "-q", "--hard")
    site.git("mv", "f", "g")
    site.refused("commit", "-qm", "x")
    site.git("reset", "-q", "--hard")
    (site.top / "f").unlink()
    (site.top / "f").symlink_to("g")
    site.git("add", "-A")
    site.refused("commit", "-qm", "x")
    site.git("reset", "-q", "--hard")
    site.git("update-index", "--chmod=+x", "f")
    site.git("commit", "-qm", "x")


def test_a_version_that_is_not_here_makes_the_whole_file_the_range(site: Site) -> None:
    held = stand(site)
    site.log(held | {"target": held["target"] | {"blob": "1" * 40}})
    assert not commits(site, text(l1="x\n"))
    site.log(held | {"target": held["target"] | {"blob": site.git("rev-parse", "HEAD").strip()}})  # and no blob either
    assert not commits(site, text(l1="x\n"))


def test_shared_lines(site: Site) -> None:
    stand(site)
    theirs = of_lines(site, [10, 20], mode="shared")
    site.log(theirs)
    assert not commits(site, text(l12="x\n"))
    assert commits(site, text(l2="x\n"))


def test_a_section_of_several_parts(site: Site) -> None:
    held = stand(site)
    parts = {
        "kind": "section",
        "path": "f",
        "section": "A",
        "spans": [[3, 5], [10, 12]],
        "blob": held["target"]["blob"],
    }
    site.log(held | {"target": parts})
    assert commits(site, text(l7="x\n"))
    assert not commits(site, text(l7="x\n", l11="y\n"))
    site.git("reset", "-q", "--hard")
    site.write("f", text(l4="x\n"))
    site.git("add", "-A")
    assert "on A, lines 3-5, 10-12" in site.refused("commit", "-qm", "x")


def test_lines_cost_no_process_more(site: Site) -> None:
    """However many locks and files there are, no other git commands are started than for one whole file."""
    site.base_commit("a")
    for number in range(5):
        site.write(f"f{number}", text())
    site.git("add", "-A")
    site.git("commit", "-qm", "x", "--no-verify")
    site.write("a", "x\n")
    site.git("add", "-A")
    site.log(lock("a"), sessions=(session("claude-a", at=1),))  # it has lapsed
    plain = site.children("commit", "-qm", "x")
    made = []
    for number in range(5):
        for first in (5, 15, 25):
            one = of_lines(site, [first, first + 2], f"f{number}")
            made.append(one | {"id": f"{number:08x}{first:08x}"})
        site.write(f"f{number}", text(l10="x\n"))
    site.git("add", "-A")
    site.log(*made)
    assert sorted(site.children("commit", "-qm", "y")) == sorted(plain)
