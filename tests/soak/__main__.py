"""`python -m tests.soak SECONDS [CLONES] [SESSIONS] [SEED]`: a soak, its figures, and exit 1 if anything is wrong."""

from __future__ import annotations

import os
import random
import sys
import tempfile
from pathlib import Path

from tests.soak.driver import soak
from tests.world import World, end_running, sealed


def main(argv: list[str]) -> int:
    """Run it in a scratch folder, in an environment of its own."""
    defaults = (60, 3, 3, random.randrange(10**6))
    seconds, clones, sessions, seed = (*map(int, argv), *defaults[len(argv) :])
    with tempfile.TemporaryDirectory(prefix="git-peer-soak-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        env = sealed(folder / "home")
        os.environ.clear()
        os.environ.update(env)
        print(f"{clones} clones, {sessions} sessions in each, {seconds} s, seed {seed}", flush=True)
        try:
            figures = soak(World(folder), seconds, clones, sessions, seed)
        finally:
            end_running()
        print(figures)
    return 1 if figures.violations or figures.stuck or figures.slow else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
