"""Benchmarks: what git-peer costs, beside floors that were taken in the same run. `python -m benchmarks --help`."""
