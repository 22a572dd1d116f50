"""The same script by every API: each is asked in its own words over real sockets, and answers in them."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from maos_sup.loopback.log import TOKENS, sum_charged
from maos_sup.loopback.reply import FaultKind, PlannedFault, ReplyPace, ScriptedReply, call, fail, say
from maos_sup.loopback.request import LoopbackRequest
from maos_sup.loopback.rules import make_rules
from maos_sup.loopback.server import LoopbackServer

USAGE = {"input_tokens": 100, "cache_read_input_tokens": 20, "output_tokens": 30}


@dataclass(frozen=True)
class Api:
    """Says how an API is asked: a conversation is a list of what the user said, a call and its result."""

    name: str
    path: str
    stream_path: str
    begun: dict[str, Any]
    called: dict[str, Any]  # the same conversation, with a call answered and its result told
    unpaired: dict[str, Any]  # a result that no call asked for, or a conversation that is none
    overloaded: str  # the name that an error of status 429 has


ARGUMENTS = '{"command":"ls"}'
RESPONSES = Api(
    name="responses",
    path="/v1/responses",
    stream_path="/v1/responses",
    begun={
        "model": "gpt-5",
        "instructions": "You are a counter.",
        "input": [
            {"role": "developer", "content": [{"type": "input_text", "text": "be brief"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "where am I"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "count"}]},
        ],
        "tools": [{"type": "function", "name": "bash"}],
    },
    called={
        "input": [
            {"role": "user", "content": "count"},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "function_call", "call_id": "c1", "name": "bash", "arguments": ARGUMENTS},
            {"type": "function_call_output", "call_id": "c1", "output": "3 files"},
        ]
    },
    unpaired={"input": [{"type": "function_call_output", "call_id": "c1", "output": "3 files"}]},
    overloaded="rate_limit_error",
)
CHAT = Api(
    name="chat",
    path="/v1/chat/completions",
    stream_path="/v1/chat/completions",
    begun={
        "model": "gpt-5",
        "messages": [
            {"role": "system", "content": "You are a counter."},
            {"role": "user", "content": "where am I"},
            {"role": "user", "content": [{"type": "text", "text": "count"}]},
        ],
        "tools": [{"type": "function", "function": {"name": "bash"}}],
    },
    called={
        "messages": [
            {"role": "system", "content": "You are a counter."},
            {"role": "user", "content": "count"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "function": {"name": "bash", "arguments": ARGUMENTS}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "3 files"},
        ]
    },
    unpaired={"messages": [{"role": "tool", "tool_call_id": "c1", "content": "3 files"}]},
    overloaded="rate_limit_error",
)
GEMINI = Api(
    name="gemini",
    path="/v1beta/models/gpt-5:generateContent",
    stream_path="/v1beta/models/gpt-5:streamGenerateContent?alt=sse",
    begun={
        "systemInstruction": {"role": "user", "parts": [{"text": "You are a counter."}]},
        "contents": [{"role": "user", "parts": [{"text": "where am I"}, {"text": "count"}]}],
        "tools": [{"functionDeclarations": [{"name": "bash"}]}],
    },
    called={
        "contents": [
            {"role": "user", "parts": [{"text": "count"}]},
            {
                "role": "model",
                "parts": [{"functionCall": {"name": "bash", "args": {"command": "ls"}}}],
            },
            {
                "role": "user",
                "parts": [{"functionResponse": {"name": "bash", "response": {"output": "3 files"}}}],
            },
        ]
    },
    unpaired={"contents": []},
    overloaded="RESOURCE_EXHAUSTED",
)
APIS = pytest.mark.parametrize("api", [RESPONSES, CHAT, GEMINI], ids=lambda api: api.name)


def post(
    server: LoopbackServer, path: str, body: Any, **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rsplit(":", 1)[1]), timeout=30)
    try:
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


def asked(server: LoopbackServer, api: Api, **more: Any) -> Any:
    """The answer without streaming."""
    status, data, _ = post(server, api.path, {**api.begun, **more})
    assert status == 200, data
    return json.loads(data)


def streamed(server: LoopbackServer, api: Api, **more: Any) -> list[Any]:
    """The events of a stream; [DONE] is left out."""
    status, data, _ = post(server, api.stream_path, {**api.begun, "stream": True, **more})
    assert status == 200, data
    lines = [line[6:] for line in data.decode().split("\n") if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def told(value: Any) -> tuple[str, list[tuple[str, Any]]]:
    """Text and calls of an answer or of the events of a stream, whatever API's."""
    texts: list[str] = []
    calls: dict[Any, list[str]] = {}
    for event in value if isinstance(value, list) else [value]:
        _take_responses(event, texts, calls)
        _take_chat(event, texts, calls)
        _take_gemini(event, texts, calls)
    return "".join(texts), [(name, json.loads("".join(parts))) for name, *parts in calls.values()]


