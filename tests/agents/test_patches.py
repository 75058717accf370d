"""Which files a patch changes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from git_peer.agents.patches import paths


def test_as_codex_sends_it() -> None:
    text = (
        "*** Begin Patch\n*** Add File: new.py\n+x\n*** Update File: src/a b.py\n*** Move to: src/c.py\n@@\n-x\n+y\n"
        "*** Delete File: gone.py\n*** End Patch\n"
    )
    assert paths(text) == ["new.py", "src/a b.py", "src/c.py", "gone.py"]


def test_as_git_writes_it() -> None:
    text = (
        "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x\n+y\n"
        "diff --git a/new.py b/new.py\nnew file mode 100644\n--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n+x\n"
        "diff --git a/old.py b/moved.py\nsimilarity index 100%\nrename from old.py\nrename to moved.py\n"
    )
    assert sorted(paths(text)) == ["a.py", "moved.py", "new.py", "old.py"]


def test_plain_diff() -> None:
    assert paths("--- x/a.py\t2020-01-01\n+++ x/a.py\t2020-01-02\n@@ -1 +1 @@\n-x\n+y\n") == ["x/a.py"]


def test_nothing() -> None:
    assert paths("") == []
    assert paths("no patch at all") == []


@given(st.text(max_size=300))
def test_never_raises(text: str) -> None:
    assert all(paths(text))


def test_a_line_that_looks_like_a_header() -> None:
    text = "--- a/a.sql\n+++ b/a.sql\n@@ -1,2 +1 @@\n--- a comment\n-x\n+y\n"
    assert paths(text) == ["a.sql"]
