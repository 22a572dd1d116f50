"""Blocks and messages of the Messages API as they are kept here, and the journal lines of a conversation.

Only declarations: a server may put more into a block, and older builds wrote fewer keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict


class TalkBlock(TypedDict):
    """A block of content has keys by its `type`."""

    type: str
    text: NotRequired[str]
    thinking: NotRequired[str]
    id: NotRequired[str]  # of a call
    name: NotRequired[str]
    input: NotRequired[Any]
    tool_use_id: NotRequired[str]  # of the result of a call
    content: NotRequired[Any]
    is_error: NotRequired[bool]


class TalkMessage(TypedDict):
    """The message is one turn, as the API takes it."""

    role: str
    content: list[TalkBlock]


class ShellLeft(TypedDict, total=False):
    """A shell was left with this."""

    env: dict[str, str]  # what was changed
    cwd: str


class TalkEntry(TypedDict, total=False):
    """The entry is a line of one of the `TYPES` of `conversation`."""

    type: str
    task: str
    run: int
    n: int  # of turns
    key: str  # of a question
    # turn, compacted
    role: str
    content: Any  # of a prompt: blocks; of a result: text
    nudge: bool
    received: Mapping[str, object]
    stop_reason: str
    blocks: int
    usage: dict[str, int]
    expected_usage: dict[str, int]
    tokens: int
    cost_usd: float
    cost: str
    kept_blocks: int
    lead: str
    # request, begun, partial, block, broken
    purpose: str
    estimate: Mapping[str, object]
    message: str
    model: str
    index: int
    what: str
    text: str
    block: TalkBlock
    bad_input: str
    is_cut_off: bool
    why: str
    waste: Mapping[str, object]
    cause: str
    # tool_call, tool_result
    id: str
    name: str
    token: str
    is_error: bool
    elapsed_s: float
    shell: ShellLeft
    finished: dict[str, object]
