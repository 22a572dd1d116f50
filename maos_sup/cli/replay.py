"""`replay`: fold all records again, from the first line; no model is asked, nothing is run."""

from __future__ import annotations

import click

from maos_sup.cli import edge, options
from maos_sup.cli.places import tree_or_default
from maos_sup.cli.says import say, say_json
from maos_sup.cuts import store
from maos_sup.cuts.replaying import Replay, replay
from maos_sup.views.events import counted
from maos_sup.views.files import printable


@click.command("replay")
@options.directory_or_default
@click.option("--until", metavar="CHECKPOINT", help="Only up to this moment.")
@click.option("--verify", "is_verified", is_flag=True, help="Hold compactions, mail and marks against it.")
@options.as_json
def command(directory: str | None, *, until: str | None, is_verified: bool, as_json: bool) -> int:
    """Fold the records of every agent again; name the first line of each that does not follow.

    Ends with 0 if all follow, else with 12.
    """
    tree = tree_or_default(directory)
    cut = None if until is None else store.find(tree, until)
    told = replay(tree, until=cut, is_verified=is_verified)
    if as_json:
        say_json({agent: _json(each) for agent, each in told.items()})
    else:
        say("\n".join(printable(line) for agent, each in told.items() for line in _lines(agent, each)))
    return edge.DAMAGED if any(each.faults for each in told.values()) else edge.OK


def _lines(agent: str, each: Replay) -> list[str]:
    """Tell people what became of one agent."""
    history = each.history
    tasks = ", ".join(f"{task} {outcome.phase.value}" for task, outcome in sorted(history.tasks.items()))
    messages = sum(map(len, each.sent.values()))
    lines, sent = counted(each.lines, "line"), counted(messages, "message")
    told = f"{lines}; {tasks or 'no task begun'}; {sent} sent, {history.received} read"
    faults = [f"  does not follow: {fault}" for fault in each.faults]
    return [f"{agent}: {told}; {history.cost_usd:.2f} USD, {history.tokens} tokens", *faults]


def _json(each: Replay) -> dict[str, object]:
    """Tell a replay as JSON."""
    history = each.history
    return {
        "lines": each.lines,
        "seq": history.seq,
        "h": history.h,
        "tasks": {task: outcome.phase.value for task, outcome in sorted(history.tasks.items())},
        "state": history.state,
        "sent": sum(map(len, each.sent.values())),
        "received": history.received,
        "cost_usd": history.cost_usd,
        "tokens": history.tokens,
        "faults": [{"path": fault.path, "seq": fault.seq, "what": fault.what} for fault in each.faults],
    }
