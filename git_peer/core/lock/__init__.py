"""Locks: `record` is a lock, `events` what happens to it, `decide` has the commands: take, wait, give back.

`rule` is the one rule that the gate, `check` and the push ask; `queue` who comes first; `fence` remembers who lost a
lock; `landing` is code that reaches the remote, and the locks that this ends.
"""
