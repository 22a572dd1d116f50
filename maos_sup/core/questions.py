"""A question to a model that wants one structured answer, and that answer.

Values only. The planner makes questions, an asker of `agents` carries them to a model; neither knows the
other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelQuestion:
    """A question is asked: `schema` is a JSON schema of the answer, `name` what the form is called."""

    system: str
    prompt: str
    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    """An answer came back; `value` is None where the model gave no object, `text` is what it said then."""

    value: Mapping[str, Any] | None
    text: str = ""
    model: str = ""
    tokens: int = 0
    cost_usd: float | None = None  # None: unknown


Ask = Callable[[ModelQuestion], ModelAnswer]  # raises a LayoutError if there is no answer to be had
