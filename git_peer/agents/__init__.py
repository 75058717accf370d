"""Coding agents: their hooks, their settings, what they are told."""
