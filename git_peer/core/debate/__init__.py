"""Debates: `record` has sides, rounds and turns, `events` what happens to a debate, `decide` has the commands.

`view` is how it is shown.
"""
