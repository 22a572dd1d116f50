"""The journal lines of a command line's run: what `record` writes and the fold of a run reads.

Only declarations: which keys are there depends on `type`, and older builds wrote fewer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from state_layout.records.attempt_lines import RewoundTo, SourceEffect


class SessionOrigin(TypedDict):
    """The origin is the session that a session is a copy of the beginning of."""

    session: str
    size: int  # bytes
    used: NotRequired[dict[str, int]]
    is_imported: NotRequired[bool]  # it was brought here whole


class ProgramEntry(TypedDict, total=False):
    """The entry is a line `process`, `session`, `turn`, `broken`, `tool_call`, `tool_result`, `end` or
    `result`."""

    type: str
    task: str
    run: int
    key: str  # of the ledger
    # process, received
    process: int
    source: SourceEffect
    place: dict[str, str] | None
    told: Any  # by a process: ids of calls; by received mail: the uuid of a message
    # session
    session: str | None
    origin: SessionOrigin | None
    rewound: RewoundTo
    # turn
    role: str
    text: str | None
    message: str | None
    model: str | None
    stop_reason: str | None
    calls: list[str]
    end: str | None
    is_aside: bool
    usage: dict[str, int] | None
    expected_usage: dict[str, int] | None
    used: dict[str, int] | None  # as told by who counts from the beginning
    estimate: Mapping[str, object]
    cost: str
    cost_usd: float
    tokens: int
    # broken
    why: str
    waste: Mapping[str, object] | None
    unpriced: Mapping[str, object] | None
    unpriced_turns: int
    # tool_call, tool_result
    id: str
    program_id: str | None
    name: str | None
    input: Any
    content: Any
    by: str | None
    is_error: bool
    is_interrupted: bool
    # end, result
    value: Any
