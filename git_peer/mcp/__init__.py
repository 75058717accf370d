"""The Model Context Protocol: git-peer's commands as tools, its state as resources."""
