"""Says which tools an agent is offered, by the names its settings know them by."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from maos_sup.agents.kinds.anthropic.settings import Settings
from maos_sup.agents.kinds.anthropic.tools import team
from maos_sup.agents.kinds.anthropic.tools.base import Tool
from maos_sup.agents.kinds.anthropic.tools.bash import BashTool
from maos_sup.agents.kinds.anthropic.tools.edit import EditTool
from maos_sup.agents.kinds.anthropic.tools.finish import FinishTool
from maos_sup.agents.kinds.anthropic.tools.memory import MemoryTool
from maos_sup.agents.kinds.anthropic.tools.people import AskHuman
from maos_sup.agents.kinds.anthropic.tools.spawn import SpawnTask

_ALL: dict[str, Callable[[], Tool]] = {
    "bash": BashTool,
    "edit": EditTool,
    "send_message": partial(team.TeamTool, "send_message"),
    "read_messages": team.ReadMessages,
    "report_discovery": partial(team.TeamTool, "report_discovery"),
    "save_state": partial(team.TeamTool, "save_state"),
    "load_state": partial(team.TeamTool, "load_state"),
    "list_state": partial(team.TeamTool, "list_state"),
    "delete_state": partial(team.TeamTool, "delete_state"),
    "report_progress": partial(team.TeamTool, "report_progress"),
    "ask_human": AskHuman,
    "spawn_task": SpawnTask,
    "memory": MemoryTool,
    "finish": FinishTool,
}


def offered(settings: Settings) -> dict[str, tuple[str, Tool]]:
    """List the tools by the name that the model calls: their name in the settings, and the tool.

    Always in the same order: it is part of what the provider caches.
    """
    names = [name for name in _ALL if name in settings.tools or name == "finish"]
    tools = [(name, _ALL[name]()) for name in names]
    return {tool.name: (name, tool) for name, tool in tools}
