"""Says when things happened, by the journals: who looks late tells them with their own times. Only reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from state_layout.errors import LayoutError
from state_layout.files import codec
from state_layout.files.chain import Line
from state_layout.files.journal import Reader
from state_layout.lives.attempts import list_attempts
from state_layout.paths import Tree

if TYPE_CHECKING:
    from maos_sup.views.shapes import TaskShown
    from state_layout.records.attempt_lines import Question

_LAST = "the last record"  # no phase of a task


class Times:
    """The times of what is on record. Journals are read once, and only if somebody asks."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._known: dict[tuple[str, str], str] | None = None

    def of_task(self, task: TaskShown) -> str | None:
        """Tell when the task came into its phase, as far as a journal says so."""
        return self._read().get((str(task["id"]), str(task["phase"]))) or self.of_agent(str(task["agent"]))

    def of_agent(self, agent: str) -> str | None:
        """Tell when its last record was made: it was as it is told since then, or soon after."""
        return self._read().get((agent, _LAST))

    def of_question(self, question: Question) -> str | None:
        """Tell when it was asked."""
        at = question.get("at")
        return at if isinstance(at, str) else None

    def _read(self) -> dict[tuple[str, str], str]:
        if self._known is None:
            self._known = {}
            for spec in sorted(self._tree.agent_specs.glob("*.json")):
                self._read_agent(spec.stem, self._known)
        return self._known

    def _read_agent(self, agent: str, known: dict[tuple[str, str], str]) -> None:
        paths = self._tree.agent(agent)
        try:
            last: Line | None = None
            for attempt in list_attempts(paths):
                for line in Reader(paths.attempt(attempt).journal):
                    last = line
                    if b'"type":"task"' not in line.raw:
                        continue
                    fields = line.fields()
                    known[str(fields.get("task")), str(fields.get("phase"))] = str(fields.get("at"))
            if last is not None:
                known[agent, _LAST] = str(last.fields().get("at"))
        except (LayoutError, codec.NotJson):
            return  # `check` names the damage; what has no time of its own is told with the present one
