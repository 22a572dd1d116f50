"""Says whether spans are sent while a team works. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from state_layout.records import Telemetry


def wants_spans(wish: Telemetry | None, environment: Mapping[str, str]) -> bool:
    """Whether the spec asks for spans, or the usual variable of OpenTelemetry does, and none forbids them."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    return wish is not None or environment.get("OTEL_TRACES_EXPORTER") == "otlp"
