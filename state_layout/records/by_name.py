"""Fields of records by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def fields_of(record: Any) -> dict[str, Any]:
    """The fields of a record by name, their values as they are; `asdict` copies them, at tenfold cost."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def known_fields(cls: Any, value: Mapping[str, Any] | None) -> dict[str, Any]:
    """The entries of `value` that `cls` has fields for: unknown keys are kept on disk, not here."""
    return {key: item for key, item in (value or {}).items() if key in cls.__dataclass_fields__}
