"""Says what a tool is: how the model is told of it, what it does, and what of it is recorded."""

from __future__ import annotations

from typing import Protocol

from maos_sup.agents.bus.offers import DEFINITIONS, schema, text_property
from maos_sup.agents.bus.verbs import BadCall, Result, VerbCall, Waits
from maos_sup.agents.kinds.anthropic.desk import ConversationDesk


class Tool(Protocol):
    """A tool is one that the model calls by `name`. `name` is what the model calls."""

    name: str

    def definition(self, desk: ConversationDesk, *, plain: bool) -> dict[str, object]:
        """Describe the tool to the model; `plain` for servers that know no tools of Anthropic's own."""

    def may_repeat(self, call: VerbCall) -> bool:
        """Running the call a second time does no harm."""

    def run(self, desk: ConversationDesk, call: VerbCall) -> Result:
        """Do it. Raises BadCall, BadInput, Waits, Ended, StorageError."""


def definition_of(name: str) -> dict[str, object]:
    """Describe one of the tools that all kinds share to a model."""
    description, shape = DEFINITIONS[name]
    return {"name": name, "description": description, "input_schema": shape}


__all__ = ["BadCall", "Result", "Tool", "VerbCall", "Waits", "definition_of", "schema", "text_property"]
