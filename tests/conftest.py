"""Fixtures that tests of running orchestrations share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from orchestra import Orchestra, PlacedOrchestra
from real_programs import pinned
from slurm_cluster import SlurmCluster, running_cluster

# A machine that is busy draws slowly: how long it takes is no fault of a test.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# Under nohup SIGHUP is ignored, in the background of a script SIGINT and SIGQUIT; and so they would be by
# everything that the tests start.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


PORTABLE = os.environ.get("MAOS_SUP_SYSTEM") == "portable"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under MAOS_SUP_SYSTEM=portable, skip what cannot be had without Linux: `linux(reason)` says why."""
    for item in items if PORTABLE else ():
        for mark in item.iter_markers("linux"):
            item.add_marker(pytest.mark.skip(reason=f"only Linux has it: {mark.args[0]}"))


@pytest.fixture
def orchestra(tmp_path: Path) -> Iterator[Orchestra]:
    """An orchestration of this test; whatever it leaves running is ended after it."""
    made = Orchestra(tmp_path)
    try:
        yield made
    finally:
        made.end_all()


@pytest.fixture(scope="module")
def cluster() -> Iterator[SlurmCluster]:
    """A Slurm of this module: a controller and two nodes. A test that changes it changes it back."""
    with running_cluster() as made:
        yield made


@pytest.fixture
def placed_team(cluster: SlurmCluster, tmp_path: Path) -> Iterator[PlacedOrchestra]:
    """An orchestration of this test whose agents, and commands, are the cluster's."""
    made = PlacedOrchestra(tmp_path)
    made.environment |= cluster.environment
    try:
        yield made
    finally:
        made.end_all()


@pytest.fixture
def program() -> Callable[[str], str]:
    """Find a real program of tests/programs/pins.toml; a test that asks for a missing one is skipped."""

    def find(name: str) -> str:
        one = pinned()[name]
        if one.installed_version is None:
            pytest.skip(f"{name} is not installed (make programs)")
        return str(one.path)

    return find
