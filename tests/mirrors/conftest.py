"""Lives without processes come from the tests of `state_layout`; here are databases to mirror into."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "state_layout"))

from databases import DATABASES, SQL, Database


@pytest.fixture(params=sorted(DATABASES))
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A real, empty database of each sort."""
    with DATABASES[request.param](tmp_path) as made:
        yield made


@pytest.fixture(params=sorted(SQL))
def sql_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A real, empty database of each sort that answers SQL."""
    with SQL[request.param](tmp_path) as made:
        yield made
