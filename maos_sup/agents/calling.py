"""A tool of the team, called by an agent's program from a shell: one control line out, its answer back."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from maos_sup.agents.bus.relay import connected
from maos_sup.agents.program import CallingProgram
from state_layout.errors import BadInput, Lost

_SHORTEST_LOOK_S, _LONGEST_LOOK_S, _CHECK_S = 0.002, 0.1, 1.0


def called(
    environment: Mapping[str, str], name: str, told: Mapping[str, Any], *, id_: str | None = None
) -> dict[str, object]:
    """Call the tool `name`, and give the agent's answer once it is recorded: `content`, and effects.

    `id_` names the call: it is carried out once in a run of a task, whoever dies. Raises Lost, BadInput with
    what the agent says, StorageError.
    """
    program = CallingProgram.of(environment)
    relay = connected(program.tree.root, program.agent, environment=environment)
    id_ = id_ or os.urandom(8).hex()
    relay.call(id_, name, told, after=None)
    look_s, check_at_s = _SHORTEST_LOOK_S, time.monotonic() + _CHECK_S
    while (answer := relay.answer(id_)) is None:
        if time.monotonic() >= check_at_s:
            relay.check()
            check_at_s = time.monotonic() + _CHECK_S
        time.sleep(look_s)
        look_s = min(_LONGEST_LOOK_S, look_s * 1.3)
    if answer.get("lost"):
        raise Lost(str(answer.get("content")))
    if answer.get("is_error"):
        raise BadInput(str(answer.get("content")))
    return answer
