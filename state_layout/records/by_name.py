"""Fields of records by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict


def fields_of(record: Struct) -> dict[str, object]:
    """Give the fields of a record by name, their values as they are: records within it stay records."""
    return asdict(record)


def known_fields(cls: type[Struct], value: Mapping[str, Any] | None) -> dict[str, Any]:
    """Pick the entries of `value` that `cls` has fields for: unknown keys are kept on disk, not here."""
    return {key: item for key, item in (value or {}).items() if key in cls.__struct_fields__}
