"""The bus over real pipes: each tool, and that a repeated call does nothing twice, whoever is killed."""

from __future__ import annotations

import json
import random
import time
from typing import Any

from bus_client import Bus
from orchestra import Orchestra
from processes import kill

MANY = 7
GATED = 'while [ ! -e "$OUT/go" ]; do sleep 0.05; done'


def begun(orchestra: Orchestra, **more: Any) -> None:
    """An orchestration whose agents ann and bob are at work until told to go."""
    orchestra.start({"ann": GATED, "bob": GATED}, **more)
    orchestra.wait_alive()


def bus(orchestra: Orchestra, agent: str = "ann") -> Bus:
    return Bus(orchestra.root, agent, environment=orchestra.environment)


def finished(orchestra: Orchestra) -> None:
    orchestra.say("go")
    orchestra.wait_rest("done")
    orchestra.assert_sound()


def lines(orchestra: Orchestra, agent: str, type_: str) -> list[dict[str, Any]]:
    texts = [
        path.read_text() for path in sorted(orchestra.tree.agent(agent).attempts.glob("*/journal.jsonl"))
    ]
    entries = [json.loads(line) for text in texts for line in text.splitlines()]
    return [entry for entry in entries if entry["type"] == type_]


def mail(orchestra: Orchestra, to: str, sender: str) -> list[str]:
    path = orchestra.tree.mail_box(to) / f"{sender}.jsonl"
    return [json.loads(line)["text"] for line in path.read_text().splitlines()] if path.exists() else []


def test_the_protocol(orchestra: Orchestra) -> None:
    begun(orchestra)
    with bus(orchestra) as ann:
        params = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        }
        told = ann.request("initialize", params)["result"]
        assert told["protocolVersion"] == "2025-06-18"
        assert told["serverInfo"]["name"] == "maos-sup"
        ann.send({"method": "notifications/initialized"})
        unknown = ann.request("initialize", {**params, "protocolVersion": "1999-01-01"})["result"]
        assert unknown["protocolVersion"] == "2025-11-25"
        assert ann.request("ping")["result"] == {}
        tools = ann.request("tools/list")["result"]["tools"]
        assert [tool["name"] for tool in tools] == [
            "send_message",
            "read_messages",
            "report_discovery",
            "save_state",
            "load_state",
            "list_state",
            "delete_state",
            "report_progress",
            "ask_human",
            "spawn_task",
        ]
        assert all(tool["inputSchema"]["type"] == "object" for tool in tools)
        assert ann.request("resources/list")["error"]["code"] == -32601
        assert ann.request("tools/call", {"name": "dance"})["error"]["code"] == -32602
        ann.send_raw(b"{nonsense\n\n[1]\n")
        assert ann.receive()["error"]["code"] == -32700
        assert ann.receive()["error"]["code"] == -32600
        assert ann.process.stdin is not None
        ann.process.stdin.close()
        assert ann.process.wait(20) == 0
    finished(orchestra)


def test_each_tool_does_what_it_says(orchestra: Orchestra) -> None:
    begun(orchestra)
    with bus(orchestra) as ann, bus(orchestra, "bob") as bob:
        assert ann.call("send_message", {"to": "bob", "text": "look at auth"}) == "sent to bob"
        assert ann.call("report_discovery", {"text": "a hole"}) == "reported"
        told = bob.call("read_messages", {"wait_s": 20})
        if "a hole" not in told:  # it may come by itself
            told += bob.call("read_messages", {"wait_s": 20})
        assert "look at auth" in told
        assert 'from="ann"' in told
        assert "a hole" in told
        assert bob.call("read_messages") == "no new messages"
        assert ann.call("save_state", {"key": "plan", "value": {"step": 2}}) == "saved 'plan'"
        assert json.loads(ann.call("load_state", {"key": "plan"})) == {"step": 2}
        assert json.loads(ann.call("load_state")) == ["plan"]
        assert ann.call("report_progress", {"value": 0.5, "note": "half way"}) == "noted"
        orchestra.wait(lambda: orchestra.agent("ann")["progress"] == 0.5, "progress")
        assert ann.call("spawn_task", {"description": "more", "agent": "bob"}).startswith("task ann-")
    finished(orchestra)
    assert len(orchestra.status()["tasks"]) == 3


def test_mistakes_are_answers_of_one_sentence(orchestra: Orchestra) -> None:
    begun(orchestra)
    with bus(orchestra) as ann:
        assert "zoe" in ann.refused("send_message", {"to": "zoe", "text": "x"})
        assert ann.refused("send_message", {"to": "bob"}) == "'send' needs a 'text' or a 'body'"
        assert ann.refused("report_progress", {"value": "much"}) == "'value' must be a number"
        assert ann.refused("load_state", {"key": "x"}) == "nothing is kept under 'x'"
        told = ann.refused("save_state", {"key": "x", "value": [10**30]})
        assert told == "whole numbers beyond 64 bits have no portable JSON form"
        assert ann.refused("load_state", {"key": "x"}) == "nothing is kept under 'x'"
        assert ann.refused("spawn_task", {"description": "x"}) == "give 'agent', or 'role' for a new one"
    finished(orchestra)


