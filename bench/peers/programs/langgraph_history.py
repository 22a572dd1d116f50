"""A LangGraph thread of many turns goes back to its middle: seconds of `get_state_history` + `update_state`.

python langgraph_history.py FOLDER TURNS
"""

from __future__ import annotations

import json
import operator
import sqlite3
import sys
import time
from pathlib import Path
from typing import Annotated, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    turns: Annotated[list[str], operator.add]


def main(folder: Path, turns: int) -> None:
    graph = StateGraph(State)
    graph.add_node("turn", lambda state: {"turns": ["x" * 1000]})
    graph.add_edge(START, "turn")
    graph.add_edge("turn", END)
    saver = SqliteSaver(sqlite3.connect(folder / "thread.sqlite", check_same_thread=False))
    app = graph.compile(checkpointer=saver)
    config = {"configurable": {"thread_id": "t"}}
    for _ in range(turns // 3):  # each invocation is three checkpoints
        app.invoke({"turns": []}, config)
    began_s = time.monotonic()
    history = list(app.get_state_history(config))
    app.update_state(history[len(history) // 2].config, {"turns": ["another"]})
    print(json.dumps(time.monotonic() - began_s))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
