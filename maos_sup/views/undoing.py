"""Checkpoints, and what a rollback does, for people and as JSON. Only looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from maos_sup.cuts.difference import AgentDifference, Redact, Side, as_it_is
from maos_sup.cuts.going_back import AgentLoss, Preview
from maos_sup.cuts.record import TeamCut
from maos_sup.views.files import printable

_MOST_OUTSIDE = 12
Shared = Mapping[str, Mapping[str, tuple[Any, Any]]]  # by scope and key, both values


def preview_lines(preview: Preview) -> list[str]:
    """Say what goes back, what goes along, what stays done."""
    if preview.is_empty:
        return [f"the team stands at checkpoint {preview.cut.label} already; there is nothing to do"]
    return [printable(line) for line in _lines(preview)]


def _lines(preview: Preview) -> Iterator[str]:
    cut = preview.cut
    exact = "" if cut.is_exact else " (some agents were in the middle of something: see checkpoints show)"
    yield f"checkpoint {cut.label} of {cut.at}{exact}"
    for agent, loss in preview.losses.items():
        dragged = " (goes along: it knows of what is taken back)" if agent in preview.dragged else ""
        yield f"  {agent}: {_loss_words(loss)}{dragged}"
    reopened = sorted({task for loss in preview.losses.values() for task in loss.reopened})
    if reopened:
        yield f"  tasks open again: {', '.join(reopened)}"
    if preview.people:
        yield "  what you wrote to agents since is set aside"
    if preview.plan.specs:
        yield f"  as they were then: {', '.join('spec/' + rel for rel in sorted(preview.plan.specs))}"
    if preview.cost_usd or preview.tokens:
        yield f"  spent since and gone: {preview.cost_usd:.2f} USD, {preview.tokens:,} tokens"
    yield from _outside_lines(preview)


def _loss_words(loss: AgentLoss) -> str:
    counted = [_some(count, what) for what, count in sorted(loss.counts.items())]
    return ", ".join([f"{_some(loss.lines, 'line')} back", *counted]) if loss.lines else "to where it stood"


def _outside_lines(preview: Preview) -> Iterator[str]:
    outside = [f"{agent}: {what}" for agent, loss in preview.losses.items() for what in loss.outside]
    outside += [
        f"{agent}: what {_some(loss.counts['step'], 'step')} did outside of the tree"
        for agent, loss in preview.losses.items()
        if loss.counts.get("step")
    ]
    if not outside:
        return
    yield "  cannot be undone:"
    for what in outside[:_MOST_OUTSIDE]:
        yield f"    {what}"
    if len(outside) > _MOST_OUTSIDE:
        yield f"    and {len(outside) - _MOST_OUTSIDE} more (--json has all)"


def preview_json(preview: Preview) -> dict[str, object]:
    """Tell a preview as one JSON object."""
    return {
        "checkpoint": preview.cut.number,
        "name": preview.cut.name,
        "back": preview.plan.back or None,
        "agents": {
            agent: {
                "lines": loss.lines,
                **{key: loss.counts.get(key, 0) for key in ("step", "turn", "message", "discovery")},
                "reopened": list(loss.reopened),
                "outside": list(loss.outside),
                "dragged": agent in preview.dragged,
            }
            for agent, loss in preview.losses.items()
        },
        "specs": sorted(preview.plan.specs),
        "mail_set_aside": [f"{move.box}/{move.sender}" for move in preview.plan.mail],
        "cost_usd": preview.cost_usd,
        "tokens": preview.tokens,
    }


def cut_lines(cuts: Sequence[TeamCut], problems: Iterable[str]) -> list[str]:
    """Write a line for each checkpoint, the newest last."""
    rows = [("CHECKPOINT", "WHEN (UTC)", "EXACT", "TASKS", "USD", "WHY")] if cuts else []
    for cut in cuts:
        tasks = [phase for agent in cut.agents.values() for phase in agent.tasks.values()]
        mark = "*" if cut.pinned else ""
        rows.append(
            (
                cut.label + mark,
                cut.at[:19],
                "yes" if cut.is_exact else "no",
                f"{sum(phase == 'done' for phase in tasks)}/{len(tasks)}",
                f"{cut.cost_usd or 0:.2f}",
                cut.why,
            )
        )
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(6)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return [printable(line) for line in [*lines, *problems]] or [
        "no checkpoints yet; make one: maos-sup checkpoint"
    ]


def cut_details(cut: TeamCut) -> list[str]:
    """Tell one checkpoint to people."""
    lines = [f"checkpoint {cut.label}, {cut.at}, by {cut.by}: {cut.why}"]
    for agent, each in cut.agents.items():
        tasks = ", ".join(f"{task} {phase}" for task, phase in sorted(each.tasks.items())) or "no task begun"
        exact = "exact" if each.settling is None else f"settling: {each.settling}"
        at = f"attempt {each.place.attempt}, line {each.place.seq}" if each.place.attempt else "not begun"
        lines.append(f"  {agent} ({each.kind}): {at}; {tasks}; {exact}")
    if cut.in_flight:
        lines.append(
            f"  mail under way: {', '.join(f'{key} {n}' for key, n in sorted(cut.in_flight.items()))}"
        )
    return [printable(line) for line in [*lines, *(f"  {note}" for note in cut.notes)]]


def _some(count: int, what: str) -> str:
    return (
        f"{count} {what}" if count == 1 else f"{count} {'discoveries' if what == 'discovery' else what + 's'}"
    )


def difference_lines(
    left: Side,
    right: Side,
    found: Mapping[str, AgentDifference],
    specs: Sequence[str],
    parts: frozenset[str],
    *,
    shared: Shared | None = None,
    redact: Redact = as_it_is,
) -> list[str]:
    """Say what differs, to be read in ten seconds: one head, a few lines for each agent that differs.

    Values go through `redact` before they are shortened, or half a secret would pass.
    """
    shared = (shared or {}) if "state" in parts else {}
    differing = {agent: each for agent, each in found.items() if not each.is_empty}
    lines = [f"{left.label} ({left.cut.at})  ->  {right.label} ({right.cut.at})"]
    if not differing and not shared and not (specs and "specs" in parts):
        return [*lines, "no difference"]
    for agent, each in differing.items():
        lines += _agent_difference(agent, each, parts, redact)
    same = len(found) - len(differing)
    if same:
        lines.append(f"{_some(same, 'agent')} the same")
    for scope, changed in shared.items():
        lines += [
            f"{scope} {key!r}: {_short(redact(old))} -> {_short(redact(new))}"
            for key, (old, new) in changed.items()
        ]
    if specs and "specs" in parts:
        lines.append(f"specs that differ: {', '.join(specs)}")
    return [printable(line) for line in lines]


def _agent_difference(
    agent: str, each: AgentDifference, parts: frozenset[str], redact: Redact
) -> Iterator[str]:
    if "agents" in parts:
        yield f"{agent}: {_some(each.common, 'line')} in common, then {each.lines[0]} and {each.lines[1]}"
        for sign, line in zip("-+", each.first, strict=True):
            if line is not None:
                yield f"  {sign} {line}"
    for part, word, changed in (
        ("tasks", "task", each.tasks),
        ("tasks", "result of", each.results),
        ("state", "state", each.state),
    ):
        for key, (old, new) in changed.items() if part in parts else ():
            yield f"  {word} {key}: {_short(redact(old))} -> {_short(redact(new))}"
    if "mail" in parts and each.messages != (0, 0):
        yield f"  messages sent since: {each.messages[0]} and {each.messages[1]}"
    if "cost" in parts and (each.cost_usd[0] != each.cost_usd[1] or each.tokens[0] != each.tokens[1]):
        usd, tokens = each.cost_usd, each.tokens
        yield f"  cost: {usd[0]:.2f} -> {usd[1]:.2f} USD, {tokens[0]} -> {tokens[1]} tokens"


def difference_json(
    left: Side,
    right: Side,
    found: Mapping[str, AgentDifference],
    specs: Sequence[str],
    parts: frozenset[str],
    *,
    shared: Shared | None = None,
) -> dict[str, object]:
    """Tell a difference as one JSON object."""
    agents = {
        agent: {
            "common": each.common,
            "lines": list(each.lines),
            "first": list(each.first),
            **({"tasks": _pairs(each.tasks), "results": _pairs(each.results)} if "tasks" in parts else {}),
            **({"state": _pairs(each.state)} if "state" in parts else {}),
            **({"messages": list(each.messages)} if "mail" in parts else {}),
            **({"cost_usd": list(each.cost_usd), "tokens": list(each.tokens)} if "cost" in parts else {}),
        }
        for agent, each in found.items()
    }
    told: dict[str, object] = {"left": left.label, "right": right.label, "agents": agents}
    if shared and "state" in parts:
        told["shared"] = {scope: _pairs(changed) for scope, changed in shared.items()}
    return {**told, "specs": list(specs)} if "specs" in parts else told


def _pairs(changed: Mapping[str, tuple[Any, Any]]) -> dict[str, list[Any]]:
    return {key: list(pair) for key, pair in changed.items()}


def _short(value: object) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
