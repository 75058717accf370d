"""What the tests of this folder share: a model file with random weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models import tiny

TEXT = "def add(a, b):\n    return a + b\n\nassert add(1, 2) == 3  # the sum of the two, and of no others\n" * 3


@pytest.fixture(scope="session")
def tokenizer() -> tiny.Tokenizer:
    """One that has learnt a few pairs."""
    return tiny.Tokenizer.learnt([TEXT], 60)


@pytest.fixture(scope="session")
def gguf_file(tmp_path_factory: pytest.TempPathFactory, tokenizer: tiny.Tokenizer) -> Path:
    """A file with random weights, for 2,048 tokens."""
    return tiny.make(tmp_path_factory.mktemp("models") / "nonsense.gguf", tokenizer=tokenizer)
