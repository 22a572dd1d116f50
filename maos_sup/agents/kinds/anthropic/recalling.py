"""Finds the conversation of a task in the agent's journals."""

from __future__ import annotations

from collections.abc import Iterator

from maos_sup.agents.kinds.anthropic.conversation import TYPES, Conversation, Entry
from state_layout.lives.attempts import all_lines
from state_layout.paths import Tree
from state_layout.records import TaskSpec

_MARKS = tuple(f'"type":"{type_}"'.encode() for type_ in sorted(TYPES))


def recall_conversation(tree: Tree, agent: str, task: TaskSpec) -> Conversation:
    """The conversation so far, from every line that counts. Raises Damaged, StorageError, KeyError."""
    talk = Conversation(task=task.id, run=task.run)
    talk.take_all(_entries(tree, agent))
    return talk


def _entries(tree: Tree, agent: str) -> Iterator[Entry]:
    for line in all_lines(tree, agent):
        head = line.raw[:160]  # seq, at, synced and type come first
        if any(mark in head for mark in _MARKS):
            yield line.fields()