def test_who_is_no_agent_is_refused_at_the_start(orchestra: Orchestra) -> None:
    begun(orchestra)
    for place, name, code, text in (
        (orchestra.root, "nobody", 2, "no agent 'nobody'; use ann or bob"),
        (orchestra.root, "../orchestration", 2, "use 1 to 64 of"),
        (orchestra.folder, "ann", 10, "no FORMAT"),
    ):
        told = orchestra.cli("mcp", str(place), "--agent", name, expect=code)
        assert text in told.stderr
        assert len(told.stderr.splitlines()) == 1
    spec = orchestra.tree.agent_spec("ann")
    away = spec.rename(orchestra.folder / "away.json")  # ends nothing: its last good copy is in force
    with bus(orchestra) as ann:
        assert ann.call("report_discovery", {"text": "a hole"}) == "reported"
    away.rename(spec)
    finished(orchestra)


def test_a_repeated_call_has_its_answer_and_no_second_effect(orchestra: Orchestra) -> None:
    begun(orchestra)
    message = {"to": "bob", "text": "once"}
    with bus(orchestra) as ann:
        assert ann.call("send_message", message, use="toolu_1") == "sent to bob"
        assert ann.call("send_message", message, use="toolu_1") == "sent to bob"
        ann.kill()
    with bus(orchestra) as ann:
        assert ann.call("send_message", message, use="toolu_1") == "sent to bob"
        first = ann.call("spawn_task", {"description": "more", "agent": "bob"}, use="toolu_2")
    kill(*orchestra.pids().values())
    orchestra.wait(lambda: orchestra.attempts() == {"ann": 2, "bob": 2}, "the next attempts")
    orchestra.wait_alive()
    with bus(orchestra) as ann:
        assert ann.call("send_message", message, use="toolu_1") == "sent to bob"
        assert ann.call("spawn_task", {"description": "more", "agent": "bob"}, use="toolu_2") == first
    finished(orchestra)
    assert mail(orchestra, "bob", "ann") == ["once"]
    assert len(orchestra.status()["tasks"]) == 3


def test_messages_come_again_until_the_client_went_on(orchestra: Orchestra) -> None:
    begun(orchestra)
    orchestra.do("send", "ann", "first")
    with bus(orchestra) as ann:
        assert "first" in ann.call("read_messages", {"wait_s": 20}, use="toolu_1")
    with bus(orchestra) as ann:  # the client died before it went on
        assert "first" in ann.call("read_messages", {"wait_s": 20}, use="toolu_2")
        orchestra.do("send", "ann", "second")
        told = ann.call("read_messages", {"wait_s": 20}, use="toolu_3")
        assert "second" in told
        assert "first" not in told
    with bus(orchestra) as ann:
        assert ann.call("read_messages", use="toolu_3") == told
        assert ann.call("read_messages") == "no new messages"
    finished(orchestra)


def test_a_question_waits_durably_for_its_answer(orchestra: Orchestra) -> None:
    begun(orchestra)
    with bus(orchestra) as ann:
        ann.begin_call("ask_human", {"question": "May I?"}, use="toolu_1")
        question = orchestra.wait(lambda: orchestra.status()["questions"], "the question")[0]
        assert (orchestra.agent("ann")["phase"], orchestra.task("ann")["phase"]) == ("asking", "asking")
        assert orchestra.agent("bob")["phase"] == "running"
        assert ann.call("save_state", {"key": "a", "value": 1}) == "saved 'a'"  # all else goes on
        ann.kill()
    with bus(orchestra) as ann:
        ann.begin_call("ask_human", {"question": "May I?"}, use="toolu_1")
        asked = ann.begin_call("ask_human", {"question": "May I?"}, use="toolu_2")
        assert json.loads(ann.call("load_state", {"key": "a"})) == 1
        kill(orchestra.pids()["ann"])
        text, is_error = ann.wait_call(asked)
        assert is_error
        assert "is over" in text
    orchestra.wait(lambda: orchestra.attempts()["ann"] == 2, "the next attempt")
    orchestra.wait_alive()
    with bus(orchestra) as ann:
        asked = ann.begin_call("ask_human", {"question": "May I?"}, use="toolu_3")
        assert [item["id"] for item in orchestra.status()["questions"]] == [question["id"]]
        (orchestra.tree.approvals / f"{question['id']}.yes").write_text("but gently\n")
        assert ann.wait_call(asked) == ("yes: but gently", False)
        assert ann.call("ask_human", {"question": "May I?"}) == "yes: but gently"
        orchestra.wait(lambda: orchestra.agent("ann")["phase"] == "running", "ann goes on")
    finished(orchestra)
    assert len(lines(orchestra, "ann", "asked")) == 1


