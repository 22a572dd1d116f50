"""A company as jobs of a real Slurm: agents, supervisor and daemons killed, jobs cancelled, nodes set down.

Then every promise is held against the ledgers outside. MAOS_SUP_TORTURE_ROUNDS chooses another length (from
LONG on there are forty agents), MAOS_SUP_TORTURE_SEED another order.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from chaos import Chaos
from company import Company
from orchestra import wait_for
from processes import kill
from slurm_cluster import NODES, SlurmCluster
from verdict import problems

SEED = int(os.environ.get("MAOS_SUP_TORTURE_SEED", "2"))
SHORT, LONG = 10, 50
ROUNDS = int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", SHORT))
SIZE = 40 if ROUNDS >= LONG else 12
PATIENCE_S = 120 if ROUNDS >= LONG else 60


class ClusterChaos(Chaos):
    """Harm that a cluster does."""

    def __init__(self, company: Company, random: Random, cluster: SlurmCluster) -> None:
        super().__init__(company, random)
        self._company, self._cluster = company, cluster
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
                self.freeze_agents_of_a_lost_node,
            ]
            self._random.shuffle(self._ways)
        way = self._ways.pop()
        self._let_pass(1.0)
        self.rounds_log.append(way.__name__)
        way()
        assert not self._company.violations(), self._company.violations()

    def cancel_jobs(self) -> None:
        self._cluster.ask("scancel", "--user", str(os.getuid()))

    def kill_controller(self) -> None:
        self._cluster.kill_daemon("slurmctld")
        if self._random.random() < 0.5:
            kill(*self._some([*self._company.pids().values()]))
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
        self._set_up(node)

    def freeze_agents_of_a_lost_node(self) -> None:
        """They wake up when others may have taken their place."""
        node = self._random.choice(NODES)
        self._cluster.kill_daemon(node)
        frozen = {name: lease for name, lease in self._company.leases().items() if lease.host == node}
        pids = [lease.pid for lease in frozen.values()]
        kill(*pids, with_signal=signal.SIGSTOP)
        before = self._company.attempts()
        self._cluster.ask("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        if frozen:
            self._company.wait(
                lambda: any(self._company.attempts()[name] > before[name] for name in frozen),
                f"a successor of {sorted(frozen)}",
                deadline_s=PATIENCE_S,
            )
        self._let_pass(2.0)
        kill(*pids, with_signal=signal.SIGCONT)
        self._cluster.start_node(node)
        self._set_up(node)

    def _set_up(self, node: str) -> None:
        with suppress(AssertionError):  # it may be back by itself
            self._cluster.ask("scontrol", "update", f"nodename={node}", "state=resume")


@pytest.fixture
def company(cluster: SlurmCluster, tmp_path: Path) -> Iterator[Company]:
    made = Company(tmp_path)
    made.environment |= cluster.environment
    try:
        yield made
    finally:
        made.end_all()


@pytest.mark.timeout(400 + 60 * ROUNDS)
def test_nothing_is_lost_or_doubled_whatever_a_cluster_does(company: Company, cluster: SlurmCluster) -> None:
    chaos = ClusterChaos(company, Random(SEED), cluster)
    company.staff(SIZE)
    company.begin(pace_s=0.01 if ROUNDS < LONG else 1.0)
    company.wait_progress(deadline_s=PATIENCE_S)
    try:
        with cluster.tended():
            for number in range(ROUNDS):
                chaos.round()
                if number % 4 == 1:
                    company.settle_one()
                company.wait_progress(deadline_s=PATIENCE_S)
            company.finish()
            company.wait_rest("done", deadline_s=PATIENCE_S)
    except BaseException:
        print(f"seed {SEED}, rounds: {' '.join(chaos.rounds_log)}\n{cluster.told()}")  # noqa: T201
        raise
    assert problems(company) == []
    wait_for(lambda: not cluster.jobs(), "no job is left in the queue")
    company.assert_sound()
