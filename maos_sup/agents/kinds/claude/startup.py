"""A process that has come up: is it what was asked for? Only then is it told anything.

What it has is not guessed from files but asked of it: which agents, and which of its servers are connected.
An agent that it does not know it would leave out without a word and go on as plain Claude Code.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from maos_sup.agents.endings import WorkOutcome
from maos_sup.agents.kinds.claude.servers import failures, trouble_of_team
from maos_sup.agents.kinds.claude.settings import ClaudeSettings
from maos_sup.agents.kinds.claude.stream_json import ClaudeEvent, ControlResponse, ServerState
from maos_sup.agents.work import Work
from state_layout.files.looking import exists
from state_layout.files.reading import read_foreign

Request = Callable[[str, Mapping[str, object]], None]  # id, request
Warn = Callable[[str], None]
_ASK_AGAIN_S = 0.1
_MOST_FILES = 2000  # that are looked through to say why an agent is missing
_NAME = re.compile(r"^name:[ \t]*[\"']?([^\"'#\n]+?)[\"']?[ \t]*(?:#.*)?$", re.MULTILINE)


class Startup:
    """Asks one process. `outcome` is how the work ends if it is not what was asked for."""

    def __init__(self, work: Work, settings: ClaudeSettings, request: Request, warn: Warn) -> None:
        self._work, self._settings, self._request, self._warn = work, settings, request, warn
        self._asked_s = 0.0
        self._has_agents = False  # whether it was heard which it has
        self.is_ready = False
        self.outcome: WorkOutcome | None = None

    def begin(self, initialize: Mapping[str, object]) -> None:
        """Send the first request."""
        self._request("initialize", initialize)

    def take(self, response: ControlResponse) -> None:
        """Take an answer of the process to a request."""
        id_, told = response.get("request_id"), response.get("response") or {}
        if response.get("subtype") == "error":
            self._fail(f"Claude Code refused: {response.get('error')}")
        elif id_ == "initialize":
            self._check_agents(told.get("agents"))
            self._ask_for_servers()
        elif id_ == "mcp_status" and not self.is_ready:
            servers = told.get("mcpServers") or []
            if not any(server.get("status") == "pending" for server in servers):
                self._check_servers(servers)
                self.is_ready = self.outcome is None

    def take_init(self, event: ClaudeEvent) -> None:
        """Take what the process says of itself when it begins a turn."""
        if not self._has_agents:
            self._check_agents(event.get("agents"))
        self._check_servers(event.get("mcp_servers") or [])

    def look_again(self, now_s: float) -> None:
        """Look again whether servers that were not up yet are now."""
        if not self.is_ready and self._asked_s and now_s > self._asked_s + _ASK_AGAIN_S:
            self._ask_for_servers()

    def _ask_for_servers(self) -> None:
        self._asked_s = time.monotonic()
        self._request("mcp_status", {"subtype": "mcp_status"})

    def _check_servers(self, states: list[ServerState]) -> None:
        trouble = trouble_of_team(states) if self._settings.team else None
        if trouble is not None:
            self._fail(trouble)
        for text in failures(states):
            self._warn(text)

    def _check_agents(self, told: Any) -> None:
        wanted = self._settings.agent
        if not isinstance(told, list):
            return
        self._has_agents = True
        known = sorted(str(item.get("name") if isinstance(item, dict) else item) for item in told)
        if wanted is not None and wanted not in known:
            why = _why_missing(wanted, self._work.folder())
            names = ", ".join(known)
            text = f"agent {self._work.life.agent}: 'agent' is {wanted!r}, {why}; use one of: {names}"
            self.outcome = self.outcome or WorkOutcome(error=text, is_final=True)

    def _fail(self, text: str) -> None:
        self.outcome = self.outcome or WorkOutcome(error=text)


def _why_missing(name: str, folder: Path) -> str:
    """Say in words why Claude Code does not have agent `name` of the project in `folder`."""
    path = next((path for path in _agent_files(folder) if _may_be(path, name)), None)
    if path is None:
        return "which Claude Code has not: it is in no .claude/agents/ of the project, and yours are not read"
    return (
        f"which Claude Code cannot take from .claude/agents/.../{path.name}: it must begin with 'name' and "
        "'description' in YAML between two lines ---"
    )


def _agent_files(folder: Path) -> Iterator[Path]:
    """Yield the files of agents of the project, above its folder as well."""
    left = _MOST_FILES
    for place in (folder, *folder.parents):
        for path in sorted((place / ".claude" / "agents").glob("**/*.md")):
            left -= 1
            if left < 0:
                return
            yield path
        if exists(place / ".git"):
            return


def _may_be(path: Path, name: str) -> bool:
    try:
        found = _NAME.search(read_foreign(path).decode("utf-8", "replace"))
    except OSError:
        return path.stem == name
    return path.stem == name or (found is not None and found[1] == name)
