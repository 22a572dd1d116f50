"""Says what is sent where: as a command says, else the spec, else the usual variables. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from maos_sup.core.telemetry import EXAMPLE, HTTP, is_address
from maos_sup.traces.names import names_of
from maos_sup.traces.sending import Collector, SendingManner
from state_layout.errors import BadInput
from state_layout.records import Telemetry

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_WITH_CONTENT = frozenset({"true", "span_only", "span_and_event"})
_WITHOUT_CONTENT = frozenset({"", "false", "no_content", "event_only"})  # events are not sent at all
_PATH = "/v1/traces"


def manner_of(
    environment: Mapping[str, str],
    wish: Telemetry | None,
    *,
    url: str | None = None,
    names: str | None = None,
    content: bool | None = None,
) -> SendingManner:
    """Choose how to send; what neither the arguments nor `wish` say is what `environment` does.

    Raises BadInput for what is no address, no word, or a variable that is not set.
    """
    wish = wish or Telemetry()
    chosen = names_of(names or wish.names, environment.get("OTEL_SEMCONV_STABILITY_OPT_IN", ""))
    has_content = wish.content if content is None else content
    collector = Collector(
        url=_place(environment, url, wish.endpoint),
        headers=_headers(environment, wish.headers_from),
        service=wish.service or environment.get("OTEL_SERVICE_NAME") or "maos-sup",
        resource={**_pairs(environment.get("OTEL_RESOURCE_ATTRIBUTES", "")), **wish.resource},
    )
    captures = _captures(environment.get(CAPTURE, "")) if has_content is None else has_content
    return SendingManner(collector=collector, names=chosen, has_content=captures)


def _place(environment: Mapping[str, str], url: str | None, endpoint: str | None) -> str:
    what, given = "--to", url
    if given is None and endpoint is not None:
        what, given = "'otel.endpoint'", _variable(environment, endpoint.removeprefix("$"), "otel.endpoint")
    if given is None and (own := environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        return _checked(own, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if given is None:
        what, given = "OTEL_EXPORTER_OTLP_ENDPOINT", environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") or EXAMPLE
    return _checked(f"{given.rstrip('/').removesuffix(_PATH)}{_PATH}", what)


def _checked(place: str, what: str) -> str:
    if not is_address(place):
        raise BadInput(f"{what} is {place.removesuffix(_PATH)!r}; use a URL like {EXAMPLE}")
    return place


def _captures(word: str) -> bool:
    """Content goes into spans, as the variable has it."""
    told = word.strip().lower()
    if told not in _WITH_CONTENT | _WITHOUT_CONTENT:
        raise BadInput(f"{CAPTURE} is {word!r}; use SPAN_ONLY, SPAN_AND_EVENT, EVENT_ONLY or NO_CONTENT")
    return told in _WITH_CONTENT


def _headers(environment: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    told = _pairs(environment.get("OTEL_EXPORTER_OTLP_HEADERS", ""))
    found = {key.lower(): value for key, value in told.items()}
    for header, variable in wanted.items():
        found[header.lower()] = _variable(environment, variable, f"otel.headers_from.{header}")
    return found


def _variable(environment: Mapping[str, str], name: str, key: str) -> str:
    if name.startswith(HTTP):
        return name
    if name not in environment:
        raise BadInput(f"{key!r} asks for the variable {name}, which is not set; set it first")
    return environment[name]


def _pairs(told: str) -> dict[str, str]:
    """`a=b,c=d`, as the variables have it, percent-encoded."""
    pairs = (pair.partition("=") for pair in told.split(",") if "=" in pair)
    return {key.strip(): unquote(value.strip()) for key, _, value in pairs}
