"""The log as data: events, the state that they make, and the commands that ask for more.

`state` reads a tree lazily and collects what changes; `command` is what a session asks; `record` is the log's own
record. Everything else in the core builds on these.
"""
