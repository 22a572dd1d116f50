"""The keys of an agent of kind `claude` in its spec, and what they mean when they are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from state_layout.records import AgentSpec
from state_layout.shapes.shape import Effect, Field, Flag, Free, ListOf, MapOf, Number, OneOf, Shape, Text
from state_layout.specs.tables import BUDGET

PREFIX = "mcp__maos__"  # what Claude Code calls the team's tools by
SANDBOXES = ("landlock", "bubblewrap", "none")
SESSION = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
PRICES = ("input", "output", "cache_read", "cache_write")
_names = ListOf(item=Text(least=1), unique=True, wish='a list of names like ["Bash", "Edit"]')
_paths = ListOf(item=Text(least=1), unique=True)
_seconds = Number(above=0, most=86_400)

SETTINGS = Shape(
    fields={
        "model": Field(Text(least=1), "the model, by alias or full name; else Claude Code's own default"),
        "agent": Field(Text(least=1), "a name from .claude/agents/ of the project: it works as that agent"),
        "tools": Field(_names, "Claude Code's own tools that it is offered; all by default"),
        "allowed_tools": Field(
            _names, 'what it may use, like "Edit" or "Bash(git *)"; all it is offered by default'
        ),
        "approve": Field(_names, "calls of these tools wait for a person's yes", default=[]),
        "max_turns": Field(Number(least=1, whole=True), "most answers for one task", default=200),
        "budget": Field(BUDGET, "of this agent alone", effect=Effect.AT_ONCE),
        "price": Field(
            MapOf(value=Number(least=0), key="|".join(PRICES), key_wish=f"one of {', '.join(PRICES)}"),
            "USD a million tokens, in place of tables",
        ),
        "sandbox": Field(OneOf(SANDBOXES), "what confines it and all that it starts", default="landlock"),
        "sandbox_read": Field(_paths, "absolute paths it may also read", default=[]),
        "sandbox_write": Field(_paths, "absolute paths it may also write", default=[]),
        "pass_env": Field(_names, "secret variables that it gets all the same", default=[]),
        "base_url": Field(
            Text(pattern="https?://.+", wish="a URL like http://localhost:8080"),
            "a server that speaks the Messages API; else ANTHROPIC_BASE_URL, else Anthropic's",
        ),
        "program": Field(Text(least=1), "its executable; else MAOS_SUP_CLAUDE, else claude in PATH"),
        "args": Field(ListOf(item=Text()), "more arguments for it", default=[]),
        "mcp_servers": Field(Free(), "more MCP servers, as in its mcp-config"),
        "begins_with": Field(
            Text(pattern=SESSION, wish="the id of a session, like 0c0ffee0-1234-4567-89ab-0123456789ab"),
            "a session in its session/ that each of its tasks begins as a fork of (maos-sup import claude)",
        ),
        "team": Field(Flag(), "give it the team's tools", default=True),
        "stall_s": Field(_seconds, "longest silence while the model is asked", default=600),
        "result_schema": Field(Free(), "JSON schema of the task's result"),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeSettings:
    """One agent has these settings."""

    model: str | None = None
    agent: str | None = None
    tools: tuple[str, ...] | None = None
    allowed_tools: tuple[str, ...] | None = None
    approve: tuple[str, ...] = ()
    max_turns: int = 200
    price: Mapping[str, float] | None = None
    sandbox: str | None = None  # None: Landlock where the kernel has it
    sandbox_read: tuple[str, ...] = ()
    sandbox_write: tuple[str, ...] = ()
    pass_env: tuple[str, ...] = ()
    base_url: str | None = None
    program: str | None = None
    args: tuple[str, ...] = ()
    mcp_servers: Mapping[str, Any] | None = None
    begins_with: str | None = None
    team: bool = True
    stall_s: float = 600.0
    result_schema: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, spec: AgentSpec) -> ClaudeSettings:
        """Read the settings in `spec`, which was checked against the shape."""
        known: dict[str, Any] = {
            key: tuple(item) if isinstance(item, list) else item
            for key, item in spec.settings.items()
            if key in cls.__dataclass_fields__
        }
        return cls(**known)
