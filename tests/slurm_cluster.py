"""A real Slurm for tests: one controller and two nodes on this host, on free ports, in a folder of its own.

Nothing of the system's configuration is touched, no daemon outlives the test: all run in the foreground of
processes that are ended, with what they started, when the cluster is.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import pytest
from orchestra import wait_for
from processes import kill, with_variable

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "munged")
NODES = ("n1", "n2")
_CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}({addresses[0]})
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge/sock
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmctldPort={ports[0]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,batch_sched_delay=0,defer
ReturnToService=2
SlurmdTimeout={slurmd_timeout_s}
KillWait=3
MpiDefault=none
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname={host} NodeAddr={addresses[0]} Port={ports[1]} CPUs=2 RealMemory=100000
NodeName=n2 NodeHostname={host} NodeAddr={addresses[1]} Port={ports[2]} CPUs=2 RealMemory=100000
PartitionName=agents Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:200
"""


class Hosts(Protocol):
    """Says where the controller with the node n1, and the node n2, are, if not all here."""

    addresses: tuple[str, str]

    def begin(self, node: str) -> list[str]:
        """Give the words that before a command make it run on the host of `node`."""


class Accounts(Protocol):
    """Keeps accounts of the jobs of a cluster."""

    def lines(self) -> str:
        """What the configuration of the cluster says of them."""

    def start(self, cluster: SlurmCluster) -> None:
        """Start what keeps them, by the cluster's `start`, once there is munge."""


class SlurmCluster:
    """The running cluster; `environment` makes Slurm's commands talk to it."""

    def __init__(
        self,
        folder: Path,
        *,
        slurmd_timeout_s: int = 10,
        hosts: Hosts | None = None,
        accounts: Accounts | None = None,
    ) -> None:
        self.folder, self._hosts, self._accounts = folder, hosts, accounts
        self.configuration = folder / "slurm.conf"
        self.environment = {"SLURM_CONF": str(self.configuration)}
        self._daemons = dict[str, subprocess.Popen[bytes]]()
        for name in ("state", "munge", "spool-n1", "spool-n2"):
            (folder / name).mkdir(mode=0o700)
        (folder / "munge/key").write_bytes(os.urandom(1024))
        (folder / "munge/key").chmod(0o600)
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        text = _CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            user=subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip(),
            folder=folder,
            ports=free_ports(3),
            slurmd_timeout_s=slurmd_timeout_s,
            addresses=hosts.addresses if hosts else ("127.0.0.1", "127.0.0.1"),
        )
        self.configuration.write_text(text + (accounts.lines() if accounts else ""))

    def start(self) -> None:
        """Start all daemons, and wait until the nodes take jobs."""
        munge = self.folder / "munge"
        names = ("key-file", "socket", "pid-file", "log-file", "seed-file")
        files = [f"--{name}={munge / name.partition('-')[0]}" for name in names]
        files[1] = f"--socket={munge / 'sock'}"
        self._start("munged", "munged", "--foreground", "--force", *files)
        wait_for(lambda: (munge / "sock").exists(), "munged listens")
        if self._accounts is not None:
            self._accounts.start(self)
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self.wait_nodes("idle", 2)

    def start_controller(self) -> None:
        self._start("slurmctld", *self._on("n1"), "slurmctld", "-D", "-f", str(self.configuration))

    def start_node(self, node: str) -> None:
        self._start(node, *self._on(node), "slurmd", "-D", "-N", node, "-f", str(self.configuration))

    def kill_daemon(self, name: str) -> None:
        """kill -9 of `slurmctld` or of the slurmd of a node; what that started lives on."""
        daemon = self._daemons.pop(name)
        daemon.kill()
        daemon.wait()

    def ask(self, *argv: str) -> str:
        """Call a command of Slurm; what it printed."""
        done = subprocess.run(
            [*self._on("n1"), *argv],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def jobs(self, *, states: str = "") -> dict[str, str]:
        """The jobs in the queue by name: their states, those that ended only if asked for."""
        asked = [f"--states={states}"] if states else []
        lines = self.ask("squeue", "--noheader", *asked, "--format=%j %T").splitlines()
        return dict(line.rsplit(" ", 1) for line in lines)

    def wait_nodes(self, state: str, count: int) -> None:
        """Wait until `count` nodes are in `state`."""

        def are_there() -> bool:
            try:
                return self.ask("sinfo", "--noheader", "--Node", "--format=%N %T").count(f" {state}") >= count
            except AssertionError:
                return False

        wait_for(are_there, f"{count} nodes {state}", told=self.told)

    def wait_answer(self) -> None:
        """Wait until the controller answers."""

        def answers() -> bool:
            try:
                return bool(self.ask("scontrol", "ping"))
            except AssertionError:
                return False

        wait_for(answers, "the controller answers", told=self.told)

    def undrain(self) -> None:
        """Set up the nodes that Slurm drained, as a person does: it may find a job twice after kill -9."""
        with suppress(AssertionError, subprocess.TimeoutExpired):
            for line in self.ask("sinfo", "--noheader", "--Node", "--format=%N %T").splitlines():
                node, _, state = line.partition(" ")
                if state.startswith("drain"):
                    self.ask("scontrol", "update", f"nodename={node}", "state=resume")

    @contextmanager
    def tended(self) -> Iterator[None]:
        """Somebody looks after the nodes meanwhile."""
        is_over = threading.Event()

        def tend() -> None:
            while not is_over.wait(3.0):
                self.undrain()

        person = threading.Thread(target=tend)
        person.start()
        try:
            yield
        finally:
            is_over.set()
            person.join()

    def told(self) -> str:
        """Give what the daemons said last, for who reads a failure."""
        logs = [*self.folder.glob("*.log"), self.folder / "munge/log"]
        return "\n".join(f"{log.name}: {log.read_text()[-1500:]}" for log in logs if log.exists())

    def stop(self) -> None:
        """End all jobs and daemons, and whatever one of them left running."""
        with suppress(AssertionError, subprocess.TimeoutExpired):
            self.ask("scancel", "--user", str(os.getuid()))
        for daemon in self._daemons.values():
            daemon.terminate()
        deadline_s = time.monotonic() + 5
        for daemon in self._daemons.values():
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(max(0.1, deadline_s - time.monotonic()))
            daemon.kill()
            daemon.wait()
        self._daemons.clear()

        def is_over() -> bool:
            left = with_variable(f"SLURM_CONF={self.configuration}")
            kill(*left)
            return not left

        wait_for(is_over, "the end of all that the cluster started")

    def start_daemon(self, name: str, *argv: str) -> None:
        """Start a daemon that ends with the cluster."""
        self._start(name, *argv)

    def _on(self, node: str) -> list[str]:
        return self._hosts.begin(node) if self._hosts else []

    def _start(self, name: str, *argv: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as out:
            self._daemons[name] = subprocess.Popen(
                argv,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )


@contextmanager
def running_cluster(
    *,
    slurmd_timeout_s: int = 10,
    hosts: Hosts | None = None,
    accounts: Callable[[Path], Accounts] | None = None,
) -> Iterator[SlurmCluster]:
    """A cluster that is stopped at the end; skips the test where Slurm is not installed."""
    missing = [name for name in PROGRAMS if which(name) is None]
    if missing:
        packages = "apt-get install slurmctld slurmd slurm-client munge"
        pytest.skip(f"{', '.join(missing)}: not installed ({packages})")
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # sockets have short names
    kept = accounts(folder) if accounts else None
    cluster = SlurmCluster(folder, slurmd_timeout_s=slurmd_timeout_s, hosts=hosts, accounts=kept)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def which(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
