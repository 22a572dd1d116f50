"""Says whether spans are sent while a team works, and what an address of a collector looks like. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from state_layout.records import Telemetry

EXAMPLE = "http://127.0.0.1:4318"
HTTP = ("http://", "https://")


def wants_spans(wish: Telemetry | None, environment: Mapping[str, str]) -> bool:
    """The spec asks for spans, or the usual variable of OpenTelemetry does, and none forbids them."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    return wish is not None or environment.get("OTEL_TRACES_EXPORTER") == "otlp"


def is_address(place: str) -> bool:
    """The `place` is a URL whose port is one, or left out: the system takes 70000 for 4464."""
    try:
        return place.startswith(HTTP) and urlsplit(place).port != 0
    except ValueError:
        return False
