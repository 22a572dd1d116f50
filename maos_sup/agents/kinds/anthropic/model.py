"""The one door to the `anthropic` package: asks, and translates what comes into our own words.

The package is imported when the first client is made, for it takes more than a second; where agents are
forked from a zygote it may have been imported there. Its own retries are off: they would not see the pauses,
budgets and holds of this program.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from maos_sup.agents.kind import Missing
from maos_sup.agents.kinds.models.troubles import Broken, Cause, Trouble, of_status
from state_layout.files import codec

CONNECT_S, STALL_S, LOCAL_STALL_S = 20.0, 120.0, 900.0
_NO_KEY = "none"
_HOW_TO_GET_ONE = (
    "no model to ask: set ANTHROPIC_API_KEY, or ANTHROPIC_BASE_URL to a server that speaks the Messages API "
    "(llama.cpp, Ollama, LM Studio), or give the agent 'base_url'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The server began to answer."""

    message_id: str
    model: str
    usage: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece of a block: of its text, its thinking or its input."""

    index: int
    text: str
    what: str  # text, thinking, input


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A block is complete. `has_bad_input`: a tool call whose input was cut off."""

    index: int
    block: dict[str, Any]
    has_bad_input: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The answer is complete."""

    stop_reason: str
    usage: dict[str, int]


Event = Begun | Piece | Whole | Ended


class Model:
    """A provider, as the environment names it. `provider` is what agents that share its limits have alike."""

    def __init__(
        self, environment: Mapping[str, str], *, base_url: str | None = None, stall_s: float | None = None
    ) -> None:
        """`stall_s`: how long silence may last, by default longer for servers that are not Anthropic's.

        Raises Missing if there is nobody to ask, or the package is not installed.
        """
        url = base_url or environment.get("ANTHROPIC_BASE_URL") or None
        key, token = environment.get("ANTHROPIC_API_KEY"), environment.get("ANTHROPIC_AUTH_TOKEN")
        if not (url or key or token):
            raise Missing(_HOW_TO_GET_ONE)
        try:
            import anthropic
        except ImportError as cause:
            raise Missing(
                "kind 'anthropic' needs the package anthropic: pip install 'maos-sup[anthropic]'"
            ) from cause
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

    def ask(self, question: dict[str, Any], *, key: str) -> Iterator[Event]:
        """Ask, and iterate over what comes; close the iterator to hang up. Every trouble is a Broken."""
        inputs: dict[int, str] = {}
        with (
            self._translated(),
            self._client.messages.stream(**question, extra_headers={"Idempotency-Key": key}) as stream,
        ):
            for event in stream:
                yield from _translated_event(event, inputs)
            message = stream.current_message_snapshot
        if message.stop_reason is None:
            raise Broken(Trouble(cause=Cause.TRUNCATED, text="the answer ended in the middle"))
        yield Ended(stop_reason=message.stop_reason, usage=_usage(message.usage))

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
        except (sdk.APIError, AssertionError, RuntimeError, ValueError) as error:  # what is no answer at all
            text = f"the answer cannot be understood: {error}"
            raise Broken(Trouble(cause=Cause.TRUNCATED, text=text[:500])) from error

    def _of_connection(self, error: Any) -> Trouble:
        cause = error.__cause__ or error
        was_asked = not isinstance(cause, self._transport.ConnectError)
        text = f"no connection to {self.provider}: {cause}"
        return Trouble(cause=Cause.NETWORK, text=text[:500], was_asked=was_asked)


def transport_of(sdk: Any) -> Any:
    """The HTTP package that the SDK uses, whose errors it lets through in the middle of a stream."""
    loaded = (sys.modules.get(name) for name in ("httpx2", "httpx"))
    return next(module for module in loaded if module is not None and module.Timeout is sdk.Timeout)


def _translated_event(event: Any, inputs: dict[int, str]) -> Iterator[Event]:
    """What one event of the package means; `inputs` gathers the raw input of tool calls."""
    match event.type:
        case "message_start":
            message = event.message
            yield Begun(message_id=message.id, model=str(message.model), usage=_usage(message.usage))
        case "content_block_delta":
            found = _DELTAS.get(event.delta.type)
            if found is not None:
                text = getattr(event.delta, found[0])
                if found[1] == "input":
                    inputs[event.index] = inputs.get(event.index, "") + text
                yield Piece(index=event.index, text=text, what=found[1])
        case "content_block_stop":
            block = event.content_block.model_dump(mode="json", exclude_unset=True)
            yield Whole(
                index=event.index, block=block, has_bad_input=not _is_object(inputs.get(event.index, ""))
            )


_DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("partial_json", "input"),
}


def _is_object(text: str) -> bool:
    """Whether the raw input of a tool call is whole; none at all is an empty object."""
    if not text.strip():
        return True
    try:
        codec.decode_object(text)
    except codec.NotJson:
        return False
    return True


def _usage(usage: Any) -> dict[str, int]:
    found = {name: getattr(usage, name, None) for name in USAGE_KEYS}
    return {name: value for name, value in found.items() if isinstance(value, int)}


USAGE_KEYS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)


def _of_status_error(error: Any) -> Trouble:
    body = error.body if isinstance(error.body, dict) else {}
    inner = body.get("error")
    told: dict[str, Any] = inner if isinstance(inner, dict) else {}
    text = str(told.get("message") or error.message)
    type_ = told.get("type") or getattr(error, "type", None)
    header = error.response.headers.get("retry-after")
    return of_status(error.status_code, type_, text, retry_after_s=_seconds(header))


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
