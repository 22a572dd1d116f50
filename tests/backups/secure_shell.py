"""A real sshd on loopback, with keys, port and known_hosts of its own; whoever runs the tests logs in."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from buckets import free_port
from orchestra import wait_for

USER = pwd.getpwuid(os.getuid()).pw_name
_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
Subsystem sftp internal-sftp
MaxStartups 100
"""


class SecureShell:
    """One server; `home` is that of who logs in, with `.ssh` in it."""

    def __init__(self, folder: Path) -> None:
        self.program = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
        if self.program is None:
            pytest.skip("sshd is not installed (apt-get install openssh-server)")
        self.folder, self.home = folder, folder / "home"
        self.port = free_port()
        (self.home / ".ssh").mkdir(parents=True, mode=0o700)
        make_key(folder / "host_key")
        make_key(self.home / ".ssh" / "id_ed25519")
        shutil.copy(self.home / ".ssh" / "id_ed25519.pub", folder / "authorized_keys")
        (folder / "sshd_config").write_text(_CONFIG.format(port=self.port, folder=folder))
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where root's sshd locks itself in
        self.know_host(folder / "host_key.pub")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def known_hosts(self) -> Path:
        return self.home / ".ssh" / "known_hosts"

    def address(self, path: Path) -> str:
        """The address of a folder there."""
        return f"sftp://{USER}@127.0.0.1:{self.port}{path}"

    def know_host(self, key: Path) -> None:
        """Write down that the host has the public `key`, and no other."""
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {key.read_text()}")

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.program), "-D", "-e", "-f", str(self.folder / "sshd_config")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_for(lambda: b"Server listening" in (self.folder / "log").read_bytes(), "sshd serves")

    def kill(self) -> None:
        """kill -9 of the server and of every session."""
        if self._process is None:
            return
        family = [*psutil.Process(self._process.pid).children(recursive=True), self._process]
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self._process.wait()
        self._process = None
        (self.folder / "log").write_bytes(b"")


def make_key(path: Path) -> None:
    """A key pair without a passphrase at `path`."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
