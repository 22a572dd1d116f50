"""The one door to the `anthropic` package: asks, and translates what comes into our own words.

The package is imported when the first client is made, for it takes more than a second; where agents are
forked from a zygote it may have been imported there. Its own retries are off: they would not see the pauses,
budgets and holds of this program.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from maos_sup.agents.endings import Missing
from maos_sup.agents.kinds.anthropic.events import EndedEarly, Event, StreamReading
from maos_sup.agents.kinds.shared.troubles import Broken, Cause, Trouble, of_status

CONNECT_S, STALL_S, LOCAL_STALL_S = 20.0, 120.0, 900.0
_NO_KEY = "none"
# What becomes of a stream that is no answer: nobody checked types or order before `StreamReading`.
_ODD = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
HOW_TO_GET_ONE = (
    "no model to ask: set ANTHROPIC_API_KEY, or ANTHROPIC_BASE_URL to a server that speaks the Messages API "
    "(llama.cpp, Ollama, LM Studio), or give the agent 'base_url'"
)

HOW_TO_GET_SDK = f"kind 'anthropic' needs the package anthropic: {sys.executable} -m pip install anthropic"
PROVIDERS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL")


class Model:
    """The model is a provider, as the environment names it. `provider` is what agents that share its
    limits have alike."""

    def __init__(
        self, environment: Mapping[str, str], *, base_url: str | None = None, stall_s: float | None = None
    ) -> None:
        """Silence may last `stall_s` seconds, by default longer for servers that are not Anthropic's.

        Raises Missing if there is nobody to ask, or the package is not installed.
        """
        url = base_url or environment.get("ANTHROPIC_BASE_URL") or None
        key, token = environment.get("ANTHROPIC_API_KEY"), environment.get("ANTHROPIC_AUTH_TOKEN")
        if not (url or key or token):
            raise Missing(HOW_TO_GET_ONE)
        try:
            import anthropic
        except ImportError as cause:
            raise Missing(HOW_TO_GET_SDK) from cause
        self._sdk = anthropic
        host = urlsplit(url).netloc if url else "api.anthropic.com"
        self.is_anthropic = host.endswith("anthropic.com")
        self.stall_s = stall_s or (STALL_S if self.is_anthropic else LOCAL_STALL_S)
        self._transport = transport_of(anthropic)
        self._client = anthropic.Anthropic(
            api_key=key or (None if token else _NO_KEY),
            auth_token=token,
            base_url=url,
            max_retries=0,
            timeout=anthropic.Timeout(self.stall_s, connect=min(CONNECT_S, self.stall_s)),
        )
        self.provider = host

    def ask(self, question: Mapping[str, object], *, key: str) -> Iterator[Event]:
        """Ask, and iterate over what comes; close the iterator to hang up. Every trouble is a Broken.

        The events are taken as they came: what the package makes of them ends at an input that is no JSON.
        """
        reading = StreamReading()
        headers = {"Idempotency-Key": key}
        given: Any = question
        with (
            self._translated(),
            self._client.messages.create(**given, stream=True, extra_headers=headers) as stream,
            _understood(stream.response.headers.get("content-type") or "no type"),
        ):
            for event in stream:
                yield from reading.take(_plain(event))
            last = list(reading.end())
        yield from last

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise what the package raises as Broken."""
        sdk = self._sdk
        try:
            yield
        except sdk.APIStatusError as error:
            raise Broken(_of_status_error(error)) from error
        except (sdk.APITimeoutError, self._transport.TimeoutException) as error:
            raise Broken(Trouble(cause=Cause.STALL, text="the model's server says nothing")) from error
        except sdk.APIConnectionError as error:
            raise Broken(self._of_connection(error)) from error
        except self._transport.TransportError as error:
            raise Broken(Trouble(cause=Cause.NETWORK, text=f"the connection broke: {error}")) from error
        except (sdk.APIError, ValueError) as error:
            raise Broken(_not_understood(str(error))) from error

    def _of_connection(self, error: Any) -> Trouble:
        cause = error.__cause__ or error
        was_asked = not isinstance(cause, self._transport.ConnectError)
        text = f"no connection to {self.provider}: {cause}"
        return Trouble(cause=Cause.NETWORK, text=text[:500], was_asked=was_asked)


def transport_of(sdk: Any) -> Any:
    """Find the HTTP package that the SDK uses, whose errors it lets through in the middle of a stream."""
    loaded = (sys.modules.get(name) for name in ("httpx2", "httpx"))
    return next(module for module in loaded if module is not None and module.Timeout is sdk.Timeout)


def _plain(event: Any) -> Any:
    """Take an event as it came."""
    dump = getattr(event, "model_dump", None)
    return event if dump is None else dump(mode="json", exclude_unset=True, warnings=False)


@contextmanager
def _understood(content_type: str) -> Iterator[None]:
    """Raise what reading a stream that is no answer comes to as Broken."""
    try:
        yield
    except EndedEarly as error:
        raise Broken(Trouble(cause=Cause.TRUNCATED, text=f"the answer broke off: {error}")) from error
    except _ODD as error:
        why = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        if not content_type.startswith("text/event-stream"):
            why = f"{why}; the server sent {content_type} instead of text/event-stream"
        raise Broken(_not_understood(why)) from error


def _not_understood(why: str) -> Trouble:
    return Trouble(cause=Cause.NOT_UNDERSTOOD, text=f"the answer cannot be understood: {why}"[:500])


def _of_status_error(error: Any) -> Trouble:
    body = error.body if isinstance(error.body, dict) else {}
    inner = body.get("error")
    told: Mapping[str, object] = inner if isinstance(inner, dict) else {}
    text = str(told.get("message") or error.message)
    type_: Any = told.get("type") or getattr(error, "type", None)
    return of_status(error.status_code, type_, text, retry_after_s=_retry_after_s(error.response.headers))


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read how long the server wants to be left alone: in seconds, or until a time, by the server's own
    clock."""
    text = headers.get("retry-after") or ""
    try:
        seconds = float(text)
    except ValueError:
        try:
            until, now = (parsedate_to_datetime(each) for each in (text, headers.get("date") or ""))
            seconds = (until - now).total_seconds()
        except (TypeError, ValueError):
            return None
    return seconds if math.isfinite(seconds) else None
