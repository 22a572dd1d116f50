"""A PostgreSQL server for measurements: Debian's, as it comes."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PATIENCE_S = 60.0


@contextmanager
def postgres() -> Iterator[str | None]:
    """Give the URL of a new server with its own defaults; None where PostgreSQL is not installed."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not binaries:
        yield None
        return
    user = "postgres" if os.getuid() == 0 else None  # it refuses to be root
    folder = Path(tempfile.mkdtemp(prefix="maos-bench-"))
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    as_user: dict[str, Any] = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    initdb = [str(binaries[-1].with_name("initdb")), "-D", f"{folder}/data", "-U", "postgres", "-A", "trust"]
    subprocess.run(initdb, check=True, capture_output=True, cwd=folder, env=environment, **as_user)
    settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}"]
    server = subprocess.Popen(
        [str(binaries[-1]), "-D", f"{folder}/data", *settings],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        **as_user,
    )
    try:
        _await(str(binaries[-1].with_name("pg_isready")), folder)
        yield f"postgresql:///postgres?host={folder}&user=postgres"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _await(ready: str, folder: Path) -> None:
    end_s = time.monotonic() + _PATIENCE_S
    while subprocess.run([ready, "-q", "-h", str(folder)], check=False, capture_output=True).returncode:
        if time.monotonic() > end_s:
            raise RuntimeError("PostgreSQL does not answer")
        time.sleep(0.1)
