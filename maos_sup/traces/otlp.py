"""Spans as OTLP over HTTP, in JSON: sent in batches, tried again where a collector says so."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence

from maos_sup import __version__
from maos_sup.core.telemetry import EXAMPLE
from maos_sup.traces.names import Names, Value, attributes_of, is_error, kind_number, shown_name
from maos_sup.traces.trace import TraceSpan
from state_layout.errors import LayoutError
from state_layout.files import codec

BATCH, CONTENT_BATCH = 500, 50  # spans in a body; of those with content some hundred kilobytes
_TRIES, _PAUSE_S, _TIMEOUT_S = 4, 0.5, 10.0
_AGAIN = (429, 502, 503, 504)
Message = dict[str, object]


def message_of(spans: Sequence[TraceSpan], names: Names, *, resource: Mapping[str, Value]) -> Message:
    """Make the body of a request: an ExportTraceServiceRequest."""
    scope: Message = {"name": "maos-sup", "version": __version__}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [{"scope": scope, "spans": [_span(span, names) for span in spans]}],
            }
        ]
    }


def send(url: str, body: bytes, *, headers: Mapping[str, str]) -> None:
    """Send one body. Raises LayoutError where the collector does not take it."""
    told = {"content-type": "application/json", **headers}
    for number in range(_TRIES):
        try:
            request = urllib.request.Request(url, data=body, headers=told, method="POST")
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S):
                return
        except urllib.error.HTTPError as refusal:
            refusal.close()  # it holds the connection
            if refusal.code not in _AGAIN or number == _TRIES - 1:
                raise LayoutError(f"{url}: the collector said {refusal.code} {refusal.reason}") from refusal
        except (http.client.InvalidURL, ValueError) as cause:
            raise LayoutError(f"{url}: cannot be asked ({cause}); use a URL like {EXAMPLE}") from cause
        except http.client.HTTPException as cause:
            raise LayoutError(
                f"{url}: what is there does not speak HTTP/1.1 ({cause!r}); gRPC is at port 4317, OTLP over "
                "HTTP at 4318"
            ) from cause
        except OSError as cause:
            if number == _TRIES - 1:
                reason = getattr(cause, "reason", cause)  # urllib has an error of its own around it
                why = getattr(reason, "strerror", None) or reason
                raise LayoutError(f"{url}: cannot be reached ({why}); is a collector there?") from cause
        time.sleep(_PAUSE_S * 2**number)


def encoded(message: Message) -> bytes:
    """Encode a body."""
    return codec.encode(message)


def _span(span: TraceSpan, names: Names) -> Message:
    told: Message = {
        "traceId": span.trace,
        "spanId": span.id,
        "name": shown_name(span, names),
        "kind": kind_number(span),
        "startTimeUnixNano": str(int(span.begin_s * 1e9)),
        "endTimeUnixNano": str(int(span.end_s * 1e9)),
        "attributes": _attributes(attributes_of(span, names)),
        "status": {"code": 2, "message": span.state} if is_error(span) else {},
    }
    if span.parent is not None:
        told["parentSpanId"] = span.parent
    if span.links:
        told["links"] = [{"traceId": span.trace, "spanId": link} for link in span.links]
    return told


def _attributes(told: Mapping[str, Value]) -> list[Message]:
    return [{"key": key, "value": _value(value)} for key, value in told.items()]


def _value(value: Value) -> Message:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}
