"""Many spans are sent as they are read, and what a collector does not take is not lost on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from otlp_receiver import Receiver
from recorded import lived, made_tree, task

from maos_sup.projection.journal_lines import JournalLine
from maos_sup.projection.reading import Reading
from maos_sup.traces.ids import span_id
from maos_sup.traces.names import names_of
from maos_sup.traces.origins import Origins
from maos_sup.traces.otlp import BATCH
from maos_sup.traces.sending import Collector, Exporter, SendingManner
from state_layout.errors import LayoutError
from state_layout.paths import Tree

TOOLS = 2_000  # of each agent, in far more bytes than are read at once


def tool(number: int) -> list[tuple[str, dict[str, object]]]:
    of = {"task": "t", "run": 1, "id": f"c{number}", "name": "bash"}
    return [("tool_call", {**of, "token": "t"}), ("tool_result", {**of, "content": "x" * 600})]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Alice, who is read first, reads what bob sends at the end of his long journal."""
    made = made_tree(tmp_path, {"alice": {"kind": "anthropic"}, "bob": {"kind": "anthropic"}}, {})
    many = [line for number in range(TOOLS) for line in tool(number)]
    sent = {"to": "alice", "n": 1, "type": "info", "text": "done"}
    lived(made, "bob", [task("count", "running"), *many, task("count", "done", sent=[sent])])
    mail = ("received", {"received": {"alice/bob": [1, 9, "x"]}})
    lived(made, "alice", [task("report", "running"), mail, *many, task("report", "done")])
    return made


def exporter_of(tree: Tree, receiver: Receiver) -> Exporter:
    collector = Collector(url=f"{receiver.url}/v1/traces", headers={})
    return Exporter(Reading(tree), SendingManner(collector=collector, names=names_of(None, "")))


def test_collector_that_refuses_in_the_middle_gets_each_span_once(tree: Tree, receiver: Receiver) -> None:
    exporter = exporter_of(tree, receiver)
    whole = {span.id for span in exporter_of(tree, receiver).spans()}
    assert len(whole) >= 2 * TOOLS + 4 > 4 * BATCH
    for allowed in (0, 1, 2):
        receiver.refusals = [*[200] * allowed, 400]
        with pytest.raises(LayoutError, match="said 400"):
            exporter.export()
    assert 0 < len(receiver.spans()) < len(whole)
    assert exporter.export() > 0
    ids = [span["spanId"] for span in receiver.spans()]
    assert len(ids) == len({*ids}) and {*ids} == whole
    assert exporter.export() == 0


def test_spans_are_sent_before_all_is_read(tree: Tree, receiver: Receiver) -> None:
    receiver.refusals = [400]
    exporter = exporter_of(tree, receiver)
    with pytest.raises(LayoutError):
        exporter.export()
    for agent in ("alice", "bob"):  # what was not read by then is nowhere
        os.truncate(tree.agent(agent).attempt(1).journal, 0)
    assert 0 < exporter.export() < BATCH + 1_000


def test_link_to_what_is_sent_far_behind_is_there(tree: Tree, receiver: Receiver) -> None:
    exporter_of(tree, receiver).export()
    spans = {span["spanId"]: span for span in receiver.spans()}
    (read,) = [span for span in spans.values() if "links" in span]
    assert read["name"] == "task report"
    assert [spans[link["spanId"]]["name"] for link in read["links"]] == ["task count"]


def line(seq: int, type_: str, **fields: object) -> JournalLine:
    return JournalLine(
        agent="bob", attempt=1, seq=seq, at_s=float(seq), type=type_, h=f"h{seq}", fields=fields
    )


def test_numbers_that_are_used_again_are_of_who_used_them_last() -> None:
    origins = Origins("id")

    def sent(seq: int, *numbers: int) -> JournalLine:
        return line(seq, "step", sent=[{"to": "alice", "n": n} for n in numbers])

    origins.take([line(1, "task", task="a", phase="running"), sent(2, 1, 2), sent(3, 3)])
    first = span_id("id", "bob", 1, "h1")
    assert [origins.of("bob", "alice", n) for n in (0, 1, 3, 4)] == [None, first, first, None]
    origins.take([line(4, "task", task="a", phase="done"), line(5, "task", task="b", phase="running")])
    origins.take([sent(6, 3, 5)])
    second = span_id("id", "bob", 1, "h5")
    told = [origins.of("bob", "alice", n) for n in range(1, 7)]
    assert told == [first, first, second, None, second, None]
    assert origins.of("bob", "all", 1) is None and origins.of("alice", "bob", 1) is None
