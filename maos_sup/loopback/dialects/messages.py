"""The Messages API: what the rules are written in, so that little is to be done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from maos_sup.loopback import stream
from maos_sup.loopback.dialects.dialect import DialectAnswer, DialectEvent
from maos_sup.loopback.messages_api import ErrorBody, MessagesAnswer, MessagesRequest
from maos_sup.loopback.refuse import refusal
from maos_sup.loopback.reply import PlannedFault


class Messages:
    """The dialect answers POST /v1/messages."""

    name = "messages"
    call_prefix = "toolu_"

    def asked(self, body: Any, path: str) -> MessagesRequest:
        told: MessagesRequest = body
        return told

    def refusal(self, body: Any) -> str | None:
        return refusal(body)

    def whole(self, answer: DialectAnswer) -> MessagesAnswer:
        return stream.message(answer.reply, id_=f"msg_{answer.id}", model=answer.model, usage=answer.usage)

    def events(self, answer: DialectAnswer) -> Iterator[DialectEvent]:
        for event in stream.events(answer.reply, self.whole(answer)):
            yield DialectEvent(
                data=stream.wire(event),
                is_piece=stream.is_piece(event),
                is_closing=event["type"] == "message_delta",
                is_last=event["type"] == "message_stop",
            )

    def error(self, fault: PlannedFault) -> ErrorBody:
        return fault.error_body()

    def error_event(self, fault: PlannedFault) -> bytes:
        return stream.wire(fault.error_body())
