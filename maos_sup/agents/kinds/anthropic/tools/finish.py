"""Tool `finish`: the task is done, and this is its result; with a schema, one that keeps to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maos_sup.agents.kinds.anthropic.desk import ConversationDesk
from maos_sup.agents.kinds.anthropic.tools.base import BadCall, Result, VerbCall, schema
from state_layout.shapes.json_schema import problems


class FinishTool:
    """Ends the task."""

    name = "finish"

    def definition(self, desk: ConversationDesk, *, plain: bool) -> dict[str, object]:
        wanted: Mapping[str, Any] = desk.settings.result_schema or {
            "type": "string",
            "description": "the result, or a summary of what was done: all that others need to know",
        }
        return {
            "name": self.name,
            "description": "Say that your task is done and give its result. Call it once, as the last thing.",
            "input_schema": schema("result", result=dict(wanted)),
        }

    def may_repeat(self, call: VerbCall) -> bool:
        return True

    def run(self, desk: ConversationDesk, call: VerbCall) -> Result:
        if "result" not in call.input:
            raise BadCall("'result' is missing")
        value = call.input["result"]
        if desk.settings.result_schema is not None:
            wrong = problems(value, desk.settings.result_schema)
            if wrong:
                raise BadCall("the result does not keep to its schema: " + "; ".join(wrong[:10]))
        return Result(text="done", finished={"value": desk.redactor.value(value)})
