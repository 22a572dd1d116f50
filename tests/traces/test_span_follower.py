"""`[otel]` in a plan: spans are sent while a team works, by a process that may die at any moment."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestra import Orchestra, wait_for
from otlp_receiver import Receiver, told
from processes import command_line, kill, with_variable
from recorded import answer, lived, made_tree, task

from maos_sup.cli import main
from maos_sup.system.followers import start_sending
from state_layout.files.locks import is_free
from state_layout.lives.attempts import begin_attempt, recall
from state_layout.paths import Tree

GATE = "while [ ! -e $OUT/go ]; do sleep 0.05; done"


def by_id(spans: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {span["spanId"]: span for span in spans}


def senders(orchestra: Orchestra) -> list[int]:
    found = with_variable(f"MAOS_SUP_TEST={orchestra.id}")
    return [pid for pid in found if "send-spans" in command_line(pid)]


def wait_gone(orchestra: Orchestra) -> None:
    wait_for(lambda: not senders(orchestra), "who sends spans has ended")


def test_plan_with_otel_sends_while_it_works(orchestra: Orchestra, receiver: Receiver) -> None:
    orchestra.environment["ITS_KEY"] = "one-of-mine"
    otel = {
        "endpoint": receiver.url,
        "headers_from": {"X-Key": "ITS_KEY"},
        "service": "audits",
        "resource": {"deployment.environment.name": "laptop"},
        "names": "0.1",
    }
    orchestra.start({"alice": "echo one", "bob": GATE}, otel=otel)
    wait_for(
        lambda: [span for span in receiver.spans() if span["name"] == "invoke_agent alice"], "alice's span"
    )
    assert orchestra.phase() == "running", "sent while bob works"
    orchestra.say("go")
    orchestra.wait_rest("done")
    wait_gone(orchestra)
    live = by_id(receiver.spans())
    assert len(live) == len(receiver.spans()) == 5, "each once"
    assert {headers["x-key"] for headers in receiver.headers} == {"one-of-mine"}
    source = receiver.bodies[0]["resourceSpans"][0]["resource"]
    assert told(source) == {
        "service.name": "audits",
        "maos.orchestration": orchestra.status()["id"],
        "deployment.environment.name": "laptop",
    }
    assert "one-of-mine" not in json.dumps(receiver.bodies)
    files = [path for path in orchestra.root.rglob("*") if path.is_file()]
    assert not [path for path in files if b"one-of-mine" in path.read_bytes()]
    receiver.bodies.clear()
    orchestra.environment |= {"ITS_KEY": "one-of-mine"}
    orchestra.cli("trace", str(orchestra.root), expect=0)  # to the same place, by the spec
    assert by_id(receiver.spans()) == live
    orchestra.assert_sound()


def test_sender_that_is_killed_is_replaced_and_nothing_is_sent_twice(
    orchestra: Orchestra, receiver: Receiver
) -> None:
    orchestra.start({"alice": "echo one", "bob": GATE, "carol": GATE}, otel={"endpoint": receiver.url})
    wait_for(lambda: len(receiver.spans()) >= 2, "alice's spans")
    for _ in range(2):
        (pid,) = wait_for(lambda: senders(orchestra), "one that sends")
        kill(pid)
        wait_for(lambda pid=pid: [one for one in senders(orchestra) if one != pid], "the next one")
    orchestra.say("go")
    orchestra.wait_rest("done")
    wait_gone(orchestra)
    spans = receiver.spans()
    assert len(by_id(spans)) == len(spans) == 7
    assert [span for span in spans if "parentSpanId" not in span]


def test_collector_that_is_down_costs_agents_nothing_and_gets_all_later(
    orchestra: Orchestra, receiver: Receiver
) -> None:
    receiver.refusals = [400] * 3
    orchestra.start({"alice": "echo one", "bob": GATE}, otel={"endpoint": receiver.url})
    wait_for(lambda: not receiver.refusals, "three refusals")
    assert orchestra.agent("alice")["phase"] == "done"
    assert "said 400" in orchestra.tree.otel_file("log").read_text()
    orchestra.say("go")
    orchestra.wait_rest("done")
    wait_gone(orchestra)
    assert len(by_id(receiver.spans())) == len(receiver.spans()) == 5


def test_usual_variables_ask_for_spans_and_forbid_them(orchestra: Orchestra, receiver: Receiver) -> None:
    usual = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
    orchestra.environment |= usual
    assert orchestra.run({"alice": "echo one"}).returncode == 0
    wait_gone(orchestra)
    assert len(receiver.spans()) == 3
    receiver.bodies.clear()
    other = Orchestra(orchestra.folder, root=orchestra.folder / "other", id=orchestra.id)
    other.environment |= usual | {"OTEL_SDK_DISABLED": "true"}
    assert other.run({"alice": "echo one"}, otel={"endpoint": receiver.url}).returncode == 0
    assert not receiver.bodies and not other.tree.otel.exists()


def test_variable_that_is_not_set_is_named(orchestra: Orchestra, receiver: Receiver) -> None:
    otel = {"endpoint": receiver.url, "headers_from": {"x-key": "NOBODY_SET_IT"}}
    agents = {"alice": "echo one", "bob": GATE}
    refused = orchestra.cli("run", str(orchestra.plan(agents, otel=otel)), "--dir", str(orchestra.root))
    assert refused.returncode == 2 and "'otel.headers_from.x-key' asks for the variable" in refused.stderr
    assert "plan.json:" in refused.stderr and not orchestra.root.exists()
    orchestra.start(agents, otel={"endpoint": receiver.url})
    wait_for(receiver.spans, "alice's spans")
    orchestra.do("set", "otel.headers_from", json.dumps({"x-key": "NOBODY_SET_IT"}))
    log = orchestra.tree.otel_file("log")
    wait_for(lambda: log.exists() and log.read_text(), "a word in the log")
    assert (
        "'otel.headers_from.x-key' asks for the variable NOBODY_SET_IT, which is not set" in log.read_text()
    )
    orchestra.do("set", "otel.headers_from", "{}")
    orchestra.say("go")
    orchestra.wait_rest("done")
    wait_gone(orchestra)
    assert len(by_id(receiver.spans())) == len(receiver.spans()) == 5


def test_port_that_is_none_is_refused_in_a_plan(orchestra: Orchestra) -> None:
    plan = orchestra.plan({"alice": "echo one"}, otel={"endpoint": "http://127.0.0.1:70000"})
    refused = orchestra.cli("run", str(plan), "--dir", str(orchestra.root))
    assert refused.returncode == 2 and "'otel.endpoint' is text; use a URL like http" in refused.stderr
    assert "plan.json:" in refused.stderr and not orchestra.root.exists()
    orchestra.start({"alice": "echo one"}, starts=False, otel={"endpoint": "http://[::1]:65535/v1"})
    for place in ("http://h:70000", "http://h:65536", "http://h:0", "http://h:x", "http://[::1"):
        refused = orchestra.cli("set", str(orchestra.root), "otel.endpoint", place)
        assert refused.returncode == 2 and "is text; use a URL like http" in refused.stderr, place
    orchestra.cli("set", str(orchestra.root), "otel.endpoint", "http://h:4318", expect=0)


def sent_by_follower(tree: Tree, receiver: Receiver) -> list[dict[str, Any]]:
    receiver.bodies.clear()
    start_sending(tree)
    wait_for(lambda: tree.otel_file("lock").exists(), "it began")
    wait_for(lambda: receiver.bodies and is_free(tree.otel_file("lock")), "it is over")
    return receiver.spans()


def test_what_was_taken_back_is_sent_again_as_that(tmp_path: Path, receiver: Receiver) -> None:
    otel = {"endpoint": receiver.url}
    tree = made_tree(tmp_path, {"alice": {"kind": "anthropic"}}, {"count": {"agent": "alice"}}, otel=otel)
    lived(tree, "alice", [task("count", "running"), answer("count", "a")])
    before = recall(tree, "alice")
    lived(tree, "alice", [task("count", "running"), answer("count", "b"), task("count", "done")])
    first = sent_by_follower(tree, receiver)
    assert len(by_id(first)) == len(first) and not any("maos.void" in told(span) for span in first)
    with tree.otel_file(f"{_only_sent(tree)}").open("ab") as kept:
        kept.write(b"0123456")  # a line that a dying process began
    also = {"rewound": {"void": 1, "cut": 0}}
    attempt = begin_attempt(tree, "alice", recall=replace(before, attempt=2), settings={}, also=also)
    attempt.journal.commit(*answer("count", "c"))
    attempt.journal.close()
    again = sent_by_follower(tree, receiver)
    voids = [span for span in again if "maos.void" in told(span)]
    assert {span["spanId"] for span in voids} <= {span["spanId"] for span in first}
    assert len(voids) == 2 and len(again) - len(voids) == 1, "and the one that is new"
    assert main(["trace", str(tree.root)]) == 0
    whole = by_id(receiver.spans()[len(again) :])
    assert whole == by_id([*first, *again])


def _only_sent(tree: Tree) -> str:
    (path,) = tree.otel.glob("*.sent")
    return path.name
