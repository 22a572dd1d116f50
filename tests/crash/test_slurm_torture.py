"""The troupe as jobs of a real Slurm: agents, supervisor and daemons killed, jobs cancelled, nodes set down.

Then every promise is held against the ledgers outside. MAOS_SUP_TORTURE_ROUNDS chooses another length.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from chaos import Chaos
from orchestra import wait_for
from slurm_cluster import NODES, SlurmCluster, running_cluster
from troupe import Troupe
from verdict import problems

SEED = int(os.environ.get("MAOS_SUP_TORTURE_SEED", "2"))


class PlacedTroupe(Troupe):
    """A troupe whose agents Slurm places."""

    def start(self, agents: dict[str, Any], tasks: list[dict[str, Any]] | None = None, **more: Any) -> None:
        outside = {"OUT": "OUT"}
        placed = {name: {**agent, "env_from": outside} for name, agent in agents.items()}
        intervals = {**more.pop("intervals"), "lease_s": 4}
        place = {"mem_gib": 0.1}
        super().start(placed, tasks, launcher="slurm", place=place, intervals=intervals, **more)


class ClusterChaos(Chaos):
    """Harm that a cluster does."""

    def __init__(self, troupe: Troupe, random: Random, cluster: SlurmCluster) -> None:
        super().__init__(troupe, random)
        self._cluster = cluster
        self._ways: list[Callable[[], None]] = []

    def round(self) -> None:
        if not self._ways:
            self._ways = [
                self.kill_agents,
                self.kill_programs,
                self.kill_supervisor,
                self.kill_supervisor_then_agents,
                self.kill_and_delete_run,
                self.cancel_jobs,
                self.kill_controller,
                self.kill_node_daemon,
                self.set_node_down,
            ]
            self._random.shuffle(self._ways)
        way = self._ways.pop()
        self._let_pass(1.0)
        self.rounds_log.append(way.__name__)
        way()
        assert not self._troupe.violations(), self._troupe.violations()

    def cancel_jobs(self) -> None:
        self._cluster.ask("scancel", "--user", str(os.getuid()))

    def kill_controller(self) -> None:
        self._cluster.kill_daemon("slurmctld")
        self._let_pass(2.0)
        self._cluster.start_controller()
        self._cluster.wait_answer()

    def kill_node_daemon(self) -> None:
        node = self._random.choice(NODES)
        self._cluster.kill_daemon(node)
        self._let_pass(2.0)
        self._cluster.start_node(node)

    def set_node_down(self) -> None:
        node = self._random.choice(NODES)
        self._cluster.ask("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        self._let_pass(2.0)
        with suppress(AssertionError):  # it may be back by itself
            self._cluster.ask("scontrol", "update", f"nodename={node}", "state=resume")


@pytest.fixture
def cluster() -> Iterator[SlurmCluster]:
    with running_cluster() as made:
        yield made


@pytest.fixture
def placed_troupe(cluster: SlurmCluster, tmp_path: Path) -> Iterator[PlacedTroupe]:
    made = PlacedTroupe(tmp_path)
    made.environment |= cluster.environment
    try:
        yield made
    finally:
        made.end_all()


ROUNDS = int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "9"))


@pytest.mark.timeout(200 + 40 * ROUNDS)
def test_nothing_is_lost_or_doubled_whatever_a_cluster_does(
    placed_troupe: PlacedTroupe, cluster: SlurmCluster
) -> None:
    troupe = placed_troupe
    chaos = ClusterChaos(troupe, Random(SEED), cluster)
    troupe.begin()
    troupe.wait_progress(deadline_s=60)
    try:
        for _ in range(ROUNDS):
            chaos.round()
            troupe.wait_progress(deadline_s=60)
        troupe.finish()
        troupe.wait_rest("done", deadline_s=60)
    except BaseException:
        print(f"seed {SEED}, rounds: {' '.join(chaos.rounds_log)}\n{cluster.told()}")  # noqa: T201
        raise
    assert problems(troupe) == []
    wait_for(lambda: not cluster.jobs(), "no job is left in the queue")
    troupe.assert_sound()
