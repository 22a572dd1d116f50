"""Lines of what several write or read: mail, budgets, shared state. Only the type checker imports this."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

MailLine = TypedDict(
    "MailLine",
    {
        "seq": int,
        "at": str,
        "attempt": int,
        "type": str,
        "from": str,
        "to": str,
        "text": NotRequired[str],
        "body": NotRequired[Any],
        "reply_to": NotRequired[str],
        "h": str,
    },
)


class BudgetLine(TypedDict):
    """`reserve` is an estimate, before the call `key`; `settle` says what it cost."""

    seq: int
    at: str
    type: str
    key: str
    cost_usd: float | None  # null: the price is unknown
    tokens: int
    h: str


class ScopeLine(TypedDict):
    """The line changes shared state: `put` or `delete`."""

    seq: int
    at: str
    synced: NotRequired[int]
    type: str
    n: int  # one more than any line of the scope had
    key: str
    value: NotRequired[Any]  # of a put
    over: NotRequired[list[Any]]  # the version that it took the place of: writer, seq, h
    v: NotRequired[int]  # version of the schema; 1 where it is missing
    token: NotRequired[str]  # asked again under it, nothing is done twice
    task: NotRequired[str]
    run: NotRequired[int]
    step: NotRequired[str]
    after: NotRequired[int]  # the last line of the writer's journal that was durable then
    by: NotRequired[str]
    file: NotRequired[str]  # by hand: from which file
    sha256: NotRequired[str]  # of its bytes
    h: str
