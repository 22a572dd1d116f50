"""Declares what a launcher asks its zygote; imported by the type checker alone."""

from __future__ import annotations

from typing import TypedDict


class ForkRequest(TypedDict):
    """A launcher asks so for one agent; the reply names the number of the request."""

    fork: int
    agent: str
    root: str  # as `spelled` gives it
