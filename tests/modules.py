"""Modules that come before git-peer's own. PYTHONPATH cannot bring them: what it names comes last (decision 23)."""

from __future__ import annotations

import os
from pathlib import Path


def first(folder: Path) -> dict[str, str]:
    """The environment of a program that imports from `folder` before it imports from anywhere else."""
    start = folder.with_name(f"{folder.name}.start")
    start.mkdir()
    (start / "sitecustomize.py").write_text(f"import sys\nsys.path.insert(0, {str(folder)!r})\n")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(start), os.environ.get("PYTHONPATH", ""))))}
