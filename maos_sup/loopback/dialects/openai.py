"""Says what OpenAI's two APIs have in common: the shape of an error."""

from __future__ import annotations

from typing import TypedDict

from maos_sup.loopback.reply import PlannedFault

_TYPES = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
}
_CODES = {401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded"}


class OpenAiError(TypedDict):
    """Stands under `error` in an answer."""

    message: str
    type: str
    param: None
    code: str | None


def openai_error(fault: PlannedFault) -> OpenAiError:
    """Make the error: its type is `error_type`, or what the status means."""
    type_ = fault.error_type or _TYPES.get(fault.status, "server_error")
    code = fault.error_type or _CODES.get(fault.status)
    return {"message": fault.message, "type": type_, "param": None, "code": code}
