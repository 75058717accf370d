"""What knows all nouns: `fold` reads and applies every kind of event, `decide` decides every kind of command.

`subject` names events for people, `lifetime` begins and ends a session, `grants` gives back what nobody was told of,
`carry` moves a local log into another.
"""
