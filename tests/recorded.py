"""Trees for tests of what is seen: records written by the real writers, no process behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from state_layout.files import atomic, codec
from state_layout.lives.attempts import Attempt, begin_attempt, recall, seal_exit
from state_layout.paths import Tree
from state_layout.tree.making import create_tree

Lines = Sequence[tuple[str, dict[str, Any]]]
ID = "20261121-0142-audit-7f3k"


def made_tree(
    folder: Path,
    agents: Mapping[str, dict[str, Any]] | None = None,
    tasks: Mapping[str, dict[str, Any]] | None = None,
    **orchestration: Any,
) -> Tree:
    """A tree of these specs; of alice and bob, whose task needs hers, by default."""
    agents = agents or {name: {"kind": "command", "command": ["true"]} for name in ("alice", "bob")}
    return create_tree(
        folder / ID,
        orchestration={"id": ID, "request": "Audit this", **orchestration},
        agents=agents,
        tasks=tasks
        or {
            "count": {"agent": "alice", "description": "Count"},
            "report": {"agent": "bob", "description": "Report", "needs": ["count"]},
        },
    )


def lived(
    tree: Tree, agent: str, lines: Lines, *, reason: str | None = "parked", also: dict[str, Any] | None = None
) -> Attempt:
    """Let an agent live for these journal lines; `reason` None: it died without a word."""
    before = recall(tree, agent)
    attempt = begin_attempt(tree, agent, recall=before, settings={}, also=also)
    for type_, fields in lines:
        attempt.journal.append(type_, fields)
    attempt.journal.sync()
    attempt.journal.close()
    if reason is not None:
        seal_exit(tree, agent, attempt.number, by="agent", reason=reason)
    else:
        seal_exit(tree, agent, attempt.number, by="supervisor", reason="lost")
    publish(tree, agent, attempt.number)
    return attempt


def publish(tree: Tree, agent: str, attempt: int) -> None:
    """Write the snapshot that the agent would have left."""
    history = recall(tree, agent).history
    value = {
        "attempt": attempt,
        "tasks": {
            task: {
                "phase": str(outcome.phase),
                "run": outcome.run,
                "attempts": outcome.attempts,
                "result": outcome.result,
                "error": outcome.error,
                "elapsed_s": outcome.elapsed_s,
            }
            for task, outcome in history.tasks.items()
        },
        "questions": list(history.questions.values()),
        "sent": history.sent_count,
        "received": history.received,
        "artifacts": history.artifacts,
        "cost_usd": history.cost_usd,
        "tokens": history.tokens,
    }
    atomic.make_folder(tree.agent(agent).status.parent)
    atomic.refresh(tree.agent(agent).status, codec.encode(value))


def task(name: str, phase: str, **more: Any) -> tuple[str, dict[str, Any]]:
    """A line about a task."""
    return "task", {"task": name, "run": 1, "phase": phase, **more}


def asked(name: str, key: str) -> tuple[str, dict[str, Any]]:
    """The intent to ask a model."""
    return "request", {"task": name, "run": 1, "n": 1, "key": key, "purpose": "turn"}


def answer(name: str, key: str, cost_usd: float | None = 0.01, **more: Any) -> tuple[str, dict[str, Any]]:
    """An answer of a model, of 100 tokens; `cost_usd` None: nobody knows its price."""
    money = {"cost": "unknown"} if cost_usd is None else {"cost_usd": cost_usd}
    told = {"role": "assistant", "key": key, "blocks": 0, "stop_reason": "end_turn", "tokens": 100}
    usage = {"usage": {"input_tokens": 70, "output_tokens": 20}}
    return "turn", {"task": name, "run": 1, "n": 1, **told, **usage, **money, **more}
