"""The keys of an agent of this kind in its spec, and what they mean when they are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from state_layout.records import AgentSpec, Budget
from state_layout.shapes.shape import Effect, Field, Flag, Free, ListOf, MapOf, Number, OneOf, Shape, Text
from state_layout.specs.tables import BUDGET

TOOLS = (
    "bash",
    "edit",
    "send_message",
    "read_messages",
    "report_discovery",
    "save_state",
    "load_state",
    "list_state",
    "delete_state",
    "report_progress",
    "ask_human",
    "spawn_task",
    "finish",
)
OFFERED = (*TOOLS, "memory")  # the last one only where it is asked for
SANDBOXES = ("landlock", "bubblewrap", "none")
PRICES = ("input", "output", "cache_read", "cache_write")
MODEL = "claude-sonnet-4-6"
NO_BUDGET = Budget()

_tools = ListOf(item=OneOf(OFFERED), unique=True, wish='a list of tools like ["bash", "edit"]')
_seconds = Number(above=0, most=86_400)
_tokens = Number(least=1, whole=True)
_paths = ListOf(item=Text(least=1), unique=True)
SETTINGS = Shape(
    fields={
        "model": Field(Text(least=1), "the model, as its provider calls it", default=MODEL),
        "base_url": Field(
            Text(pattern="https?://.+", wish="a URL like http://localhost:8080"),
            "a server that speaks the Messages API; else ANTHROPIC_BASE_URL, else Anthropic's",
        ),
        "tools": Field(_tools, "what it may use", default=list(TOOLS)),
        "allowed_tools": Field(_tools, "of those, what is not refused when it is called"),
        "approve": Field(_tools, "calls of these wait for a person's yes", default=[]),
        "sandbox": Field(OneOf(SANDBOXES), "what confines its commands", default="landlock"),
        "sandbox_read": Field(_paths, "absolute paths its commands may also read", default=[]),
        "sandbox_write": Field(_paths, "absolute paths its commands may also write", default=[]),
        "pass_env": Field(_paths, "secret variables its commands get all the same", default=[]),
        "max_turns": Field(_tokens, "most answers for one task", default=200),
        "max_tokens": Field(_tokens, "longest answer", default=16_384),
        "context_tokens": Field(_tokens, "size of the model's window", default=200_000),
        "compact_at": Field(Number(above=0, most=1), "share of the window at which it sums up", default=0.75),
        "budget": Field(BUDGET, "of this agent alone", effect=Effect.AT_ONCE),
        "price": Field(
            MapOf(value=Number(least=0), key="|".join(PRICES), key_wish=f"one of {', '.join(PRICES)}"),
            "USD a million tokens, where no table knows the model",
        ),
        "result_schema": Field(Free(), "JSON schema of the result that `finish` must give"),
        "tool_timeout_s": Field(_seconds, "longest time of one command", default=600),
        "tool_output_chars": Field(
            Number(least=1000, most=10_000_000, whole=True), "most of one result", default=30_000
        ),
        "stall_s": Field(_seconds, "longest silence of the model's server"),
        "max_spawned": Field(
            Number(least=0, whole=True), "most tasks it may add to the orchestration", default=10
        ),
        "thinking": Field(Free(), "passed on to the model"),
        "request": Field(Free(), "anything else to pass on, like { temperature = 0 }"),
        "plain_tools": Field(
            Flag(), "describe tools by schemas only; by default for servers that are not Anthropic's"
        ),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One agent has these settings."""

    model: str = MODEL
    base_url: str | None = None
    tools: tuple[str, ...] = TOOLS
    allowed_tools: tuple[str, ...] | None = None
    approve: tuple[str, ...] = ()
    sandbox: str | None = None  # None: Landlock where the kernel has it
    sandbox_read: tuple[str, ...] = ()
    sandbox_write: tuple[str, ...] = ()
    pass_env: tuple[str, ...] = ()
    max_turns: int = 200
    max_tokens: int = 16_384
    context_tokens: int = 200_000
    compact_at: float = 0.75
    budget: Budget = NO_BUDGET
    price: Mapping[str, float] | None = None
    result_schema: Mapping[str, Any] | None = None
    tool_timeout_s: float = 600.0
    tool_output_chars: int = 30_000
    stall_s: float | None = None
    max_spawned: int = 10
    thinking: Mapping[str, Any] | None = None
    request: Mapping[str, Any] = field(default_factory=dict)
    plain_tools: bool | None = None

    @classmethod
    def of(cls, spec: AgentSpec) -> Settings:
        """Read the settings in `spec`, which was checked against the shape."""
        known = {key: item for key, item in spec.settings.items() if key in cls.__dataclass_fields__}
        for key in ("tools", "allowed_tools", "approve", "sandbox_read", "sandbox_write", "pass_env"):
            if key in known:
                known[key] = tuple(known[key])
        if "budget" in known:
            known["budget"] = Budget(**known["budget"])
        return cls(**known)
