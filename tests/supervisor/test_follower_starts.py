"""A follower that ends at once each time is started ever more seldom; one that lived is replaced at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from orchestra import wait_for
from recorded import made_tree

from maos_sup.supervisor.mirroring import Mirroring
from state_layout.files.locks import is_free, take_life_lock
from state_layout.records import Telemetry


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


def test_who_ends_at_once_is_started_ever_more_seldom_and_who_lived_at_once(tmp_path: Path) -> None:
    tree, now_s, starts = made_tree(tmp_path), [100.0], list[float]()  # its spec asks for no spans: each ends
    mirroring = Mirroring(tree, clock=lambda: now_s[0])
    log, lock = tree.otel_file("log"), tree.otel_file("lock")

    def look_until(end_s: float) -> None:
        while now_s[0] < end_s:
            log.unlink(missing_ok=True)
            mirroring.look(Telemetry(endpoint="http://127.0.0.1:9"))
            if log.exists():  # whoever is started has a log
                starts.append(now_s[0])
                wait_for(lock.exists, "it began")
                wait_for(lambda: is_free(lock), "it ended")
                lock.unlink()
            now_s[0] += 5.0

    look_until(300.0)
    assert starts == [100.0, 105.0, 115.0, 135.0, 175.0, 255.0]
    held = take_life_lock(lock)  # one that lives
    look_until(400.0)
    held.release()
    look_until(405.0)
    assert starts[6:] == [400.0]
