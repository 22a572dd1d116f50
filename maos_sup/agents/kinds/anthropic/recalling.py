"""Finds the conversation of a task in the agent's journals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from maos_sup.agents.kinds.anthropic.conversation import TYPES, Conversation
from state_layout.files.chain import Line
from state_layout.lives.attempts import lines_of_run
from state_layout.lives.history import Place
from state_layout.paths import Tree
from state_layout.records import TaskSpec

if TYPE_CHECKING:
    from maos_sup.agents.kinds.anthropic.entries import TalkEntry

_MARKS = tuple(f'"type":"{type_}"'.encode() for type_ in sorted(TYPES))


def recall_conversation(
    tree: Tree, agent: str, task: TaskSpec, *, begun: Place | None = None
) -> Conversation:
    """Recall the conversation so far, by every line that counts since the run was `begun`, if that is
    known.

    Raises Damaged, StorageError, KeyError.
    """
    talk = Conversation(task=task.id, run=task.run)
    talk.take_all(_entries(lines_of_run(tree, agent, begun)))
    return talk


def _entries(lines: Iterable[Line]) -> Iterator[TalkEntry]:
    for line in lines:
        head = line.raw[:160]  # seq, at, synced and type come first
        if any(mark in head for mark in _MARKS):
            yield line.fields()
