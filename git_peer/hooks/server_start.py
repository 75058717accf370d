"""Where the hooks of a server start: a few lines, as gate_start.py."""

import os
import sys

sys.path.insert(0, os.path.abspath(__file__).rsplit(os.sep, 3)[0])

from git_peer.hooks.server import main

if __name__ == "__main__":
    # No tear-down, as the gate.
    os._exit(main(sys.argv[1:]))
