"""Values as they stand in a journal: JSON where they are JSON, else base64 of what the serialiser made.

A serialiser of somebody's own (one that encrypts, for one) is never bypassed: only for LangGraph's default
one is it known that plain JSON comes back the same.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from maos_sup.integrations.plain import is_plain

EMPTY = {"empty": True}  # a channel without a value at this version


def packed(serde: SerializerProtocol, value: Any) -> dict[str, object]:
    """Pack `value` as JSON: `{"json": ...}` or `{"serde": tag, "base64": ...}`."""
    if type(serde) is JsonPlusSerializer and is_plain(value, tuples=True):  # msgpack makes lists of them too
        return {"json": value}
    tag, data = serde.dumps_typed(value)
    return {"serde": tag, "base64": b64encode(data).decode("ascii")}


def unpacked(serde: SerializerProtocol, form: Mapping[str, Any]) -> Any:
    """The value that `packed` made `form` of."""
    if "json" in form:
        return form["json"]
    return serde.loads_typed((form["serde"], b64decode(form["base64"])))