def test_a_cancelled_request_has_no_answer(orchestra: Orchestra) -> None:
    begun(orchestra)
    with bus(orchestra) as ann:
        waiting = ann.begin_call("read_messages", {"wait_s": 600})
        ann.send({"method": "notifications/cancelled", "params": {"requestId": waiting, "reason": "no"}})
        orchestra.do("send", "ann", "hello")
        assert "hello" in ann.call("read_messages", {"wait_s": 20})
        assert ann.seen == []
    finished(orchestra)


def test_a_program_of_an_agent_is_the_client(orchestra: Orchestra) -> None:
    """The calls of one line of shell are answered before the bus ends, though stdin ended at once."""
    call = {"name": "send_message", "arguments": {"to": "bob", "text": "from the shell"}}
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call})
    program = f"printf '%s\\n' '{line}' | maos-sup mcp \"$MAOS_DIR\" --agent ann"
    orchestra.start({"ann": program, "bob": GATED})
    orchestra.wait(lambda: orchestra.task("ann")["phase"] == "done", "ann is done")
    assert "sent to bob" in orchestra.output("ann")
    finished(orchestra)
    assert mail(orchestra, "bob", "ann") == ["from the shell"]


def test_secrets_reach_neither_the_control_file_nor_the_mail(orchestra: Orchestra) -> None:
    orchestra.environment["SOME_API_KEY"] = "very-secret-value-1"
    begun(orchestra)
    with bus(orchestra) as ann:
        ann.call("send_message", {"to": "bob", "text": "the key is very-secret-value-1"})
    finished(orchestra)
    assert mail(orchestra, "bob", "ann") == ["the key is [redacted]"]
    files = [path for path in orchestra.root.rglob("*") if path.is_file()]
    assert [path for path in files if b"very-secret-value-1" in path.read_bytes()] == []


def test_caps_on_what_agents_add_hold_over_all_of_them(orchestra: Orchestra) -> None:
    begun(orchestra, limits={"max_spawned_tasks": 5})
    with bus(orchestra) as ann, bus(orchestra, "bob") as bob:
        asked = [
            (who, who.begin_call("spawn_task", {"description": f"more {number}", "agent": "ann"}))
            for number in range(4)
            for who in (ann, bob)
        ]
        answers = [who.wait_call(id_) for who, id_ in asked]
        assert sorted(is_error for _, is_error in answers) == [False] * 5 + [True] * 3
        refused = next(text for text, is_error in answers if is_error)
        assert refused.startswith("agents have added 5 tasks, and 'limits.max_spawned_tasks' is 5")
        orchestra.do("set", "limits.max_spawned_tasks", "6")
        assert bob.call("spawn_task", {"description": "one more", "agent": "ann"}).startswith("task bob-")
        assert "'needs' must be a list" in bob.refused("spawn_task", {"description": "x", "needs": ["y"]})
    finished(orchestra)
    assert len(orchestra.status()["tasks"]) == 8


def test_calls_are_done_once_however_often_bus_and_agent_are_killed(orchestra: Orchestra) -> None:
    """A client that repeats each call until it has the answer, while one or the other is killed."""
    patient = {"restart": {"max": 1000, "backoff_s": 0.05, "backoff_max_s": 0.1}}
    orchestra.start({"ann": {"kind": "command", "shell": GATED, **patient}, "bob": GATED})
    orchestra.wait_alive()
    chance, wanted = random.Random(7), [f"message {number}" for number in range(MANY)]
    for number, text in enumerate(wanted):
        while True:
            with bus(orchestra) as ann:
                id_ = ann.begin_call("send_message", {"to": "bob", "text": text}, use=f"toolu_{number}")
                time.sleep(chance.uniform(0.0, 0.15))
                if chance.random() < 0.35:
                    ann.kill()
                    continue
                if chance.random() < 0.2:
                    kill(*(pid for name, pid in orchestra.pids().items() if name == "ann"))
                told, is_error = ann.wait_call(id_)
                if not is_error:
                    assert told == "sent to bob"
                    break
    orchestra.wait_alive()
    finished(orchestra)
    assert mail(orchestra, "bob", "ann") == wanted
    assert sorted(line["id"] for line in lines(orchestra, "ann", "called") if "sent" in line) == sorted(
        f"toolu_{number}" for number in range(MANY)
    )
