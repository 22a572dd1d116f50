"""Lines of journals that tell of money, one by one: what each adds to its agent's total. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from maos_sup.projection.spans import cost_of, tokens_of
from state_layout.files import codec

BESIDE_TASKS = "(beside tasks)"


class CostEntry(NamedTuple):
    """Holds what one line tells of money. `h` is its hash: a line of a fork is that of its original."""

    seq: int
    h: str
    task: str
    model: str
    day: str
    cost_usd: float | None
    tokens: int
    usage: dict[str, int]
    is_broken: bool


class _Line(Struct, kw_only=True):
    """The fields that are wanted of a line, unjudged."""

    seq: Any = None
    at: Any = None
    type: Any = None
    h: Any = None
    task: Any = None
    key: Any = None
    model: Any = None
    cost_usd: Any = None
    cost: Any = None
    tokens: Any = None
    usage: Any = None
    expected_usage: Any = None
    waste: Any = None


_LINES = codec.TypedLines(_Line)


def entries_of(raws: Sequence[bytes], models: dict[str, str], *, default_model: str) -> Iterator[CostEntry]:
    """Yield what `raws` tell, in their order; what is damaged is passed over.

    `models` says which model each answer that is under way was begun by; it is kept for the next lines.
    """
    for line in _decoded(raws):
        if line.type == "begun":
            models[str(line.key)] = str(line.model)
            continue
        fields = {"cost_usd": line.cost_usd, "cost": line.cost, "waste": line.waste, "tokens": line.tokens}
        cost, tokens = cost_of(fields), tokens_of(fields)
        if not isinstance(line.seq, int) or (cost == 0.0 and not tokens):
            continue
        begun_by = models.pop(str(line.key), default_model)
        yield CostEntry(
            seq=line.seq,
            h=str(line.h),
            task=str(line.task or BESIDE_TASKS),
            model=str(line.model or begun_by),
            day=str(line.at)[:10],
            cost_usd=cost,
            tokens=tokens,
            usage=_counts(line.usage or line.expected_usage),
            is_broken=line.type == "broken",
        )


def _decoded(raws: Sequence[bytes]) -> Iterable[_Line]:
    try:
        return _LINES.decode(raws)
    except codec.NotJson:
        return [line for raw in raws for line in _one(raw)]


def _one(raw: bytes) -> Iterable[_Line]:
    try:
        return _LINES.decode([raw])
    except codec.NotJson:
        return []


_TYPES = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_input_tokens": "cache_read",
    "cache_creation_input_tokens": "cache_write",
}


def _counts(usage: object) -> dict[str, int]:
    """The tokens of an answer by type, as its server told them."""
    if not isinstance(usage, dict):
        return {}
    return {type_: count for key, type_ in _TYPES.items() if (count := usage.get(key)) and type(count) is int}
