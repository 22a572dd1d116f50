"""Lay a moment out in a folder, for a check: the tree as it was, and what each agent's records say by then.

<folder>/tree/            a fork at the moment, paused: every command works on it
<folder>/agents/A.jsonl   the journal lines of agent A that count
<folder>/agents/A.json    phase, result and error of its tasks, its state, cost and tokens
"""

from __future__ import annotations

import shutil
from pathlib import Path

from maos_sup.cuts.forking import fork
from maos_sup.cuts.places import Place, lines_up_to
from maos_sup.cuts.record import TeamCut
from state_layout.errors import storage_error
from state_layout.files import atomic, codec
from state_layout.files.looking import exists
from state_layout.lives.history import History
from state_layout.paths import Tree


def lay_out(tree: Tree, cut: TeamCut, folder: Path) -> Tree:
    """Make `folder` hold `tree` as it was at `cut`, in place of what was there; the fork in it.

    Raises BadInput, Damaged, StorageError; whoever was killed in it begins again.
    """
    try:
        clear(folder)
        made = fork(
            tree,
            cut,
            folder / "tree",
            id_=f"{tree.root.name}-then",
            change=_paused,
            memory=None,
            is_durable=False,
        )
        atomic.make_folder(folder / "agents")
        for agent, each in cut.agents.items():
            _write_records(tree, agent, each.place, folder / "agents")
    except OSError as cause:
        raise storage_error("lay out in", folder, cause) from cause
    return made


def clear(folder: Path) -> None:
    """Remove what was laid out in `folder`. Raises OSError."""
    for old in (folder / "tree", folder / "agents"):
        if exists(old):
            shutil.rmtree(old)


def _paused(spec: dict[str, object]) -> dict[str, object]:
    return {**spec, "want": "pause"}


def _write_records(tree: Tree, agent: str, place: Place, folder: Path) -> None:
    history, raw = History(), list[bytes]()
    for _, line in lines_up_to(tree, agent, place):
        history.take(line)
        history.unmailed.clear()
        raw.append(line.raw.rstrip(b"\n") + b"\n")
    tasks = {
        task: {"phase": each.phase.value, "result": each.result, "error": each.error}
        for task, each in history.tasks.items()
    }
    told = {"state": history.state, "cost_usd": history.cost_usd, "tokens": history.tokens}
    (folder / f"{agent}.jsonl").write_bytes(b"".join(raw))
    (folder / f"{agent}.json").write_bytes(codec.encode_pretty({"tasks": tasks, **told}))
