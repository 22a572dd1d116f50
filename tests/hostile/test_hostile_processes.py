"""Real supervisors on trees in ruins: they end with a word, or live on and say why; never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from orchestra import REPOSITORY, wait_for
from ordeal import DOCUMENTED, Ordeal
from processes import kill, with_mark
from torments import footprint, torments

from state_layout.host.marks import mark_prefix

RUINS = (
    ("agents/alice/lock", "pipe"),
    ("agents/alice/attempts/0002/journal.jsonl", "pipe"),
    ("agents/bob", "link_out"),
    ("mail", "link_out"),
    ("run", "link_to_new"),
    ("spec/orchestration.json", "pipe"),
    ("supervisor/lives/0002/journal.jsonl", "endless"),
    ("supervisor/restored.json", "y_wrong_types"),
    ("supervisor/status.json", "as_the_other"),
)


@pytest.mark.parametrize(("rel", "name"), RUINS, ids=lambda value: str(value))
def test_supervisor_of_a_tree_in_ruins_says_so(trial: Ordeal, rel: str, name: str) -> None:
    torments()[name](trial.tree.root / rel, trial.elsewhere)
    before = footprint(trial.elsewhere)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "MAOS_SUP_HOME": str(trial.home)}
    log = trial.folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "maos_sup", "supervise", str(trial.tree.root)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=environment,
            start_new_session=True,
        )
    try:
        wait_for(lambda: process.poll() is not None or log.read_text(), "an end, or a word", deadline_s=60)
        if process.poll() is None:
            process.terminate()
        assert process.wait(60) in DOCUMENTED | {-signal.SIGTERM}
    finally:
        kill(process.pid, *with_mark(mark_prefix(trial.tree)))
        process.wait(20)
    assert "Traceback" not in log.read_text()
    assert "this is a bug" not in log.read_text()
    assert footprint(trial.elsewhere) == before
