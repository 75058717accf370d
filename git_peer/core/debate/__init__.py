"""Debates: `record` has sides, rounds and turns, `events` how a debate goes on, `decide` who may speak.

`view` is how it is told.
"""
