"""The log on git: `refs` writes refs, `objects` and `durable` write objects, `remote` runs what crosses a network.

`chain` is the log's commits and their check; `repo` is the repository a command runs in; `merge`, `scratch`, `work` and
`notes` work on the code's own commits.
"""
