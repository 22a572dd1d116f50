"""Two hosts on this machine: network namespaces and a cable between them; the second has its own processes.

What the second host sees of the shared folder goes through a file system of its own (bindfs), which keeps
names and attributes for a while and knows no locks of others, as NFS does, and which can hang. Root may make
all that; elsewhere the test is skipped. Nothing leaves the machine: there are loopbacks and the cable.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from orchestra import wait_for
from processes import all_pids, command_line, kill, state_of

PROGRAMS = ("ip", "nsenter", "unshare", "bindfs", "mount", "hostname")
KEPT_S = 1.0  # how long the second host believes what it saw of a name
_BOOT_IDS = "/proc/sys/kernel/random/boot_id"
_SECOND = f"""
hostname two && mount --bind "$1/boot_id" {_BOOT_IDS} && mount --make-rprivate / || exit 1
bindfs -f -o attr_timeout={KEPT_S},entry_timeout={KEPT_S},negative_timeout={KEPT_S} "$2" "$2" &
for _ in $(seq 200); do mountpoint -q "$2" && break; sleep 0.05; done
shift 2
"$@"; exit $?
"""


class TwoHosts:
    """The first is the one of the controller and of n1, the second that of n2; both see `shared`."""

    addresses = ("10.213.0.1", "10.213.0.2")

    def __init__(self, folder: Path, shared: Path) -> None:
        self._folder, self.shared = folder, shared
        self._boot_id = folder / "boot_id"
        self._boot_id.write_text(f"{uuid.uuid4()}\n")
        name = uuid.uuid4().hex[:6]
        self._names = (f"maos-{name}-1", f"maos-{name}-2")
        self._ends = (f"m{name}1", f"m{name}2")

    def make(self) -> None:
        """Make the namespaces and the cable. Raises CalledProcessError where this is not allowed."""
        first, second = self._names
        for name in self._names:
            _do("ip", "netns", "add", name)
        peer = ("peer", "name", self._ends[1], "netns", second)
        _do("ip", "link", "add", self._ends[0], "netns", first, "type", "veth", *peer)
        for name, end, address in zip(self._names, self._ends, self.addresses, strict=True):
            _do("ip", "-n", name, "address", "add", f"{address}/30", "dev", end)
            _do("ip", "-n", name, "link", "set", "lo", "up")
            _do("ip", "-n", name, "link", "set", end, "up")

    def remove(self) -> None:
        self.let_disk_go_on()
        for name in self._names:
            with suppress(subprocess.CalledProcessError):
                _do("ip", "netns", "delete", name)

    def begin(self, node: str) -> list[str]:
        """Give the words that run a command on the host of `node`; that of n2 begins with it."""
        net = ["nsenter", f"--net=/run/netns/{self._names[node == 'n2']}"]
        if node != "n2":
            return net
        apart = ["unshare", "--pid", "--fork", "--kill-child", "--uts", "--mount", "--mount-proc"]
        return [*net, *apart, "sh", "-c", _SECOND, "sh", str(self._folder), str(self.shared)]

    def cut(self) -> None:
        """Cut the cable."""
        _do("ip", "-n", self._names[0], "link", "set", self._ends[0], "down")

    def mend(self) -> None:
        _do("ip", "-n", self._names[0], "link", "set", self._ends[0], "up")

    def hang_disk(self) -> None:
        """The shared folder answers the second host no more, as a file server that is cut off."""
        disk = self._disk()
        assert disk, "the second host has its disk"
        kill(*disk, with_signal=signal.SIGSTOP)
        wait_for(lambda: all(state_of(pid) == "T" for pid in disk), "it stands")

    def let_disk_go_on(self) -> None:
        """It answers again, first what it was asked before."""
        kill(*self._disk(), with_signal=signal.SIGCONT)

    def _disk(self) -> list[int]:
        return [pid for pid in all_pids() if command_line(pid).startswith("bindfs -f") and self._is_ours(pid)]

    def _is_ours(self, pid: int) -> bool:
        return str(self.shared) in command_line(pid)


@contextmanager
def two_hosts(folder: Path, shared: Path) -> Iterator[TwoHosts]:
    """Two hosts that are removed at the end; skips the test where they cannot be had."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)}: not installed (apt-get install iproute2 util-linux bindfs)")
    if os.getuid() != 0 or not Path("/dev/fuse").exists():
        pytest.skip("only root may make two hosts here, and only where there is /dev/fuse")
    hosts = TwoHosts(folder, shared)
    try:
        try:
            hosts.make()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
        yield hosts
    finally:
        hosts.remove()


def _do(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60)
