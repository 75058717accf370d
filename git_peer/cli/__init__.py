"""The command line: thin, lazy, one file a noun."""
