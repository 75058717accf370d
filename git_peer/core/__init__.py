"""The rules of git-peer, pure: no I/O, clock, randomness or environment."""
