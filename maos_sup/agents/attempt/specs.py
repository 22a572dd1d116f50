"""Reads what is wanted of this agent again while it works. A missing spec file changes nothing.

The last good version stays in force.
"""

from __future__ import annotations

from msgspec.structs import replace

from maos_sup.agents.endings import Interrupt
from maos_sup.core.tasks import agent_want
from state_layout.errors import BadInput, LayoutError
from state_layout.paths import Tree
from state_layout.records import AgentSpec, Limits, Specs, TaskSpec, Want
from state_layout.shapes.shape import Shape, Unknown
from state_layout.specs.files import read_spec_file
from state_layout.specs.of_agent import AgentSpecs

_AGENT_ENDINGS = {Want.PAUSE: Interrupt.PAUSE, Want.STOP: Interrupt.STOP}
_TASK_ENDINGS = {Want.PAUSE: Interrupt.PAUSE, Want.CANCEL: Interrupt.CANCEL, Want.SKIP: Interrupt.CANCEL}


class WantedSpecs:
    """The object holds the specs in force for one agent."""

    def __init__(self, tree: Tree, agent: str) -> None:
        """Raises BadInput or NotATree without a good orchestration, BadInput without a spec of the agent."""
        self._cache, self._agent = AgentSpecs(tree, agent), agent
        self.now: Specs = self._cache.read()
        self._limits: tuple[Specs, Limits] | None = None  # and of what: asked for at each look

    @property
    def agent(self) -> AgentSpec | None:
        """The spec is this agent's, None if there never was a good one."""
        return self.now.agents.get(self._agent)

    @property
    def want(self) -> Want:
        """The agent is to do this: the stricter of its own and the orchestration's `want`."""
        spec = self.agent
        return Want.STOP if spec is None else agent_want(self.now.orchestration, spec)

    def limits(self) -> Limits:
        """Find the limits in force for this agent."""
        now, known = self.now, self._limits
        if known is None or known[0] is not now:
            common, own = now.orchestration.limits, now.agents.get(self._agent)
            known = self._limits = (now, common if own is None else own.limits_in_force(common))
        return known[1]

    def timeout_s(self, task: TaskSpec) -> float:
        """Say how many seconds an attempt at `task` may take, as of now."""
        return self.now.tasks[task.id].timeout_s or self.limits().timeout_s

    @property
    def may_miss_tasks(self) -> bool:
        """A task that was given to this agent a moment ago may be missing until `reread`."""
        return self._cache.may_miss_tasks

    def refresh(self, task: str | None = None) -> None:
        """Read again if the orchestration, this agent or `task` changed. Never raises for what it finds."""
        rels = self._cache.rels_of_all
        if task is not None:
            rels = (*rels, f"tasks/{task}.json")
        if not self._cache.is_current(*rels):
            self.reread()

    def look(self) -> None:
        """Read everything again if that is due: what was edited in place may be seen a second late."""
        if self._cache.is_due():
            self.reread()

    def confirms(self, task: TaskSpec) -> bool:
        """The `task` and all that decides on it is as it was read: a stat each."""
        needs = (f"tasks/{need}.json" for need in task.needs if need in self.now.tasks)
        return self._cache.is_current(*self._cache.rels_of_all, f"tasks/{task.id}.json", *needs)

    def reread(self) -> None:
        """Read everything again, whatever changed."""
        try:
            fresh = self._cache.read()
        except LayoutError:
            return  # no good orchestration.json just now: what was in force stays
        self.now = replace(
            fresh, agents={**self.now.agents, **fresh.agents}, tasks={**self.now.tasks, **fresh.tasks}
        )

    def ending_of(self, task: TaskSpec) -> Interrupt | None:
        """Say why work on `task`, as it was begun, is to end, or None."""
        wanted = self.now.tasks[task.id]
        endings = [_AGENT_ENDINGS.get(self.want), _TASK_ENDINGS.get(wanted.want)]
        if wanted.run > task.run or wanted.agent != task.agent:
            endings.append(Interrupt.RERUN)
        return max((ending for ending in endings if ending is not None), default=None)


def refuse_bad_settings(tree: Tree, spec: AgentSpec, shape: Shape) -> None:
    """Raise BadInput, as `check` would put it, where the settings of `spec` are none of its kind's `shape`.

    Edits by hand come this far: the supervisor, which keeps bad ones out of force, knows no kinds.
    """
    fault = next(shape.faults(spec.settings, unknown=Unknown.KEPT), None)
    if fault is None:
        return
    rel = f"agents/{spec.name}.json"
    file = read_spec_file(str(tree.spec / rel), rel=rel, shown=f"spec/{rel}", kinds={spec.kind: shape})
    errors = () if file is None else file.errors
    raise BadInput(errors[0].text if errors else f"spec/{rel}: {fault.text}")
