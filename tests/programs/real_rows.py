"""The rows of the matrix: each profile of kind `cli`, its real program, and its way to a loopback server."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real_programs import programs_folder

from maos_sup.loopback.reply import ScriptedReply, call

ALL_VARIABLE = "MAOS_SUP_PROGRAMS"  # "all": the long form of what real programs are tried with
IS_LONG = os.environ.get(ALL_VARIABLE) == "all"

USAGE = {"input_tokens": 1000, "output_tokens": 100}  # of each answer, so that sums are easily read
ANSWER_TOKENS = sum(USAGE.values())
PRICE = {"input": 1.0, "output": 1.0, "cache_read": 1.0, "cache_write": 1.0}  # a dollar a million tokens
KEY = "sk-" + "dummy" * 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One profile: what its agent's table says, given the server's URL, and what its environment has."""

    profile: str
    program: str | None  # as in pins.toml; None: the kind asks by itself
    agent: Callable[[str], dict[str, Any]]
    environment: Callable[[str, Path], Mapping[str, str]]
    shell_tool: str
    command_key: str
    shell_more: Mapping[str, Any]
    kind: str = "cli"
    is_bound: bool = True  # a session goes on only where the folder it works in stays
    tells_exit: bool = True  # it says whether a command failed that printed something
    tells_begun: bool = True  # it says that a call begins; else one under way is known to its session only

    def shell(self, command: str, **more: Any) -> ScriptedReply:
        """An answer that has the program run `command`."""
        input_ = {self.command_key: command, **self.shell_more}
        return call(self.shell_tool, input_, text="I run it.", usage=USAGE, **more)


def _codex_agent(url: str) -> dict[str, Any]:
    args = [
        *("-c", f'openai_base_url="{url}/v1"'),
        *("-c", "sandbox_workspace_write.exclude_slash_tmp=true"),  # the tree is in a temporary folder here,
        *("-c", "sandbox_workspace_write.exclude_tmpdir_env_var=true"),  # elsewhere it may not be written
    ]
    return {"model": "gpt-5", "args": args, "price": PRICE}


def _codex_environment(url: str, folder: Path) -> Mapping[str, str]:
    return {"CODEX_API_KEY": KEY, "OPENAI_API_KEY": KEY}


def _gemini_agent(url: str) -> dict[str, Any]:
    return {"model": "gemini-2.5-pro", "price": PRICE}


def _gemini_environment(url: str, folder: Path) -> Mapping[str, str]:
    settings = folder / "gemini-system-settings.json"
    value = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
    }
    settings.write_text(json.dumps(value))
    return {
        "GEMINI_API_KEY": KEY,
        "GOOGLE_GEMINI_BASE_URL": url,
        "GEMINI_CLI_SYSTEM_SETTINGS_PATH": str(settings),
        "GEMINI_CLI_NO_RELAUNCH": "true",  # one process instead of two: it starts faster
        "NODE_COMPILE_CACHE": str(programs_folder() / "gemini-cli" / "compile-cache"),
    }


def _opencode_agent(url: str) -> dict[str, Any]:
    return {"model": "loop/m"}


def _opencode_environment(url: str, folder: Path) -> Mapping[str, str]:
    model = {
        "name": "m",
        "tool_call": True,
        "limit": {"context": 200_000, "output": 8_000},
        "cost": {"input": 1, "output": 1, "cache_read": 1, "cache_write": 1},
    }
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "loop",
        "options": {"baseURL": f"{url}/v1", "apiKey": KEY},
        "models": {"m": model},
    }
    settings = {"provider": {"loop": provider}, "snapshot": False, "share": "disabled", "autoupdate": False}
    return {
        "OPENCODE_CONFIG_CONTENT": json.dumps(settings),
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    }


ROWS = {
    "codex": Row(
        profile="codex",
        program="codex",
        is_bound=False,
        agent=_codex_agent,
        environment=_codex_environment,
        shell_tool="exec_command",
        command_key="cmd",
        shell_more={"yield_time_ms": 30_000},  # after which it lets the command be, and asks
    ),
    "gemini": Row(
        profile="gemini",
        program="gemini-cli",
        agent=_gemini_agent,
        environment=_gemini_environment,
        shell_tool="run_shell_command",
        tells_exit=False,
        command_key="command",
        shell_more={"description": "a step"},
    ),
    "opencode": Row(
        profile="opencode",
        program="opencode",
        agent=_opencode_agent,
        environment=_opencode_environment,
        shell_tool="bash",
        tells_begun=False,
        command_key="command",
        shell_more={"description": "a step"},
    ),
}
