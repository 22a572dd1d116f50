"""Fixtures that tests of running orchestrations share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from orchestra import Orchestra


@pytest.fixture
def orchestra(tmp_path: Path) -> Iterator[Orchestra]:
    """An orchestration of this test; whatever it leaves running is ended after it."""
    made = Orchestra(tmp_path)
    try:
        yield made
    finally:
        made.end_all()
