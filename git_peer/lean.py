"""Imports that take less time than they would by themselves."""

from __future__ import annotations

import sys


def msgspec() -> None:
    """Import msgspec without typing_extensions: it asks for that first, and does as well with `typing` of Python 3.11.

    That package brings `inspect`, `ast` and `tokenize` along, a tenth of what an agent's hook takes. Where somebody has
    imported either already, nothing is done.
    """
    if "msgspec" in sys.modules or "typing_extensions" in sys.modules:
        return
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    try:
        import msgspec as _  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]
