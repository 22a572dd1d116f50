"""Forged records: lines whose hashes are right and whose content is not, as a bug may leave them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from torments import naughty

from state_layout.files.chain import ORIGIN, chained


def is_chained(rel: str) -> bool:
    """The file at `rel` is chained."""
    return rel.endswith(".jsonl") and not rel.endswith(("operator.jsonl", "control.jsonl"))


def values() -> st.SearchStrategy[Any]:
    """Any JSON value, with a liking for what hurts."""
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(min_value=-(1 << 63), max_value=(1 << 64) - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(naughty()).map(lambda text: text.encode("utf-8", "replace").decode()),
        st.sampled_from(
            ["alice", "bob", "all", "count", "report", "done", "failed", "running", "start", "../x"]
        ),
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=4,
    )


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The records of a whole chained file."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def write_chained(path: Path, records: list[dict[str, Any]]) -> None:
    """Write `records` with hashes that are right, whatever is in them."""
    position, parts = ORIGIN, list[bytes]()
    for record in records:
        fields = {"seq": record.get("seq", 0), **record}
        fields.pop("h", None)
        line = chained(position._replace(offset=0), fields)
        position = line.end
        parts.append(line.raw + b"\n")
    path.write_bytes(b"".join(parts))


def places_in(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a JSON value that can be changed."""
    found = [at] if at else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += places_in(item, (*at, key))
    return found


def changed(value: Any, at: tuple[str | int, ...], new: Any) -> Any:
    """`value` with `new` at `at`; a value of None removes it."""
    if not at:
        return new
    head, *rest = at
    copy = dict(value) if isinstance(value, dict) else list(value)
    if not rest and new is None and isinstance(copy, dict):
        del copy[head]
    else:
        copy[head] = changed(copy[head], tuple(rest), new)
    return copy
