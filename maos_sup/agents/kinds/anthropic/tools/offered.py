"""Which tools an agent is offered, by the names its settings know them by."""

from __future__ import annotations

from maos_sup.agents.kinds.anthropic.settings import Settings
from maos_sup.agents.kinds.anthropic.tools import team
from maos_sup.agents.kinds.anthropic.tools.base import Tool
from maos_sup.agents.kinds.anthropic.tools.bash import BashTool
from maos_sup.agents.kinds.anthropic.tools.edit import EditTool
from maos_sup.agents.kinds.anthropic.tools.finish import Finish
from maos_sup.agents.kinds.anthropic.tools.people import AskHuman
from maos_sup.agents.kinds.anthropic.tools.spawn import SpawnTask

_ALL: dict[str, type[Tool]] = {
    "bash": BashTool,
    "edit": EditTool,
    "send_message": team.SendMessage,
    "read_messages": team.ReadMessages,
    "report_discovery": team.ReportDiscovery,
    "save_state": team.SaveState,
    "load_state": team.LoadState,
    "report_progress": team.ReportProgress,
    "ask_human": AskHuman,
    "spawn_task": SpawnTask,
    "finish": Finish,
}


def offered(settings: Settings) -> dict[str, tuple[str, Tool]]:
    """The tools by the name that the model calls: their name in the settings, and the tool.

    Always in the same order: it is part of what the provider caches.
    """
    names = [name for name in _ALL if name in settings.tools or name == "finish"]
    tools = [(name, _ALL[name]()) for name in names]
    return {tool.name: (name, tool) for name, tool in tools}
