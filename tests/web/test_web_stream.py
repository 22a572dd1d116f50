"""What a server remembers of what it showed is small, however large the team."""

from __future__ import annotations

import tracemalloc

from maos_sup.web.stream import BoardSheet, Differences


def board(note: str) -> BoardSheet:
    agents: list[dict[str, object]] = [
        {"name": f"a{n}", "phase": "running", "note": note} for n in range(2000)
    ]
    return BoardSheet(head={"id": "x"}, agents=agents, tasks=[])


def test_rows_that_changed_are_told_once() -> None:
    differences = Differences()
    first = differences.after(board("one"))
    assert first is not None and first["whole"] and len(first["agents"]) == 2000  # type: ignore[arg-type]  # a list of rows
    assert differences.after(board("one")) is None
    changed = board("one")
    changed.agents[7]["note"] = "two"
    assert differences.after(changed) == {"agents": [changed.agents[7]]}
    del changed.agents[3]
    assert differences.after(changed) == {"gone": [["agents", "a3"]]}


def test_what_is_remembered_of_a_large_board_is_small() -> None:
    differences, shown = Differences(), board("one")
    tracemalloc.start()
    try:
        differences.after(shown)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000, "4 KB for each row: what orjson gives is never cut to its length"
