"""What the tests with real clients share."""

from tests.real.clients import clients

__all__ = ["clients"]
