"""The log as data: events, the state that they make, the commands that ask for more, and how they are decided.

`state` has the state and what an event is; `command` what a session asks, and on what scene; `txn` is the one way from
a command to events. `record` has the events of the log itself.
"""