def _take_responses(event: Any, texts: list[str], calls: dict[Any, list[str]]) -> None:
    for item in event.get("output", []):
        texts += [part["text"] for part in item.get("content", [])]
        if item["type"] == "function_call":
            calls[item["id"]] = [item["name"], item["arguments"]]
    if event.get("type") == "response.output_text.delta":
        texts.append(event["delta"])
    if event.get("type") == "response.output_item.added" and event["item"]["type"] == "function_call":
        calls[event["item"]["id"]] = [event["item"]["name"]]
    if event.get("type") == "response.function_call_arguments.delta":
        calls[event["item_id"]].append(event["delta"])


def _take_chat(event: Any, texts: list[str], calls: dict[Any, list[str]]) -> None:
    for choice in event.get("choices", []):
        delta = choice.get("delta") or choice.get("message") or {}
        texts.append(delta.get("content") or "")
        for made in delta.get("tool_calls", []):
            parts = calls.setdefault(made.get("index", 0), [])
            parts += [made["function"][key] for key in ("name", "arguments") if key in made["function"]]


def _take_gemini(event: Any, texts: list[str], calls: dict[Any, list[str]]) -> None:
    for candidate in event.get("candidates", []):
        for part in candidate["content"]["parts"]:
            texts.append(part.get("text", ""))
            if "functionCall" in part:
                called = part["functionCall"]
                calls[called["id"]] = [called["name"], json.dumps(called["args"])]


@APIS
def test_text_and_call_come_whole_and_in_pieces(api: Api) -> None:
    reply = call("bash", {"command": "ls -l"}, text="I look.", pace=ReplyPace(chunk_chars=3))
    with LoopbackServer(lambda _: reply) as server:
        assert told(asked(server, api)) == ("I look.", [("bash", {"command": "ls -l"})])
        assert told(streamed(server, api)) == ("I look.", [("bash", {"command": "ls -l"})])


@APIS
def test_rules_see_the_same_conversation_by_every_api(api: Api) -> None:
    seen: list[LoopbackRequest] = []

    def script(request: LoopbackRequest) -> ScriptedReply:
        seen.append(request)
        return say("x")

    with LoopbackServer(script) as server:
        asked(server, api)
        asked(server, api, **api.called)
    first, second = seen
    assert (first.model, first.turn, first.first_user) == ("gpt-5", 0, "where am I\ncount")
    assert first.system.startswith("You are a counter.")
    assert first.tool_names == second.tool_names == ["bash"]
    assert (second.turn, second.last_user, first.api) == (1, "3 files", api.name)


@APIS
def test_script_in_a_file_answers_turn_by_turn(api: Api) -> None:
    rules = [{"match": {"has_tool": "bash"}, "reply": [{"text": "first"}, {"text": "second"}]}]
    with LoopbackServer(make_rules({"rule": rules})) as server:
        assert told(asked(server, api))[0] == "first"
        assert told(streamed(server, api, **api.called))[0] == "second"


@APIS
def test_usage_is_in_the_words_of_the_api_and_in_the_log_in_one(api: Api) -> None:
    with LoopbackServer(lambda _: say("x", usage=USAGE)) as server:
        whole, last = asked(server, api), streamed(server, api)[-1]
        charged = server.log.charged()
    usage = whole.get("usage") or whole["usageMetadata"]
    told_in_stream = last.get("response", last)
    assert usage == told_in_stream.get("usage", told_in_stream.get("usageMetadata"))
    assert {120, 30, 150} <= {value for value in usage.values() if isinstance(value, int)}
    assert charged == dict(zip(TOKENS, (200, 0, 40, 60), strict=True))


@APIS
def test_error_is_of_the_kind_that_the_api_has(api: Api) -> None:
    with LoopbackServer(lambda _: fail(429, retry_after_s=3)) as server:
        status, data, headers = post(server, api.stream_path, {**api.begun, "stream": True})
        assert server.log.charged()["input_tokens"] == 0
    error = json.loads(data)["error"]
    assert (status, headers["retry-after"]) == (429, "3")
    assert api.overloaded in (error.get("type"), error.get("status"))


