"""The troupe that the crash tests torture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from troupe import Troupe


@pytest.fixture
def troupe(tmp_path: Path) -> Iterator[Troupe]:
    """Agents that keep ledgers outside of their tree; whatever they leave running is ended after the test."""
    made = Troupe(tmp_path)
    try:
        yield made
    finally:
        made.end_all()
