"""Says what a kind of agent is: it works on one task, all else is done for it. `agents.registry` finds
kinds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from maos_sup.agents.endings import WorkOutcome
from state_layout.shapes.shape import Shape

if TYPE_CHECKING:
    from maos_sup.agents.work import Work


class Kind(Protocol):
    """Works on tasks. Made anew for each task; `run` may raise `Ended`.

    A kind with `tells_mail = True` shows messages to its program by itself; the bus then shows none. One with
    `starts_pulse = True` calls `work.pulse.start()` once its program runs, where nothing before takes long:
    else two threads begin at once and hinder each other. One with `session_problems(tree, agent)` tells
    `check` what is wrong in `session/`, whose form nobody else knows. One with a static
    `lacks(settings, environment)` says before a tree is made what is missing for it: an iterator of `Lack`.
    What other parts need to know of it (whether it has a model, how it goes back) is in its `traits`, a
    `KindTraits`; those of our kinds stand in `state_layout.specs.kinds`.
    """

    settings: ClassVar[Shape]  # its keys in `spec/agents/<agent>.json`

    def run(self, work: Work) -> WorkOutcome:
        """Work on `work.task` until it is done or `work` is to end."""