@APIS
def test_cut_stream_has_no_end_and_is_charged_for_what_was_sent(api: Api) -> None:
    fault = PlannedFault(kind=FaultKind.TRUNCATE, after_chunks=2)
    reply = say("abcd", pace=ReplyPace(chunk_chars=1), fault=fault, usage=USAGE)
    with LoopbackServer(lambda _: reply) as server:
        events = streamed(server, api)
        charged = server.log.charged()
    assert told(events)[0] == "ab"
    assert "finishReason" not in str(events) and "response.completed" not in str(events)
    assert all(choice["finish_reason"] is None for event in events for choice in event.get("choices", []))
    assert (charged["input_tokens"], charged["output_tokens"]) == (100, 15)


@APIS
@pytest.mark.parametrize("after_chunks", [None, 1])
def test_dropped_connection_breaks_the_read(api: Api, after_chunks: int | None) -> None:
    fault = PlannedFault(kind=FaultKind.DROP, after_chunks=after_chunks)
    with (
        LoopbackServer(lambda _: say("abcd", pace=ReplyPace(chunk_chars=1), fault=fault)) as server,
        pytest.raises((ConnectionError, http.client.HTTPException)),
    ):
        streamed(server, api)


@APIS
def test_error_in_mid_stream_says_what_it_is(api: Api) -> None:
    fault = PlannedFault(kind=FaultKind.STREAM_ERROR, status=429, message="too much", after_chunks=1)
    with LoopbackServer(lambda _: say("abcd", pace=ReplyPace(chunk_chars=1), fault=fault)) as server:
        assert "too much" in str(streamed(server, api)[-1])


@APIS
def test_what_is_no_conversation_is_refused_with_400_and_a_reason(api: Api) -> None:
    with LoopbackServer(lambda _: say("x")) as server:
        status, data, _ = post(server, api.path, {**api.begun, **api.unpaired})
        broken, _, _ = post(server, api.path, ["no", "object"])
    assert (status, broken) == (400, 400)
    assert json.loads(data)["error"]["message"]


@APIS
def test_same_request_gets_the_same_call_ids(api: Api) -> None:
    with LoopbackServer(lambda _: call("bash", {"command": "ls"})) as server:
        first, second = (json.dumps(asked(server, api)) for _ in range(2))
    ids = [{word for word in text.split('"') if word.startswith("call_")} for text in (first, second)]
    assert ids[0] == ids[1] != set()


@pytest.mark.parametrize("header", ["Authorization", "x-goog-api-key"])
def test_key_is_taken_where_the_apis_put_it(header: str) -> None:
    value = "Bearer right" if header == "Authorization" else "right"
    with LoopbackServer(lambda _: say("x"), api_key="right") as server:
        assert post(server, CHAT.path, CHAT.begun)[0] == 401
        assert post(server, CHAT.path, CHAT.begun, **{header: value})[0] == 200


def test_gemini_counts_tokens() -> None:
    with LoopbackServer(lambda _: say("x")) as server:
        status, data, _ = post(server, "/v1beta/models/gemini-2.5-pro:countTokens", GEMINI.begun)
    assert status == 200 and json.loads(data)["totalTokens"] > 0


def test_client_that_leaves_in_mid_stream_is_charged_once(tmp_path: Path) -> None:
    reply = say("abcd" * 100, pace=ReplyPace(chunk_chars=4, chunk_delay_s=0.01), usage=USAGE)
    with LoopbackServer(lambda _: reply, log=tmp_path / "log") as server:
        connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rsplit(":", 1)[1]), timeout=30)
        connection.request("POST", CHAT.path, json.dumps(CHAT.begun | {"stream": True}))
        response = connection.getresponse()
        response.read(10)
        response.close()
        connection.close()
        while not server.log.answers():
            server.stopping.wait(0.02)
        assert [entry["outcome"] for entry in server.log.answers()] == ["gone"]
    entries = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    charged = sum_charged(entries)
    assert charged["input_tokens"] == 100 and 0 < charged["output_tokens"] < 30


def test_websocket_is_refused_so_that_the_client_posts() -> None:
    with LoopbackServer(lambda _: say("x")) as server:
        connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rsplit(":", 1)[1]), timeout=30)
        connection.request("GET", "/v1/responses", headers={"Upgrade": "websocket"})
        assert connection.getresponse().status == 426
        connection.close()


def test_tools_of_a_namespace_are_called_by_their_own_names_in_it() -> None:
    inner = {"type": "function", "name": "send_message"}
    tools = [{"type": "namespace", "name": "mcp__maos", "tools": [inner]}]
    with LoopbackServer(lambda request: call(request.tool_names[0], {"to": "bob"})) as server:
        [item] = asked(server, RESPONSES, tools=tools)["output"]
        assert server.log.requests()[0]["turn"] == 0
    assert (item["namespace"], item["name"]) == ("mcp__maos", "send_message")
