"""What is sent where: by what a command says, else by the usual variables of OpenTelemetry. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from maos_sup.traces.names import names_of
from maos_sup.traces.otlp import EXAMPLE
from maos_sup.traces.sending import Collector, SendingManner
from state_layout.errors import BadInput

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_WITH_CONTENT = frozenset({"true", "span_only", "span_and_event"})
_WITHOUT_CONTENT = frozenset({"", "false", "no_content", "event_only"})  # events are not sent at all
_PATH = "/v1/traces"


def manner_of(
    environment: Mapping[str, str], *, url: str | None, names: str | None, content: bool | None
) -> SendingManner:
    """How to send; None is what `environment` says. Raises BadInput for what is no address or no word."""
    chosen = names_of(names, environment.get("OTEL_SEMCONV_STABILITY_OPT_IN", ""))
    has_content = _captures(environment.get(CAPTURE, "")) if content is None else content
    collector = Collector(
        url=_place(environment, url),
        headers=_headers(environment.get("OTEL_EXPORTER_OTLP_HEADERS", "")),
        service=environment.get("OTEL_SERVICE_NAME") or "maos-sup",
        resource=_pairs(environment.get("OTEL_RESOURCE_ATTRIBUTES", "")),
    )
    return SendingManner(collector=collector, names=chosen, has_content=has_content)


def _place(environment: Mapping[str, str], url: str | None) -> str:
    own = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") if url is None else None
    given = url or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") or EXAMPLE
    place = own or f"{given.rstrip('/').removesuffix(_PATH)}{_PATH}"
    if not place.startswith(("http://", "https://")):
        raise BadInput(f"--to is {place!r}; use a URL like {EXAMPLE}")
    return place


def _captures(word: str) -> bool:
    """Whether content goes into spans, as the variable has it."""
    told = word.strip().lower()
    if told not in _WITH_CONTENT | _WITHOUT_CONTENT:
        raise BadInput(f"{CAPTURE} is {word!r}; use SPAN_ONLY, SPAN_AND_EVENT, EVENT_ONLY or NO_CONTENT")
    return told in _WITH_CONTENT


def _headers(told: str) -> dict[str, str]:
    return {key.lower(): value for key, value in _pairs(told).items()}


def _pairs(told: str) -> dict[str, str]:
    """`a=b,c=d`, as the variables have it, percent-encoded."""
    pairs = (pair.partition("=") for pair in told.split(",") if "=" in pair)
    return {key.strip(): unquote(value.strip()) for key, _, value in pairs}
