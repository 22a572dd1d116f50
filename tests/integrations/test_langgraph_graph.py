"""Real graphs on the saver: the example, killed and taken up again; a graph with a delta channel."""

from __future__ import annotations

import operator
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph

from maos_sup.integrations.langgraph import TreeSaver

EXAMPLE = Path(__file__).parents[2] / "examples" / "langgraph_checkpointer" / "graph.py"


def test_the_example_is_killed_goes_on_asks_and_finishes(tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(EXAMPLE), str(tmp_path / "store"), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    killed = run("--die-in", "count")
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, "running look\nrunning count\n")
    asked = run()
    assert asked.stdout.startswith("running count\nasked: "), asked.stderr
    answered = run("--answer", "yes")
    assert answered.stdout == "running publish\ndone: ['look', 'count', 'publish', 'answer: yes']\n"


def test_the_example_that_measures_runs(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLE.with_name("cost.py")), str(tmp_path / "store"), "3", "20"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split()[0] for line in told[1:3]] == ["3", "20"]
    assert told[-1].endswith("the large value once")


def appended(state: list[str], writes: list[list[str]]) -> list[str]:
    return [*state, *(item for write in writes for item in write)]


class State(TypedDict, total=False):
    log: Annotated[list[str], DeltaChannel(appended, snapshot_frequency=4)]
    count: Annotated[int, operator.add]


def graph(saver: BaseCheckpointSaver[str]) -> Any:
    builder = StateGraph(State)
    for name in ("left", "right", "join"):
        builder.add_node(name, lambda state, name=name: {"log": [f"{name} {len(state['log'])}"], "count": 1})
    for start, end in ((START, "left"), (START, "right"), ("left", "join"), ("right", "join"), ("join", END)):
        builder.add_edge(start, end)
    return builder.compile(checkpointer=saver)


@pytest.mark.filterwarnings("ignore")  # the delta channel is a beta of theirs, and says so
def test_a_graph_with_a_delta_channel_is_rebuilt_as_from_memory(tmp_path: Path) -> None:
    config: Any = {"configurable": {"thread_id": "t"}}
    theirs = graph(InMemorySaver())
    for turn in range(5):
        ours = graph(TreeSaver(tmp_path))  # as in a new process each time
        for made in (ours, theirs):
            made.invoke({"log": [f"turn {turn}"]}, config, durability="sync")
        assert ours.get_state(config).values == theirs.get_state(config).values
    saver = TreeSaver(tmp_path)
    before = graph(saver).get_state(config)
    saver.prune(["t"])
    assert graph(TreeSaver(tmp_path)).get_state(config).values == before.values
    saver.copy_thread("t", "u")
    assert graph(saver).get_state({"configurable": {"thread_id": "u"}}).values == before.values
    for made in (graph(saver), theirs):
        made.invoke({"log": ["after"]}, config, durability="sync")
    assert graph(saver).get_state(config).values == theirs.get_state(config).values


def test_a_fork_of_an_old_checkpoint_leaves_the_other_branch_as_it_was(tmp_path: Path) -> None:
    made = graph(TreeSaver(tmp_path))
    config: Any = {"configurable": {"thread_id": "t"}}
    made.invoke({"log": [], "count": 0}, config, durability="sync")
    newest, *_, oldest = made.get_state_history(config)
    made.update_state(oldest.config, {"count": 40}, as_node="left")
    assert made.get_state(newest.config).values["count"] == newest.values["count"]
