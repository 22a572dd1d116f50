"""The MCP servers that Claude Code is given: that of the team, and those of the plan's `mcp_servers`.

Claude Code itself puts variables in place of `${NAME}` and `${NAME:-default}`; it leaves a name that it does
not find as it stands, and a server that does not start out, both without a word.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from maos_sup.agents.kinds.claude.settings import ClaudeSettings
from maos_sup.agents.work import Work
from state_layout.files import atomic, codec

SERVER = "maos"
_FILE_NAME = ".maos-mcp.json"
_VARIABLE = re.compile(r"\$\{(\w+)\}")  # without a default


def write_mcp_config(work: Work, settings: ClaudeSettings) -> Path:
    """Write for Claude Code which servers it has, in its session's folder; where. Raises StorageError."""
    path = work.life.paths.session / _FILE_NAME
    atomic.refresh(path, codec.encode(_mcp_config(work, settings)) + b"\n")
    return path


def unset_variables(
    settings: ClaudeSettings, given: Mapping[str, str], outside: Mapping[str, str]
) -> list[str]:
    """List what to tell of each variable that `mcp_servers` names and Claude Code is not given.

    `given` is its environment, `outside` what the agent itself finds.
    """
    told = []
    for server, config in (settings.mcp_servers or {}).items():
        for name in sorted(set(_names_in(config)) - given.keys()):
            remedy = "name it in 'pass_env'" if name in outside else "set it, or give it in 'env'"
            what = f"{server!r} is told ${{{name}}} as it stands, for it is not given that variable"
            told.append(f"mcp_servers: {what}; {remedy}")
    return told


def failures(states: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what to tell of each server of the plan that is not connected: it is worked without it."""
    for state in states:
        name, status = state.get("name"), state.get("status")
        if name != SERVER and status not in ("connected", "pending", "disabled"):
            yield f"the MCP server {name!r} of mcp_servers is {status}, not connected: its tools are missing"


def trouble_of_team(states: Iterable[Mapping[str, Any]]) -> str | None:
    """Say what to tell if the team's server is not connected."""
    state = next((item.get("status") for item in states if item.get("name") == SERVER), "missing")
    if state == "connected":
        return None
    return f"the MCP server {SERVER!r} of the team is {state}, not connected; see stderr.log"


def _mcp_config(work: Work, settings: ClaudeSettings) -> dict[str, object]:
    servers: dict[str, object] = dict(settings.mcp_servers or {})
    if settings.team:
        servers[SERVER] = {
            "type": "stdio",
            "command": sys.executable,
            "args": ["-P", "-m", "maos_sup", "mcp", str(work.life.tree.root), "--agent", work.life.agent],
            "alwaysLoad": True,
        }
    return {"mcpServers": servers}


def _names_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from _VARIABLE.findall(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _names_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _names_in(item)
