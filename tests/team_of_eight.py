"""A team of eight for tests of what people see: four with a model, on the loopback server, and four programs.

One asks a person, one asks for leave, one fails, one is there to be killed; texts of agents try to be markup
and orders to a terminal.
"""

from __future__ import annotations

from typing import Any

from maos_sup.loopback.reply import FaultKind, PlannedFault, ReplyPace, ScriptedReply
from maos_sup.loopback.request import LoopbackRequest

HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=alert(1)> \x1b[31mred\x1b[0m \x1b]0;title\x07"
)
_PACE = ReplyPace(chunk_chars=24, chunk_delay_s=0.01)
_USAGE = {"input_tokens": 1200, "output_tokens": 150, "cache_read_input_tokens": 800}


def _tool(name: str, **input_: Any) -> dict[str, Any]:
    return {"type": "tool_use", "name": name, "input": input_}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


_SAID: dict[str, list[list[dict[str, Any]]]] = {
    "lead": [
        [_text("I split the work."), _tool("send_message", to="coder", text="Please write greet.py")],
        [
            _tool("send_message", to="writer", text="Please describe greet.py"),
            _tool("report_discovery", text=HOSTILE),
        ],
        [_tool("finish", result="The work is split: greet.py, its page, its tests.")],
    ],
    "coder": [
        [_text("I read what I was told."), _tool("read_messages")],
        [_text("One file."), _tool("bash", command="echo 'print(\"hello\")' > greet.py && python3 greet.py")],
        [_tool("finish", result="greet.py prints hello")],
    ],
    "asker": [
        [
            _text("That is not for me to decide."),
            _tool("ask_human", question="Which licence should it have?"),
        ],
        [_tool("finish", result="The licence is what you said.")],
    ],
    "writer": [
        [_text("A page, in one go."), _tool("read_messages")],
        [_tool("finish", result=f"# greet\n\nIt says hello. {HOSTILE}")],
    ],
}


def script(request: LoopbackRequest) -> ScriptedReply:
    """Say what the models say; the first answer of the writer breaks off once."""
    system = str(request.body.get("system"))
    name = next((name for name in _SAID if f"agent '{name}'" in system), None)
    if name is None:
        return ScriptedReply(content=(_text("nobody"),))
    said = _SAID[name][min(request.turn, len(_SAID[name]) - 1)]
    fault = None
    if name == "writer" and request.turn == 0 and request.of_conversation == 1:
        fault = PlannedFault(kind=FaultKind.DROP, after_chunks=0)
    return ScriptedReply(content=tuple(said), usage=_USAGE, pace=_PACE, fault=fault)


def agents(url: str) -> dict[str, Any]:
    """The agents of the team; `url` is that of the loopback server."""
    model = {"kind": "anthropic", "base_url": url, "model": "claude-sonnet-4-6"}
    return {
        "lead": model,
        "coder": {**model, "approve": ["bash"]},
        "asker": model,
        "writer": model,
        "builder": {
            "kind": "command",
            "shell": "echo built; echo 'discovery: it builds'; sleep 1; printf x > $MAOS_ARTIFACTS/a.txt",
        },
        "counter": {
            "kind": "command",
            "shell": "echo counting; while [ ! -e $OUT/counted ]; do sleep 0.05; done; echo counted",
            "restart": {"max": 3, "backoff_s": 0.05},
        },
        "tester": {
            "kind": "command",
            "shell": "echo 'test_greet failed: expected hello' >&2; exit 3",
            "restart": {"max": 1, "backoff_s": 0.05},
        },
        "closer": {"kind": "command", "shell": "echo all is well"},
    }


TASKS: list[dict[str, Any]] = [
    {"id": "split", "agent": "lead", "description": "Split the work among the team"},
    {"id": "code", "agent": "coder", "description": "Write greet.py", "needs": ["split"]},
    {"id": "licence", "agent": "asker", "description": "Find out the licence"},
    {"id": "describe", "agent": "writer", "description": "Describe greet.py", "needs": ["split"]},
    {"id": "build", "agent": "builder", "description": "Build it"},
    {"id": "count", "agent": "counter", "description": "Count what there is"},
    {"id": "check", "agent": "tester", "description": "Check it", "needs": ["build"]},
    {
        "id": "close",
        "agent": "closer",
        "description": "Say that all is well",
        "needs": ["code", "describe", "licence", "count"],
    },
]
