"""Says what journals say and snapshots leave out: whole results of tasks. Only reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypedDict

from maos_sup.views.files import natural
from state_layout.errors import LayoutError
from state_layout.files import codec
from state_layout.files.journal import Reader
from state_layout.lives.attempts import list_attempts
from state_layout.paths import Tree


class ResultLine(TypedDict, total=False):
    """Declares what is read here of a line `task` or `result`: any key may be missing."""

    type: str
    task: str
    run: object
    phase: str
    result: object
    value: object


def results_of(tree: Tree) -> dict[str, object]:
    """The result of each task that has one, by the tasks' names."""
    found, said = dict[str, object](), dict[tuple[str, object], Any]()
    now: tuple[str, object] = ("", None)  # the run of a task that a program's line is about
    for entry in _entries(tree, (b'"type":"task"', b'"type":"result"')):
        if entry.get("type") == "result":
            said[now] = entry.get("value")
            continue
        task = str(entry.get("task"))
        now = (task, entry.get("run"))
        if entry.get("phase") == "done":
            found[task] = entry["result"] if "result" in entry else said.get(now)
        elif entry.get("phase") == "running":
            found.pop(task, None)  # it runs again: what it came to before does not count
    named = ((task, result) for task, result in found.items() if result is not None)
    return dict(sorted(named, key=lambda item: natural(item[0])))


def _entries(tree: Tree, words: tuple[bytes, ...]) -> Iterator[ResultLine]:
    """Yield the journal lines of all agents that hold one of `words`; damage ends a journal."""
    for spec in sorted(tree.agent_specs.glob("*.json")):
        paths = tree.agent(spec.stem)
        for attempt in list_attempts(paths):
            try:
                for line in Reader(paths.attempt(attempt).journal):
                    if any(word in line.raw for word in words):
                        yield line.fields()
            except (LayoutError, codec.NotJson):
                continue
