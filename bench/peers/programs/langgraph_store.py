"""LangGraph's SqliteSaver: a checkpoint put per message, and per turn with all turns before it.

`langgraph_store.py sends FOLDER PROCESSES COUNT`, `langgraph_store.py steps FOLDER TURN COUNT`.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.sqlite import SqliteSaver
from race import TEXT, Act, race, times


def saver(folder: Path) -> SqliteSaver:
    """As `from_conn_string` makes it; WAL and synchronous=FULL are what it sets or leaves."""
    connection = sqlite3.connect(folder / "langgraph.db", check_same_thread=False, timeout=60)
    made = SqliteSaver(connection)
    made.setup()
    return made


def putting(folder: Path, number: int, values: list[str]) -> Act:
    """A put of a checkpoint whose one channel holds `values`."""
    into, config = saver(folder), {"configurable": {"thread_id": str(number), "checkpoint_ns": ""}}
    state: dict[str, Any] = {"config": config, "turn": 0}

    def act() -> None:
        state["turn"] += 1
        checkpoint = empty_checkpoint()
        checkpoint["id"] = str(uuid6(clock_seq=state["turn"]))
        checkpoint["channel_values"] = {"messages": values}
        checkpoint["channel_versions"] = {"messages": state["turn"]}
        metadata = {"source": "loop", "step": state["turn"], "parents": {}}
        state["config"] = into.put(state["config"], checkpoint, metadata, {"messages": state["turn"]})

    return act


def main(what: str, folder: Path, number: int, count: int) -> None:
    """`number` is how many processes, or the turn."""
    if what == "sends":
        race(lambda where, process: putting(where, process, [TEXT]), folder, number, count)
    else:
        values = [TEXT] * (number - 1)
        act = putting(folder, 0, values)

        def turn() -> None:
            values.append(TEXT)
            act()

        times(turn, count)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
