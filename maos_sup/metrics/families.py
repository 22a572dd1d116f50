"""The metrics, as families of samples. Pure: a status and its money in, numbers out.

Labels are names of ours (orchestration, agent, phase) and of models, never free text: what a server calls its
model is taken if it looks like a name, and of many models the rest are "other".
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from maos_sup.projection.costs import Costs
from maos_sup.projection.journal_lines import seconds_of
from maos_sup.views.figures import figures_told
from state_layout.lives.figures import KEPT
from state_layout.records import AgentPhase, TaskPhase

if TYPE_CHECKING:
    from maos_sup.views.shapes import Status

GAUGE, COUNTER = "gauge", "counter"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,79}")
_MOST_MODELS = 20
Labels = tuple[str, ...]
Samples = Mapping[Labels, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFigures:
    """The figures are those of one orchestration at one moment. `unread`: messages by agent; `free_bytes`
    of its disk, if known.

    `folder` is where it lies: a copy has the id of its original.
    """

    folder: Path
    status: Status
    costs: Costs
    unread: Mapping[str, int]
    free_bytes: int | None
    now_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A family is one metric: its samples by the values of `labels` (the orchestration comes first,
    always)."""

    name: str
    kind: str
    help: str
    labels: Labels
    samples: Mapping[Labels, float]


def families_of(figures: Iterable[TreeFigures]) -> list[Family]:
    """Make all metrics of all orchestrations; ones of the same name are one family."""
    found, told = dict[str, Family](), list(figures)
    for one, label in zip(told, _labels(told), strict=True):
        for name, kind, text, labels, samples in _families(one):
            named = {(label, *key): value for key, value in samples.items()}
            before = found.get(name)
            merged = named if before is None else {**before.samples, **named}
            labels = ("orchestration", *labels) if before is None else before.labels
            found[name] = Family(name=name, kind=kind, help=text, labels=labels, samples=merged)
    return list(found.values())


def _labels(figures: Sequence[TreeFigures]) -> list[str]:
    """Name each tree: by its id; of several with one id, by the folder's name; at need by a hash."""
    ids = Counter(one.status["id"] for one in figures)
    names = [
        one.status["id"]
        if ids[one.status["id"]] == 1 or one.folder.name == one.status["id"]
        else _plain(one.folder)
        for one in figures
    ]
    same = Counter(names)
    return [
        name if same[name] == 1 else f"{name}@{sha256(os.fsencode(one.folder)).hexdigest()[:8]}"
        for name, one in zip(names, figures, strict=True)
    ]


def _plain(folder: Path) -> str:
    return folder.name if _NAME.fullmatch(folder.name) else "copy"


Told = tuple[str, str, str, Labels, Samples]


def _families(figures: TreeFigures) -> Iterator[Told]:
    yield from _of_status(figures)
    yield from _of_money(figures)


def _of_status(figures: TreeFigures) -> Iterator[Told]:
    status, counts = figures.status, figures.status["counts"]
    agents = Counter(str(agent["phase"]) for agent in status["agents"])
    tasks = Counter(str(task["phase"]) for task in status["tasks"])
    yield (
        "maos_agents",
        GAUGE,
        "Agents by phase.",
        ("phase",),
        {(str(one),): agents[str(one)] for one in AgentPhase},
    )
    yield (
        "maos_tasks",
        GAUGE,
        "Tasks by phase.",
        ("phase",),
        {(str(one),): tasks[str(one)] for one in TaskPhase},
    )
    yield "maos_agents_alive", GAUGE, "Agents that have a process.", (), {(): counts["alive"]}
    yield "maos_messages_total", COUNTER, "Messages that agents sent.", (), {(): counts["messages"]}
    yield (
        "maos_discoveries_total",
        COUNTER,
        "Discoveries that agents reported.",
        (),
        {(): counts["discoveries"]},
    )
    restarts: Samples = {(agent["name"],): float(max(0, agent["attempt"] - 1)) for agent in status["agents"]}
    yield "maos_restarts_total", COUNTER, "Attempts after the first.", ("agent",), restarts
    for row in KEPT:
        told = zip(status["agents"], figures_told(status["agents"]), strict=True)
        kept: Samples = {(agent["name"],): found.get(row.key, 0) for agent, found in told}
        yield f"maos_agent_{row.key}_total", COUNTER, row.says, ("agent",), kept
    unread: Samples = {(agent,): float(count) for agent, count in figures.unread.items()}
    yield "maos_mail_unread", GAUGE, "Messages that wait to be read.", ("agent",), unread
    asked = [seconds_of(question.get("at")) for question in status["questions"]]
    ages = [figures.now_s - at_s for at_s in asked if at_s is not None]
    yield "maos_questions_open", GAUGE, "Questions that wait for a person.", (), {(): len(asked)}
    yield "maos_oldest_question_seconds", GAUGE, "Age of the oldest.", (), {(): max([0.0, *ages])}
    yield "maos_supervisor_up", GAUGE, "1 while a supervisor lives.", (), {(): status["supervisor"]["alive"]}
    yield (
        "maos_supervisor_lives_total",
        COUNTER,
        "Supervisors so far.",
        (),
        {(): status["supervisor"]["life"]},
    )
    if figures.free_bytes is not None:
        yield "maos_disk_free_bytes", GAUGE, "Room where the tree lies.", (), {(): figures.free_bytes}


def _of_money(figures: TreeFigures) -> Iterator[Told]:
    costs, budget = figures.costs, figures.status["budget"]
    agents: Samples = {(name,): sums.cost_usd for name, sums in costs.agents.items()}
    yield "maos_cost_usd_total", COUNTER, "What was spent and counts.", ("agent",), agents
    tokens = Counter[Labels]()
    models = _models(costs)
    for (agent, model, type_), count in costs.token_types.items():
        tokens[agent, models[model], type_] += count
    yield "maos_tokens_total", COUNTER, "Tokens, of all types.", ("agent", "model", "type"), dict(tokens)
    waste: Samples = {("broken",): costs.broken.cost_usd, ("void",): costs.void.cost_usd}
    yield "maos_waste_usd_total", COUNTER, "Of it broken tries; beside it what is void.", ("reason",), waste
    unpriced = costs.total.unpriced
    yield "maos_unpriced_answers_total", COUNTER, "Answers whose price nobody knows.", (), {(): unpriced}
    cap = budget["max_cost_usd"]
    if cap is not None:
        left = max(0.0, cap - costs.total.cost_usd)
        yield "maos_budget_usd", GAUGE, "What may be spent.", (), {(): cap}
        yield "maos_budget_remaining_usd", GAUGE, "What is left of it.", (), {(): left}


def _models(costs: Costs) -> dict[str, str]:
    """Name each model for a label."""
    dearest = sorted(costs.models, key=lambda model: -costs.models[model].tokens)
    kept = {model for model in dearest[:_MOST_MODELS] if _NAME.fullmatch(model)}
    named = {model for _, model, _ in costs.token_types}
    return {model: model if model in kept else "other" for model in named}
