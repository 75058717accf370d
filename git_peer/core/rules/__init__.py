"""The registries: `fold` applies every kind of event, `decide` decides every kind of command, `subject` names them.

`opening` starts a session inside its first transaction, `grants` gives back what nobody was told of, `carry` moves
a local log into another. Only these know all nouns.
"""
