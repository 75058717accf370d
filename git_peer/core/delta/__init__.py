"""News for the others: `record` is a delta and whom it concerns, `events` how it comes and settles.

`decide` has the commands that tell news and answer it.
"""
