"""One run with a restart, a life taken back, a broken try and an unknown price: all tell the same."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from recorded import answer, asked, lived, made_tree, publish, task
from served import Server, serving

from maos_sup.cli import main
from maos_sup.metrics.families import families_of
from maos_sup.metrics.gathering import figures_of
from maos_sup.projection.cost_reader import CostReader
from maos_sup.projection.reading import Reading
from maos_sup.traces.names import VERSIONS
from maos_sup.traces.sending import Collector, Exporter, SendingManner
from state_layout.lives.attempts import begin_attempt, recall
from state_layout.mail.operator_mail import append_operator_message
from state_layout.paths import Tree
from state_layout.tree import open_tree

KEY = "k" * 40


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """Alice: two lives, of which the second was taken back, and a third; bob failed; both have mail."""
    made = made_tree(
        tmp_path_factory.mktemp("same"),
        {"alice": {"kind": "anthropic", "model": "m 1"}, "bob": {"kind": "anthropic", "model": "m-2"}},
        budget={"max_cost_usd": 5.0, "max_tokens": None},
    )
    broken = {"task": "count", "run": 1, "key": "b", "why": "cut", "waste": {}, "cost_usd": 0.25, "tokens": 9}
    question = {"task": "count", "run": 1, "question": "alice-1", "text": "Which?"}
    first = [task("count", "running"), asked("count", "a"), answer("count", "a", 0.5), ("broken", broken)]
    lived(made, "alice", [*first, answer("count", "c", None), ("asked", question)], reason=None)
    before = recall(made, "alice")
    lived(made, "alice", [answer("count", "d", 2.0)])
    again = begin_attempt(
        made, "alice", recall=replace(before, attempt=2), settings={}, also={"rewound": {"void": 1, "cut": 0}}
    )
    again.journal.commit(*answer("count", "e", 0.125))
    again.journal.close()
    publish(made, "alice", again.number)
    sent = {"to": "bob", "n": 1, "type": "info", "text": "hi"}
    lived(made, "bob", [answer("report", "z", 1.0), task("report", "failed", error="no", sent=[sent])])
    append_operator_message(made, "bob", text="one", body=None, type="info")
    return made


@pytest.fixture(scope="module")
def server(tree: Tree) -> Iterator[Server]:
    key_file = tree.root.parent / "key"
    key_file.write_text(KEY)
    key_file.chmod(0o600)
    with serving(str(tree.root), "--key-file", str(key_file)) as made:
        made.come_in()
        yield made


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The samples by name and labels, the orchestration left out."""
    return {
        (
            sample.name,
            tuple(sorted((k, v) for k, v in sample.labels.items() if k != "orchestration")),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(found: dict[Any, float], name: str) -> float:
    return sum(value for (known, _), value in found.items() if known == name)


def test_status_page_report_metrics_and_traces_tell_the_same(
    tree: Tree, server: Server, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def printed(*words: str) -> str:
        capsys.readouterr()
        assert main([words[0], str(tree.root), *words[1:]]) == 0
        return capsys.readouterr().out

    status, cost = json.loads(printed("status", "--json")), json.loads(printed("cost", "--json"))
    key = server.key()
    board = server.ask("GET", f"/api/t/{key}/board").told
    costs = server.ask("GET", f"/api/t/{key}/costs").told
    scraped = server.send(
        "GET", "/metrics", [("host", f"{server.host}:{server.port}"), ("authorization", f"Bearer {KEY}")]
    )
    file = samples(printed("metrics"))
    live = samples(scraped.body.decode())
    report = printed("report", "--md", "-o", "-")

    spent = status["counts"]["cost_usd"]
    assert spent == 1.875
    assert (
        cost["total"]["cost_usd"]
        == board["head"]["counts"]["cost_usd"]
        == costs["total"]["cost_usd"]
        == spent
    )
    assert {part: cost[part] for part in ("agents", "tasks", "models", "days")} == {
        part: {row.pop("name"): row for row in costs[part]} for part in ("agents", "tasks", "models", "days")
    }
    assert (cost["waste"], cost["total"]) == (costs["waste"], costs["total"])
    shown = printed("cost", "--by", "task")
    assert "0.2500 USD and 9 tokens of the total went into 1 try" in shown
    assert "2.00 USD and 100 tokens in records that do not count" in shown
    assert "price of 1 answer is not known" in shown and "total: 1.88 of 5.00 USD, 409 tokens" in shown
    assert total(file, "maos_cost_usd_total") == total(live, "maos_cost_usd_total") == spent
    assert re.search(r"cost: 1\.88 of 5\.00 USD", report)
    tokens = status["counts"]["tokens"]
    assert (
        tokens
        == costs["total"]["tokens"]
        == total(live, "maos_tokens_total")
        == total(file, "maos_tokens_total")
    )
    assert costs["waste"]["void"]["cost_usd"] == live["maos_waste_usd_total", (("reason", "void"),)] == 2.0
    assert (
        costs["waste"]["broken"]["cost_usd"] == live["maos_waste_usd_total", (("reason", "broken"),)] == 0.25
    )
    assert "2.00 USD and 100 tokens" in report and "0.2500 USD" in report
    assert live["maos_budget_remaining_usd", ()] == 5.0 - spent
    assert live["maos_unpriced_answers_total", ()] == costs["total"]["unpriced"] == 1
    restarts = sum(max(0, agent["attempt"] - 1) for agent in status["agents"])
    assert restarts == total(live, "maos_restarts_total") == 2
    assert sum(max(0, agent["attempt"] - 1) for agent in board["agents"]) == restarts
    assert f"started again: {restarts} times" in report
    for phase, count in status["counts"]["tasks_by_phase"].items():
        assert (
            live["maos_tasks", (("phase", phase),)]
            == count
            == sum(row["phase"] == phase for row in board["tasks"])
        )
    assert live["maos_questions_open", ()] == len(status["questions"]) == len(board["head"]["wants"]) - 1
    assert 0 < live["maos_oldest_question_seconds", ()] < 3600
    assert live["maos_mail_unread", (("agent", "bob"),)] == 1
    manner = SendingManner(collector=Collector(url="", headers={}), names=VERSIONS["0.1"], has_content=True)
    spans = Exporter(Reading(tree), manner).spans()
    models = [span.source for span in spans if span.kind == "model" and span.source is not None]
    assert sum(one.cost_usd or 0.0 for one in models if not one.is_void) == spent
    assert sum(one.cost_usd or 0.0 for one in models if one.is_void) == 2.0
    assert sum(one.tokens for one in models if not one.is_void) == tokens
    changing = {"maos_oldest_question_seconds", "maos_disk_free_bytes"}
    assert {k: v for k, v in live.items() if k[0] not in changing} == {
        k: v for k, v in file.items() if k[0] not in changing
    }


def test_money_that_was_all_taken_back_is_told_by_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = made_tree(tmp_path, {"alice": {"kind": "anthropic", "model": "m-1"}})
    lived(made, "alice", [("note", {})])
    before = recall(made, "alice")
    lived(made, "alice", [answer("count", "d", 2.0)])
    begin_attempt(
        made, "alice", recall=replace(before, attempt=2), settings={}, also={"rewound": {"void": 1, "cut": 0}}
    ).journal.close()
    publish(made, "alice", 3)
    assert main(["cost", str(made.root), "--json"]) == 0
    cost = json.loads(capsys.readouterr().out)
    assert main(["metrics", str(made.root)]) == 0
    file = samples(capsys.readouterr().out)
    with serving(str(made.root)) as shown:
        shown.come_in()
        costs = shown.ask("GET", f"/api/t/{shown.key()}/costs").told
    assert cost["total"]["cost_usd"] == costs["total"]["cost_usd"] == 0
    assert cost["waste"]["void"] == costs["waste"]["void"]
    assert cost["waste"]["void"]["cost_usd"] == file["maos_waste_usd_total", (("reason", "void"),)] == 2.0


def test_copy_has_a_series_of_its_own(tree: Tree, tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("spare", "no name", "far/copy", f"far/{tree.root.name}", "near")]
    copies = [open_tree(shutil.copytree(tree.root, place, symlinks=True)) for place in places[:-1]]
    figures = []
    for one in (tree, *copies, made_tree(places[-1], id="20261122-0142-other-aaaa")):
        reading = Reading(one)
        status = reading.status()
        costs = CostReader(reading).costs(status, now_s=0.0)
        figures.append(figures_of(reading, status, costs, now_s=0.0))
    family = next(one for one in families_of(figures) if one.name == "maos_agents_alive")
    labels = [orchestration for (orchestration,) in family.samples]
    assert len(set(labels)) == 6 and labels[1] == "spare" and labels[5] == "20261122-0142-other-aaaa"
    assert all(re.fullmatch(r"copy@\w{8}", labels[place]) for place in (2, 3))
    assert all(re.fullmatch(rf"{tree.root.name}@\w{{8}}", labels[place]) for place in (0, 4))


def test_no_label_is_free_text(tree: Tree) -> None:
    reading = Reading(tree)
    status = reading.status()
    costs = CostReader(reading).costs(status, now_s=0.0)
    (family,) = [
        one
        for one in families_of([figures_of(reading, status, costs, now_s=time.time())])
        if one.name == "maos_tokens_total"
    ]
    assert {labels[2] for labels in family.samples} == {"other", "m-2"}, "'m 1' is no name"


def test_file_is_replaced_whole_and_may_be_read_by_all(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "maos.prom"
    assert main(["metrics", str(tree.root), "-o", str(place)]) == 0
    assert place.stat().st_mode & 0o777 == 0o644
    assert samples(place.read_text())
    assert main(["metrics", str(tree.root), "-o", str(tmp_path)]) == 2
    assert "--output is" in capsys.readouterr().err


def test_dashboard_asks_for_metrics_that_are_there(tree: Tree) -> None:
    reading = Reading(tree)
    status = reading.status()
    costs = CostReader(reading).costs(status, now_s=0.0)
    known = {one.name for one in families_of([figures_of(reading, status, costs, now_s=0.0)])}
    path = Path(__file__).resolve().parents[2] / "examples" / "grafana" / "maos-sup.json"
    dashboard = json.loads(path.read_text())
    asked_for = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"maos_\w+", target["expr"])
    }
    assert len(asked_for) >= 10
    assert asked_for <= known
