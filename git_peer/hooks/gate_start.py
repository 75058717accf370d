"""Where the hooks start the gate: a few lines, for Python compiles a script anew at each start, a module once."""

import os
import sys

sys.path.insert(0, os.path.abspath(__file__).rsplit(os.sep, 3)[0])

from git_peer.hooks.gate import main

if __name__ == "__main__":
    # No tear-down: every commit waits for it. cat-file ends with our end of its pipe.
    os._exit(main(sys.argv[1:]))
