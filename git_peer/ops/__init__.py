"""What can be done, one file a noun: every face calls these, and nothing below them.

`peer` is a session on the log of one repository; `wiring` puts it together from the environment.
"""
