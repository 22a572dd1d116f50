"""A stage that is cleared after each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stage import Stage, kill_marked, wait_for


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """Make a stage; whatever it leaves running is ended after the test."""
    made: list[Stage] = []

    def make(agents: dict[str, dict[str, Any]], tasks: Any = None, **more: Any) -> Stage:
        one = Stage(tmp_path / f"stage{len(made)}", agents, tasks, **more)
        made.append(one)
        return one

    try:
        yield make
    finally:
        for one in made:
            one.end_lives()
        roots = [one.root for one in made]
        wait_for(lambda: not kill_marked(roots), "nothing left")
