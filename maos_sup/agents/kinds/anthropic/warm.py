"""Importing this does once, in memory, what each agent of this kind does first: for who forks them.

The SDK imports half of itself and builds its models when the first question is asked: a tenth of a second and
megabytes that every agent would pay for. So one is asked here, of a transport that answers from memory; no
socket is opened, no thread is started, no key is looked at.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - host names are looked up with it
from typing import Any

import anthropic

from maos_sup.agents.kinds.anthropic.model import transport_of
from maos_sup.agents.kinds.shared.prices import cost_usd

_EVENTS = (
    '{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m",'
    '"content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}}',
    '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
    '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}',
    '{"type":"content_block_stop","index":0}',
    '{"type":"content_block_start","index":1,"content_block":'
    '{"type":"tool_use","id":"t","name":"n","input":{}}}',
    '{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}',
    '{"type":"content_block_stop","index":1}',
    '{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},'
    '"usage":{"output_tokens":1}}',
    '{"type":"message_stop"}',
)
QUOTE = '"'


def _warm() -> None:
    transport = transport_of(anthropic)
    text = "".join(f"event: {event.split(QUOTE)[3]}\ndata: {event}\n\n" for event in _EVENTS)

    def answer(request: Any) -> Any:
        return transport.Response(200, headers={"content-type": "text/event-stream"}, text=text)

    client = anthropic.Anthropic(
        api_key="none",
        base_url="http://localhost",
        max_retries=0,
        http_client=transport.Client(transport=transport.MockTransport(answer)),
    )
    question: Any = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}
    with client, client.messages.stream(**question) as stream:
        for event in stream:
            if event.type == "content_block_stop":
                event.content_block.model_dump(mode="json", exclude_unset=True)
    with anthropic.Anthropic(api_key="none", base_url="http://localhost"):
        pass  # what a client with sockets needs besides
    cost_usd("claude-sonnet-4-5", {"input_tokens": 1, "output_tokens": 1}, price=None)


_warm()
