"""Duplicate work: one worker program, three lists of git-peer commands that it may use, and an oracle that counts."""
