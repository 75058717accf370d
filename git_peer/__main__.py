"""`python -m git_peer`: the same as `git-peer`."""

from git_peer.start import run

if __name__ == "__main__":
    run()
