"""Says what spans and attributes are called: one table for each version of the GenAI conventions. Pure.

Version 1.37 was released with all other conventions, 0.1 is the first of those that moved to a repository of
their own. Both are in development; "gen_ai_latest_experimental" in OTEL_SEMCONV_STABILITY_OPT_IN asks for the
newer one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from maos_sup.projection.spans import ASKING, MODEL, STEP, TASK, TOOL
from maos_sup.traces.ids import ATTEMPT, RUN
from maos_sup.traces.trace import TraceSpan

LATEST = "gen_ai_latest_experimental"
INPUT, OUTPUT = "gen_ai.input.messages", "gen_ai.output.messages"
INTERNAL, CLIENT = 1, 3  # SpanKind
Value = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of one version, where they differ."""

    version: str
    workflow: str  # the operation of a whole run
    cache_read: str | None
    cache_write: str | None
    arguments: str | None  # of a tool's call, where its content is wanted
    result: str | None


VERSIONS: Mapping[str, Names] = {
    "1.37": Names(
        version="1.37",
        workflow="invoke_workflow",
        cache_read=None,
        cache_write=None,
        arguments=None,
        result=None,
    ),
    "0.1": Names(
        version="0.1",
        workflow="invoke_agent",
        cache_read="gen_ai.usage.cache_read.input_tokens",
        cache_write="gen_ai.usage.cache_write.input_tokens",
        arguments="gen_ai.tool.call.arguments",
        result="gen_ai.tool.call.result",
    ),
}


def names_of(asked: str | None, opt_in: str) -> Names:
    """The version that is asked for, else the one that the usual variable does. Raises KeyError."""
    if asked is not None:
        return VERSIONS[asked]
    return VERSIONS["0.1" if LATEST in opt_in.split(",") else "1.37"]


def shown_name(span: TraceSpan, names: Names) -> str:
    """Name a span: an operation and what it is about, never a free text."""
    source = span.source
    if span.kind == RUN:
        return f"{names.workflow} {span.name}"
    if span.kind == ATTEMPT:
        return f"invoke_agent {span.agent}"
    if span.kind == MODEL:
        return f"chat {source.model}" if source and source.model else "chat"
    if span.kind == TOOL:
        return f"execute_tool {span.name}"
    return "ask a person" if span.kind == ASKING else f"{span.kind} {span.name}"


def attributes_of(span: TraceSpan, names: Names) -> dict[str, Value]:
    """Collect the attributes of a span."""
    told: dict[str, Value] = {"maos.kind": span.kind}
    if span.agent is not None:
        told |= {"gen_ai.agent.name": span.agent, "maos.attempt": span.attempt}
    told |= _OF_KIND.get(span.kind, _of_others)(span, names)
    if span.source is not None and span.source.is_void:
        told["maos.void"] = True
    if is_error(span):
        told["error.type"] = span.state
    return told | _content_of(span, names)


def _content_of(span: TraceSpan, names: Names) -> dict[str, Value]:
    """Collect what was said, where that is wanted. What tools were given 1.37 only has in messages."""
    content = span.content
    if content is None:
        return {}
    told = {
        INPUT: content.input_messages,
        OUTPUT: content.output_messages,
        "gen_ai.tool.call.id": content.call_id,
        names.arguments: content.arguments,
        names.result: content.result,
    }
    return {name: value for name, value in told.items() if name is not None and value is not None}


def is_error(span: TraceSpan) -> bool:
    """The span ended badly."""
    return span.state in ("failed", "lost", "cut", "damaged", "poisoned", "disk_full")


def kind_number(span: TraceSpan) -> int:
    """The kind of a span, as OTLP has it."""
    return CLIENT if span.kind == MODEL else INTERNAL


def _of_run(span: TraceSpan, names: Names) -> dict[str, Value]:
    return {"gen_ai.operation.name": names.workflow, "gen_ai.agent.name": span.name}


def _of_attempt(span: TraceSpan, names: Names) -> dict[str, Value]:
    return {"gen_ai.operation.name": "invoke_agent", "maos.end": span.state}


def _of_model(span: TraceSpan, names: Names) -> dict[str, Value]:
    source = span.source
    told: dict[str, Value] = {"gen_ai.operation.name": "chat"}
    if source is None:
        return told
    if source.model:
        told |= {"gen_ai.request.model": source.model, "gen_ai.response.model": source.model}
        told["gen_ai.provider.name"] = _provider(source.model)
    counts = {key: value for key, value in source.usage.items() if isinstance(value, int)}
    read, written = counts.get("cache_read_input_tokens", 0), counts.get("cache_creation_input_tokens", 0)
    if counts:
        told["gen_ai.usage.input_tokens"] = counts.get("input_tokens", 0) + read + written
        told["gen_ai.usage.output_tokens"] = counts.get("output_tokens", 0)
    for name, count in ((names.cache_read, read), (names.cache_write, written)):
        if name is not None and counts:
            told[name] = count
    if source.cost_usd is not None:
        told["maos.cost_usd"] = source.cost_usd
    return told


def _of_tool(span: TraceSpan, names: Names) -> dict[str, Value]:
    return {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": span.name}


def _of_others(span: TraceSpan, names: Names) -> dict[str, Value]:
    if span.kind == TASK and span.source is not None:
        return {"maos.task": span.name, "maos.run": span.source.run}
    return {"maos.step": span.name} if span.kind == STEP else {}


def _provider(model: str) -> str:
    """Guess who makes a model, by its name; `maos.unknown` where that says nothing."""
    known = {"claude": "anthropic", "gpt": "openai", "gemini": "gcp.gemini"}
    return next((name for begin, name in known.items() if begin in model.lower()), "maos.unknown")


_OF_KIND: Mapping[str, Callable[[TraceSpan, Names], dict[str, Value]]] = {
    RUN: _of_run,
    ATTEMPT: _of_attempt,
    MODEL: _of_model,
    TOOL: _of_tool,
}
