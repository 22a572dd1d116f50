"""Looks at teams of any size in every phase, for pictures that do not change from run to run."""

from __future__ import annotations

from typing import Any

from maos_sup.views.screen.state import Look, News

PHASES = (
    "running",
    "asking",
    "failed",
    "waiting",
    "done",
    "backoff",
    "slow",
    "hung",
    "paused",
    "queued",
    "starting",
    "stopped",
    "parked",
)
TASK_PHASES = {
    "running": "running",
    "asking": "asking",
    "failed": "failed",
    "waiting": "waiting",
    "done": "done",
    "backoff": "running",
    "slow": "running",
    "hung": "running",
    "paused": "interrupted",
    "queued": "ready",
    "starting": "ready",
    "stopped": "interrupted",
    "parked": "waiting",
}
NAMES = ("architect", "backend-developer", "dba", "migrator", "builder", "tester", "写真家", "writer")
QUESTION = (
    "Which database shall I use for the payment module, sqlite or postgres? Postgres is what production "
    "has; sqlite is quicker for tests."
)


def agent(number: int, phase: str) -> dict[str, Any]:
    """One agent in a phase."""
    name = NAMES[number] if number < len(NAMES) else f"worker-{number}"
    asked = {"id": f"{name}-d0efd5eea63b", "text": QUESTION, "task": f"t{number}"}
    at_work = phase in ("running", "asking", "slow", "hung", "backoff")
    reasons = {"failed": "the program ended with exit code 7", "backoff": "exit code 1; again in 4 s"}
    return {
        "name": name,
        "kind": "command",
        "role": "",
        "want": "run",
        "phase": phase,
        "reason": reasons.get(phase),
        "pid": 4000 + number if at_work else None,
        "attempt": 3 if phase == "failed" else 1,
        "restarts": 0,
        "task": f"t{number}" if at_work else None,
        "progress": 0.1 * (number % 10) if phase == "running" else None,
        "note": None,
        "last_output_at": None,
        "last_line": f"reading file {number} of a rather long list of files in the project"
        if at_work
        else None,
        "messages": number % 3,
        "sent": number % 3,
        "received": number % 2,
        "discoveries": 0,
        "last_discovery": None,
        "artifacts": [],
        "questions": [asked] if phase == "asking" else [],
        "cost_usd": 0.0125 * (number % 5),
        "tokens": 1234 * (number % 5),
    }


def task(number: int, of: dict[str, Any]) -> dict[str, Any]:
    """The task of an agent."""
    phase = TASK_PHASES[of["phase"]]
    return {
        "id": f"t{number}",
        "agent": of["name"],
        "description": "do it",
        "want": "run",
        "phase": phase,
        "run": 1,
        "needs": [f"t{number - 1}"] if number else [],
        "progress": 1.0 if phase == "done" else None,
        "attempts": of["attempt"],
        "result": None,
        "error": of["reason"] if phase == "failed" else None,
        "exit_code": None,
        "signal": None,
        "elapsed_s": 7.5 * number if phase not in ("waiting", "ready") else 0.0,
    }


def look(*phases: str) -> Look:
    """A look at a team whose agents are in these phases."""
    agents = [agent(number, phase) for number, phase in enumerate(phases)]
    tasks = [task(number, of) for number, of in enumerate(agents)]
    by_phase: dict[str, int] = {}
    for one in tasks:
        by_phase[one["phase"]] = by_phase.get(one["phase"], 0) + 1
    status = {
        "id": "20261129-0259-refactor-payment-module-ws5y",
        "request": "Refactor the payment module: add currencies, tests and documentation, and see that "
        "nothing breaks for the existing customers",
        "want": "run",
        "phase": "running",
        "directory": "/home",
        "project": None,
        "budget": {"max_cost_usd": 5.0, "max_tokens": None},
        "created_at": None,
        "supervisor": {"alive": True, "pid": 1, "life": 1},
        "agents": agents,
        "tasks": tasks,
        "questions": [question for of in agents for question in of["questions"]],
        "spec_errors": [],
        "notes": [],
        "counts": {
            "agents": len(agents),
            "alive": sum(of["pid"] is not None for of in agents),
            "tasks": len(tasks),
            "tasks_left": sum(one["phase"] not in ("done", "failed") for one in tasks),
            "tasks_by_phase": by_phase,
            "messages": sum(of["sent"] for of in agents),
            "cost_usd": sum(of["cost_usd"] for of in agents),
            "tokens": sum(of["tokens"] for of in agents),
        },
    }
    figures = {
        of["name"]: {"cpu": 0.05 * (number % 7), "memory_bytes": 20e6 + 1e6 * number}
        for number, of in enumerate(agents)
        if of["pid"]
    }
    news = tuple(News(f"03:07:{number:02}Z", f"task t{number} running") for number in range(12))
    return Look(
        status=status,
        name=status["id"],
        news=news,
        figures=figures,
        hint="Ctrl+C pauses everything, twice stops; q leaves it running",
    )


TEAMS = {
    "1-running": look("running"),
    "1-asking": look("asking"),
    "8-mixed": look("running", "running", "asking", "failed", "running", "waiting", "done", "waiting"),
    "8-first-phases": look(*PHASES[:8]),
    "8-last-phases": look(*PHASES[-8:]),
    "14-five-ask-one-failed": look(*["running"] * 8, *["asking"] * 5, "failed"),
    "14-every-phase": look(*PHASES, "running"),
    "100-every-phase": look(*(PHASES[number % len(PHASES)] for number in range(100))),
    "100-done": look(*["done"] * 100),
}
