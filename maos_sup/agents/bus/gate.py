"""Lets control lines pass that an agent's settings permit, as they stand at each look."""

from __future__ import annotations

from collections.abc import Callable

from maos_sup.agents.bus.permits import Permits, as_input, permits_of, tool_of
from maos_sup.agents.control.control_lines import ControlRequest
from state_layout.errors import BadInput
from state_layout.records import AgentSpec


def _nobody() -> None:
    """Give no spec, for programs that may ask for anything."""


class Gate:
    """A gate is that of one agent; `spec` gives the spec in force. `refused` hears of what does not pass."""

    def __init__(self, spec: Callable[[], AgentSpec | None] = _nobody) -> None:
        self._spec = spec
        self._known: tuple[AgentSpec | None, Permits] | None = None
        self.refused: Callable[[str], object] = lambda text: None

    @property
    def permits(self) -> Permits:
        """The permits are those in force now. Raises BadInput for a spec that cannot be understood."""
        spec = self._spec()
        if self._known is None or self._known[0] is not spec:
            self._known = (spec, permits_of(spec))
        return self._known[1]

    def passed(self, request: ControlRequest, *, id_: str) -> ControlRequest:
        """Let the request pass, or the call `id_` that waits for a person's yes. Raises BadInput if it may
        not be.

        Calls are asked about where they are carried out: their caller waits for the answer.
        """
        tool = tool_of(request.verb, request.value)
        if tool is None or request.verb == "call":
            return request
        refusal = self.permits.refusal(tool)
        if refusal is not None:
            self.refused(refusal)
            raise BadInput(refusal)
        if not self.permits.needs_yes(tool):
            return request
        input_ = as_input(request.verb, request.value)
        return ControlRequest(verb="call", value={"id": id_, "name": tool, "input": input_})


ANY = Gate()
