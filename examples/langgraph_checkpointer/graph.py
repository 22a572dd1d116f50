"""A LangGraph graph whose state survives anything: run it, kill it, run it again.

    pip install langgraph                  # beside maos-sup
    python graph.py STORE                  # asks before it publishes
    python graph.py STORE --answer yes     # goes on from there
    python graph.py STORE --die-in count   # kill -9 in the middle of a node; then run it again

STORE is a folder (or an orchestration's directory). See what is in it with
    jq -c '[.type, .id, .values]' STORE/threads/*/journal.jsonl
"""

from __future__ import annotations

import argparse
import operator
import os
import signal
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from maos_sup.integrations.langgraph import TreeSaver


class State(TypedDict, total=False):
    folder: str
    names: list[str]
    lines: int
    log: Annotated[list[str], operator.add]


DIE_IN = ""


def entered(node: str) -> list[str]:
    """What a node adds to the log; the place where it dies if it was told to."""
    print("running", node, flush=True)
    if node == DIE_IN:
        os.kill(os.getpid(), signal.SIGKILL)
    return [node]


def look(state: State) -> State:
    log = entered("look")
    return {"names": sorted(str(path) for path in Path(state["folder"]).glob("*.py")), "log": log}


def count(state: State) -> State:
    log = entered("count")
    return {"lines": sum(len(Path(name).read_text().splitlines()) for name in state["names"]), "log": log}


def publish(state: State) -> State:
    answer = interrupt(f"{len(state['names'])} files, {state['lines']} lines: publish?")
    return {"log": [*entered("publish"), f"answer: {answer}"]}


def main() -> None:
    global DIE_IN
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("store")
    parser.add_argument("--thread", default="count the lines")
    parser.add_argument("--answer")
    parser.add_argument("--die-in", default="", metavar="NODE")
    given = parser.parse_args()
    DIE_IN = given.die_in

    builder = StateGraph(State)
    for node in (look, count, publish):
        builder.add_node(node.__name__, node)
    for start, end in ((START, "look"), ("look", "count"), ("count", "publish"), ("publish", END)):
        builder.add_edge(start, end)
    graph = builder.compile(checkpointer=TreeSaver(given.store))

    config: Any = {"configurable": {"thread_id": given.thread}}
    begin: Any = {"folder": str(Path(__file__).parent)}
    if graph.get_state(config).values:  # there is a checkpoint: go on from it
        begin = Command(resume=given.answer) if given.answer else None
    result = graph.invoke(begin, config, durability="sync")
    for question in result.get("__interrupt__", ()):
        print("asked:", question.value)
    print("done:", result["log"])


if __name__ == "__main__":
    main()
