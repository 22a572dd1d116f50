"""Says what agents ask, over any number of trees: the questions that wait for a person. Only reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maos_sup.views.cells import wrapped
from maos_sup.views.events import counted
from maos_sup.views.render import age_text, answer_line, one_line
from maos_sup.views.status import status_of
from state_layout.errors import LayoutError
from state_layout.paths import Tree

if TYPE_CHECKING:
    from state_layout.records.attempt_lines import Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One question, and the tree in which it is asked."""

    tree: Tree
    request: str
    agent: str
    question: Question

    def to_json(self, name: str) -> dict[str, object]:
        """The entry as `answer --json` prints it; `name` is what a command line calls the tree."""
        return {**self.question, "agent": self.agent, "directory": str(self.tree.root), "tree": name}


def inbox_of(trees: Iterable[Tree]) -> list[Waiting]:
    """List the open questions of `trees`, the oldest first. Trees that cannot be read have none."""
    found = list[Waiting]()
    for tree in trees:
        try:
            status = status_of(tree)
        except LayoutError:
            continue
        found += [
            Waiting(tree=tree, request=status["request"], agent=agent["name"], question=question)
            for agent in status["agents"]
            for question in agent["questions"]
        ]
    return sorted(found, key=lambda entry: str(entry.question.get("at", "")))


def inbox_lines(entries: Sequence[Waiting], *, name: Callable[[Tree], str], width: int) -> list[str]:
    """Each question with the line that answers it."""
    if not entries:
        return ["nothing is asked now"]
    agents = len({(entry.tree.root, entry.agent) for entry in entries})
    verb = "waits" if agents == 1 else "wait"
    lines = [f"{counted(agents, 'agent')} {verb} for you"]
    for entry in entries:
        age = age_text(entry.question.get("at"))
        about = f"{entry.agent} asks ({age} ago, in {name(entry.tree)}, {one_line(entry.request)}):"
        lines += ["", *wrapped(about, width)]
        text = one_line(str(entry.question.get("text", "")))
        lines += [f"  {line}" for line in wrapped(text, width - 2)]
        lines.append(f"  {answer_line(entry.question, name=name(entry.tree))}")
    return lines
