"""git-peer: several agents, and the people beside them, on one repository without a server."""

__version__ = "0.1.0"
