"""Says what an agent's programs may ask for by control lines and over the bus:
what its model may by its tools.

A command has the control file, and what is asked there is done by the agent's process, which is not confined.
So `tools`, `allowed_tools` and `approve` of the agent's settings hold there as they do for the tools, and
files are taken only from where the agent works. A kind says so by a function `permits`; programs of kinds
without one are their user's own, and may all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maos_sup.agents.registry import find_kind
from state_layout.errors import BadInput
from state_layout.paths import Tree
from state_layout.records import AgentSpec

_TOOLS = {  # what a control line does, as a tool
    **{"send": "send_message", "discovery": "report_discovery", "progress": "report_progress"},
    **{"ask": "ask_human", "ack": "read_messages", "result": "finish"},
    **{"save": "save_state", "forget": "delete_state"},
}
_ALWAYS = frozenset({"finish"})  # a task must be able to end
_TEXTS = {"discovery": "text", "ask": "question"}  # under which name the tool has what the line says


@dataclass(frozen=True, slots=True, kw_only=True)
class Permits:
    """The permits name tools in `offered` and `allowed`, None for all. `prefix`: what people know the
    tools by.

    `reach`: paths beside the agent's own that files may be taken from, None where programs are not confined.
    """

    offered: Collection[str] | None = None
    allowed: Collection[str] | None = None
    approve: Collection[str] = ()
    prefix: str = ""
    reach: tuple[str, ...] | None = None

    def refusal(self, tool: str) -> str | None:
        """Say why `tool` is not carried out; None if it may be."""
        for names, what in ((self.offered, "is not offered"), (self.allowed, "is not allowed")):
            if names is not None and tool not in names and tool not in _ALWAYS:
                return f"{tool} {what} to this agent ('tools', 'allowed_tools' of its settings)"
        return None

    def needs_yes(self, tool: str) -> bool:
        """A person's yes is wanted for `tool`."""
        return tool in self.approve or f"{self.prefix}{tool}" in self.approve


EVERYTHING = Permits()


def permits_of(spec: AgentSpec | None) -> Permits:
    """Find the permits of the agent with this spec. Raises BadInput for a spec that cannot be understood."""
    if spec is None:
        return EVERYTHING
    told = getattr(find_kind(spec.kind), "permits", None)
    permits: Permits = EVERYTHING if told is None else told(spec)
    return permits


def tool_of(verb: str, value: Any) -> str | None:
    """Name the tool that does what a control line asks; None if there is none."""
    return str(value["name"]) if verb == "call" else _TOOLS.get(verb)


def as_input(verb: str, value: Any) -> dict[str, object]:
    """Turn what a control line says into the input of the tool that does the same. Raises BadInput if none
    does."""
    if verb in ("send", "save", "forget"):
        return dict(value)
    if verb in _TEXTS:
        return {_TEXTS[verb]: value}
    raise BadInput(f"'{verb}' needs a person's yes here, which only the tool can wait for; call the tool")


def question_text(agent: str, name: str, shown: str) -> str:
    """Ask a person for a call's yes in these words."""
    return f"May {agent} run {name} with {shown}?"


def essence(name: str, input_: Any) -> Any:
    """Take a call's input without the words that only describe it, which differ from time to time.

    Those of Claude Code's own tools do; for the team's tools the description is what is to be done.
    """
    if isinstance(input_, Mapping) and not name.startswith("mcp__"):
        return {key: value for key, value in input_.items() if key != "description"}
    return input_


def reach_of(tree: Tree, agent: str, permits: Permits, *, near: Path) -> list[Path] | None:
    """List where files may be taken from, the innermost last; None for everywhere.

    What lies in a folder that programs write is taken beneath that folder: it may have become a link.
    """
    if permits.reach is None:
        return None
    from maos_sup.agents.sandbox.bounds import is_reached_through  # what few agents need

    own = tree.agent(agent)
    names = [path.stem for path in tree.agent_specs.glob("*.json")]
    working = [near, near.resolve(), own.workspace, own.worktree, own.session, own.artifacts]
    others = [tree.agent(name).artifacts for name in names]
    more = [Path(path) for path in permits.reach if not is_reached_through(path, working)]
    return [*dict.fromkeys([*working, *others, *more])]
