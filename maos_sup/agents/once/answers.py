"""Says what the ways of asking have alike: the error when there is no answer, and objects found in prose."""

from __future__ import annotations

import re

from state_layout.errors import LayoutError
from state_layout.files import codec

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


class NoAnswer(LayoutError):
    """The model gave no answer; the text says why and what to do."""


def object_in(text: str) -> dict[str, object] | None:
    """Find the JSON object that `text` is or has in it, if there is one."""
    fenced = _FENCED.search(text)
    begin, end = text.find("{"), text.rfind("}")
    for candidate in (fenced[1] if fenced else "", text[begin : end + 1] if begin >= 0 else ""):
        try:
            if candidate.strip():
                return codec.decode_object(candidate)
        except codec.NotJson:
            continue
    return None
