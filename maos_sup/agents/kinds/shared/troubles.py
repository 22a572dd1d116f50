"""Says what can go wrong with a question to the model, and how long to wait before it is asked again. Pure.

Permanent troubles end the task; all others are waited out, for hours if need be: but an answer that came and
was in vain is paid, so it is asked for again a few times only. After "alive but looping on HTTP 400", a known
scar of others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 60.0
LONGEST_RETRY_AFTER_S = 6 * 3600.0


class Cause(StrEnum):
    """A cause is a kind of trouble."""

    LIMIT = "limit"  # 429: holds for everybody who uses the provider
    OVERLOAD = "overload"  # 529, 5xx
    NETWORK = "network"  # no connection, reset
    STALL = "stall"  # nothing came for too long
    TRUNCATED = "truncated"  # the stream ended without a stop reason
    NOT_UNDERSTOOD = "not_understood"  # what came is no answer
    TOO_LONG = "too_long"  # the prompt does not fit into the window
    REFUSED = "refused"  # asking again would be refused again


PERMANENT = frozenset({Cause.REFUSED, Cause.TOO_LONG})
_MOST_IN_VAIN, _MOST_OF_ANY = {Cause.NOT_UNDERSTOOD: 4, Cause.TRUNCATED: 8}, 20
_REMEDIES = {
    401: "see that its key is right",
    403: "see that its key may use this model",
    404: "see that the agent's 'model' and ANTHROPIC_BASE_URL are right",
}
_OVERLOADED = frozenset({"overloaded_error", "api_error", "timeout_error"})
_NOT_SENT = "could not connect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A trouble is one failure of a question to the model. `text` is for people; `was_asked`: the server
    may have got the question."""

    cause: Cause
    text: str
    status: int | None = None
    retry_after_s: float | None = None
    was_asked: bool = True


class Broken(Exception):
    """A question has got no whole answer."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.text)
        self.trouble = trouble


def of_status(status: int, type_: str | None, text: str, *, retry_after_s: float | None = None) -> Trouble:
    """Make the trouble that a server told: status 200 is an error in the middle of a stream, told by its
    type."""
    cause = _cause(status, type_, text)
    shown = f"{type_ or 'error'} ({status}): {text}" if status != 200 else f"{type_ or 'error'}: {text}"
    return Trouble(cause=cause, text=shown[:500], status=status, retry_after_s=retry_after_s)


def _cause(status: int, type_: str | None, text: str) -> Cause:
    if status == 429 or type_ == "rate_limit_error":
        return Cause.LIMIT
    if type_ in _OVERLOADED or status >= 500 or status in (408, 409, 425):
        return Cause.OVERLOAD
    if status == 413 or "too long" in text or "context window" in text or "exceed context limit" in text:
        return Cause.TOO_LONG
    return Cause.OVERLOAD if status == 200 and type_ is None else Cause.REFUSED


def in_vain(trouble: Trouble, tries: int) -> Trouble | None:
    """Make the trouble that ends the task after `tries` answers came to it; None while one more try is
    due."""
    if tries < _MOST_IN_VAIN.get(trouble.cause, _MOST_OF_ANY):
        return None
    return replace(trouble, text=f"asked {tries} times, and each time: {trouble.text}"[:500])


def advice(trouble: Trouble) -> str:
    """Word a trouble that ends the task: with the remedy, if there is one."""
    remedy = _REMEDIES.get(trouble.status or 0)
    return f"{trouble.text}; {remedy}" if remedy else trouble.text


def delay_s(trouble: Trouble, tries: int, *, chance: float) -> float:
    """Say how long to wait after the `tries`-th trouble in a row; `chance` is uniform in 0..1.

    What the server asks for is kept to the second, up to six hours; else, and where it asks for no wait at
    all, exponential with jitter.
    """
    if trouble.retry_after_s is not None and trouble.retry_after_s > 0:
        return min(trouble.retry_after_s, LONGEST_RETRY_AFTER_S)
    ceiling = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(tries - 1, 10))
    return ceiling * (0.5 + 0.5 * chance)
