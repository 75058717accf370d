"""`python -m git_peer`: the same as `git-peer`."""

from git_peer.start import main

if __name__ == "__main__":
    raise SystemExit(main())
