"""Clocks that jump: time limits are of monotonic clocks; a wall clock changes only what people are shown."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
from ordeal import LOOKS, Ordeal

from state_layout.specs.read import SpecCache

ROOT = Path(__file__).resolve().parents[2]
WALL = {"time.time", "time.time_ns", "datetime.now", "datetime.today", "datetime.utcnow"}
# Where a wall clock is read, and why nothing that is decided hangs on it:
ALLOWED = {
    "maos_sup/backups/leases.py": "whether a prune lives, for who may only read: it is told",
    "state_layout/lives/snapshot_reader.py": "whether a snapshot is young: read again if in doubt",
    "maos_sup/agents/kinds/shared/waiting.py": "shows when it goes on",
    "maos_sup/agents/kinds/claude/talk.py": "a limit that a provider told as a time of day",
    "maos_sup/views/render.py": "shows ages",
    "maos_sup/standing/agents.py": "shows whether an agent lives on another machine",
    "maos_sup/cli/report.py": "says when it was made, and draws until now",
    "maos_sup/cli/cost.py": "what is spent an hour",
    "maos_sup/web/app.py": "draws until now",
    "maos_sup/cli/metrics.py": "how old the oldest question is",
    "maos_sup/web/shown.py": "what is spent an hour",
    "maos_sup/web/acts.py": "the name of a tree",
    "maos_sup/integrations/claude_sdk/transcript.py": "stamps, made to grow",
    "maos_sup/cli/cleanup.py": "the age of trees, which a person asked for in days",
    "maos_sup/cli/messages.py": "--since",
    "maos_sup/cli/edge.py": "the name of a file",
    "maos_sup/cli/run.py": "the name of a tree",
    "maos_sup/cli/planning.py": "the name of a plan",
    "maos_sup/cli/follow.py": "shows the time",
    "maos_sup/cli/logs.py": "--since, --until",
    "state_layout/specs/read.py": "whether a file is young: read again if in doubt",
    "state_layout/specs/of_agent.py": "whether a file is young: read again if in doubt",
    "state_layout/files/chain.py": "`at`, for people",
    "maos_sup/cli/fork.py": "the names of trees",
    "maos_sup/views/status.py": "for how long a task has run, shown",
    "state_layout/scopes/store.py": "whether a folder is young: read again if in doubt",
    "maos_sup/integrations/langgraph/memories.py": "how long values are to live, a time of day",
    "maos_sup/workspaces/store.py": "whether a content that nobody names may be in the making",
    "maos_sup/workspaces/snapshots.py": "whether a file is young: read again if in doubt",
    "maos_sup/workspaces/refs.py": "the stamp of a reflog",
    "maos_sup/loopback/dialects/chat.py": "the stamp of an answer, as its server gives one",
    "maos_sup/loopback/dialects/responses.py": "the stamp of an answer, as its server gives one",
    "state_layout/host/triggers.py": "whether a folder is being made: swept later if in doubt",
    "state_layout/check/walk.py": "whether a temporary is old",
    "maos_sup/backups/syncing.py": "says when what is synced has moved",
    "maos_sup/backups/saving.py": "the name of a backup; whether a file is young: read again if in doubt",
}


def wall_clocks(source: str) -> list[int]:
    """The lines that read a wall clock."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in WALL
    ]


def test_wall_clocks_are_read_only_where_nothing_is_decided_by_them() -> None:
    assert wall_clocks("import time\nx = time.time()\ny = time.monotonic()") == [2]
    found = {
        str(path.relative_to(ROOT))
        for package in ("maos_sup", "state_layout")
        for path in (ROOT / package).rglob("*.py")
        if wall_clocks(path.read_text())
    }
    assert found - ALLOWED.keys() == set(), "judge by time.monotonic(), or say here why not"


@pytest.mark.parametrize("jump_s", [-(10**9), 10**9])
def test_an_edit_is_seen_whatever_the_clock_says(trial: Ordeal, jump_s: int) -> None:
    now_ns = [1_800_000_000 * 10**9]
    specs = SpecCache(trial.tree, clock_ns=lambda: now_ns[0])
    assert specs.read().specs.tasks["count"].run == 1
    now_ns[0] += jump_s * 10**9
    path = trial.tree.task_spec("count")
    stamp = path.stat().st_mtime_ns
    path.write_text('{"agent": "alice", "run": 2}')
    os.utime(path, ns=(stamp, stamp))
    assert specs.read().specs.tasks["count"].run == 2


@pytest.mark.parametrize("seconds", [-(9 * 10**9), 0, 10**10, 10**13])
def test_stamps_of_any_year_are_shown(trial: Ordeal, seconds: int) -> None:
    for path in [trial.tree.root, *trial.tree.root.rglob("*")]:
        if not path.is_symlink():
            os.utime(path, (seconds, seconds))
    broken = [told for words in LOOKS if (told := trial.broken_by(words))]
    assert not broken, broken[0]
