"""Locks: `record` is a lock, `events` what happens to it, `decide` whether it is granted, `queue` who comes first.

`rule` is the one rule that the gate, `check` and the push ask; `fence` remembers who lost a lock; `landing` ends locks.
"""
