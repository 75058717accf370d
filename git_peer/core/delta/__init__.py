"""News for the others: `record` is a delta and whom it concerns, `events` what happens to it.

`decide` has the commands that tell news and answer it, and says when a delta has settled.
"""
