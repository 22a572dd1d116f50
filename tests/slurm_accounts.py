"""Accounts of a test's Slurm: slurmdbd and a MariaDB of its own, in the cluster's folder, ended with it."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from orchestra import wait_for
from slurm_cluster import SlurmCluster, free_ports, which

PROGRAMS = ("slurmdbd", "sacct", "mariadbd", "mariadb", "mariadb-install-db")
FORGOTTEN_S = 2  # after its end the queue knows nothing of a job any more
_DAEMON = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge/sock
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={dbd_port}
SlurmUser={user}
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={sql_port}
StorageUser=keeper
StoragePass=keeper
StorageLoc=accounts
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""


class KeptAccounts:
    """Skips the test where they cannot be kept."""

    def __init__(self, folder: Path) -> None:
        missing = [name for name in PROGRAMS if which(name) is None]
        if missing:
            packages = "apt-get install --no-install-recommends slurmdbd mariadb-server"
            shutil.rmtree(folder)
            pytest.skip(f"{', '.join(missing)}: not installed ({packages})")
        self._folder = folder
        self._user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        self._dbd_port, self._sql_port = free_ports(2)

    def lines(self) -> str:
        return (
            "AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=127.0.0.1\n"
            f"AccountingStoragePort={self._dbd_port}\nAccountingStoragePass={self._folder}/munge/sock\n"
            f"MinJobAge={FORGOTTEN_S}\n"
        )

    def start(self, cluster: SlurmCluster) -> None:
        data, socket = self._folder / "sql", self._folder / "sql.sock"
        common = ["--no-defaults", f"--user={self._user}", f"--datadir={data}"]
        made = ["mariadb-install-db", *common, "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(made, check=True, capture_output=True, timeout=120)
        where = [f"--socket={socket}", f"--port={self._sql_port}", "--bind-address=127.0.0.1"]
        small = ["--innodb-buffer-pool-size=32M", f"--pid-file={self._folder / 'sql.pid'}"]
        cluster.start_daemon("mariadbd", "mariadbd", *common, *where, *small)
        keeper = "keeper@'127.0.0.1'"
        grant = f"CREATE USER {keeper} IDENTIFIED BY 'keeper'; GRANT ALL ON accounts.* TO {keeper}"
        client = ["mariadb", "--no-defaults", f"--socket={socket}", "--user=root", f"--execute={grant}"]
        wait_for(
            lambda: subprocess.run(client, capture_output=True, check=False).returncode == 0, "a database"
        )
        configuration = self._folder / "slurmdbd.conf"
        text = _DAEMON.format(
            folder=self._folder, user=self._user, dbd_port=self._dbd_port, sql_port=self._sql_port
        )
        configuration.write_text(text)
        configuration.chmod(0o600)
        cluster.start_daemon("slurmdbd", "slurmdbd", "-D")

        def is_known() -> bool:
            with suppress(AssertionError):
                cluster.ask("sacctmgr", "--immediate", "add", "cluster", "test")
            try:
                return "test" in cluster.ask("sacctmgr", "--noheader", "list", "cluster")
            except AssertionError:
                return False

        wait_for(is_known, "accounts are kept", told=cluster.told)
