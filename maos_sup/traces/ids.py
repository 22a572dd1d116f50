"""Ids of traces and spans: hashes of what they are of, so that what is made anew is the same. Pure."""

from __future__ import annotations

from hashlib import sha256

RUN, ATTEMPT = "run", "attempt"
_TRACE_BYTES, _SPAN_BYTES = 16, 8


def trace_id(orchestration: str) -> str:
    """Make the id of an orchestration's trace; a copy of the tree has the same, a fork one of its own."""
    return sha256(f"maos-sup/{orchestration}".encode()).hexdigest()[: 2 * _TRACE_BYTES]


def span_id(orchestration: str, *parts: object) -> str:
    """Make the id of a span: a hash of what names the line that began it."""
    told = "/".join(map(str, ("maos-sup", orchestration, *parts)))
    return sha256(told.encode()).hexdigest()[: 2 * _SPAN_BYTES]
