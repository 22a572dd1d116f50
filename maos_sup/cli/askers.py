"""Says which model is asked when a request in words is planned, and which kind of agents then does the
work.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from maos_sup.agents.registry import kind_names
from maos_sup.core.questions import Ask
from state_layout.errors import BadInput

_NOBODY = (
    "no model to plan with; use one of three: set ANTHROPIC_API_KEY; or set ANTHROPIC_BASE_URL to a server "
    "that speaks the Messages API (llama.cpp, Ollama, LM Studio); or install the Claude Code CLI ('claude'). "
    "A plan file needs none: write one (maos-sup plan --schema) and name it"
)
_NO_TOKEN = (
    "it is asked with the login of your home, which the agents do not read: before you run the plan, set "
    "CLAUDE_CODE_OAUTH_TOKEN to what 'claude setup-token' prints"
)
_TOKEN = "CLAUDE_CODE_OAUTH_TOKEN"
CLAUDE = "MAOS_SUP_CLAUDE"  # the program of agents of kind `claude` as well
_MESSAGES_VARIABLES = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL")


class NobodyToAsk(BadInput):
    """The environment names no model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Is asked for plans. `kind` is what agents are by default, `model` what the plan names for them."""

    kind: str
    model: str | None
    ask: Ask
    close: Callable[[], None] = lambda: None  # its connections, after the last question


def find_provider(*, model: str | None, tell: Callable[[str], None]) -> Provider:
    """The provider that the environment names. Raises NobodyToAsk."""
    model = model or os.environ.get("ANTHROPIC_MODEL") or None
    if any(os.environ.get(name) for name in _MESSAGES_VARIABLES):
        from maos_sup.agents.kinds.anthropic.settings import MODEL
        from maos_sup.agents.once.messages import MessagesAsker

        name = model or MODEL
        asker = MessagesAsker(os.environ, model=name, tell=tell)
        return Provider(kind="anthropic", model=name, ask=asker, close=asker.close)
    program = shutil.which(os.environ.get(CLAUDE) or "claude")
    if program and "claude" in kind_names():
        from maos_sup.agents.once.claude_code import ClaudeCodeAsker

        if not os.environ.get(_TOKEN):
            tell(_NO_TOKEN)
        return Provider(
            kind="claude", model=model, ask=ClaudeCodeAsker(os.environ, model=model, program=program)
        )
    raise NobodyToAsk(_NOBODY)
