"""Real databases for tests of mirrors: each has a URL, opens mirrors, and is asked in its own language.

Servers are started by the first test of a process that wants one, and end with it. PostgreSQL refuses to run
as root, so there it runs as the user that its package made.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest
from orchestra import wait_for

from maos_sup.mirrors.mirror import Mirror
from maos_sup.mirrors.registry import open_mirror


class Database(Protocol):
    """A database under test."""

    url: str

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """The rows that `query` gives."""


class SqliteFile:
    """A SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path, self.url = path, f"sqlite:{path}"

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as database:
            return database.execute(query).fetchall()


@contextmanager
def sqlite_file(folder: Path) -> Iterator[SqliteFile]:
    """A SQLite file in `folder`."""
    yield SqliteFile(folder / "mirror.db")


class Server:
    """A server that is started, killed and started again on the same files."""

    def __init__(self, argv: list[str], *, user: str | None, is_ready: Callable[[], bool]) -> None:
        self._argv, self._user, self._is_ready = argv, user, is_ready
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.kill)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._begin()
        wait_for(self._answers, f"an answer of {self._argv[0]}")

    def _begin(self) -> None:
        self._process = subprocess.Popen(
            self._argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **_as_user(self._user),
        )

    def _answers(self) -> bool:
        """The server answers; it is started again where it ended as children of a killed one still live."""
        if self._process is None or self._process.poll() is not None:
            self._begin()
        return self._is_ready()

    def kill(self) -> None:
        """kill -9 of it and of its group; PostgreSQL's own children see that it is gone, and end."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def _as_user(user: str | None) -> dict[str, Any]:
    return {} if user is None else {"user": user, "group": user, "extra_groups": []}


def _folder(user: str | None) -> Path:
    """A short-lived folder that `user` may use: those of a test lie below folders of their owner only."""
    folder = Path(tempfile.mkdtemp(prefix="maos-mirrors-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    return folder


class PostgresDatabase:
    """A new database of the server."""

    def __init__(self, folder: Path, user: str, server: Server) -> None:
        self.server = server
        self._base = f"?host={folder}&user={user}"
        self.name = f"t{uuid.uuid4().hex}"
        self.url = f"postgresql:///{self.name}{self._base}"
        self._run(f"CREATE DATABASE {self.name}", "postgres")

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        return self._run(query, self.name)

    def _run(self, query: str, name: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(f"postgresql:///{name}{self._base}", autocommit=True) as connection:
            connection.execute("SET search_path TO maos, public")
            found = connection.execute(query)  # type: ignore[call-overload]
            return list(found.fetchall()) if found.description else []


@cache
def postgres_server() -> tuple[Path, str, Server]:
    """The server of this process: where its socket is, its user, itself."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not binaries:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    user = "postgres" if os.getuid() == 0 else None
    folder = _folder(user)
    data = folder / "data"
    subprocess.run(
        [str(binaries[-1].with_name("initdb")), "-D", str(data), "-U", "postgres", "-A", "trust", "-N"],
        check=True,
        capture_output=True,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        **_as_user(user),
    )
    settings = {"listen_addresses": "", "unix_socket_directories": folder, "fsync": "off"}
    settings |= {"shared_buffers": "32MB", "max_connections": "40", "autovacuum": "off"}
    words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    ready = str(binaries[-1].with_name("pg_isready"))
    server = Server(
        [str(binaries[-1]), "-D", str(data), *words],
        user=user,
        is_ready=lambda: (
            subprocess.run([ready, "-q", "-h", str(folder)], check=False, capture_output=True).returncode == 0
        ),
    )
    server.start()
    return folder, "postgres", server


@contextmanager
def postgres_database(folder: Path) -> Iterator[PostgresDatabase]:
    """A new database of a real server."""
    yield PostgresDatabase(*postgres_server())


class RedisDatabase:
    """The whole of the server, emptied."""

    def __init__(self, socket: Path, server: Server) -> None:
        self.server, self.url = server, f"unix://{socket}?db=3"
        self.command("FLUSHALL")

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        raise NotImplementedError("Redis knows no SQL")

    def command(self, *words: Any) -> Any:
        """Ask the server a command."""
        import redis

        with redis.Redis.from_url(self.url, decode_responses=True) as server:
            return server.execute_command(*words)  # type: ignore[no-untyped-call]


@cache
def redis_server() -> tuple[Path, Server]:
    """The server of this process: its socket, and itself."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("Redis is not installed (apt-get install redis-server)")
    folder = _folder(None)
    socket = folder / "redis.sock"
    words = ["--port", "0", "--unixsocket", str(socket), "--dir", str(folder), "--save", ""]
    server = Server(
        [program, *words, "--appendonly", "yes", "--appendfsync", "no"],
        user=None,
        is_ready=lambda: _answers(socket),
    )
    server.start()
    return socket, server


def _answers(socket: Path) -> bool:
    import redis

    try:
        with redis.Redis(unix_socket_path=str(socket)) as server:
            return bool(server.ping())
    except redis.RedisError:
        return False


@contextmanager
def redis_database(folder: Path) -> Iterator[RedisDatabase]:
    """A real server, emptied."""
    yield RedisDatabase(*redis_server())


@contextmanager
def opened(database: Database, tree: str) -> Iterator[Mirror]:
    """The mirror of `tree` in `database`, closed at the end."""
    mirror = open_mirror(database.url, tree, may_make=True)
    try:
        yield mirror
    finally:
        mirror.close()


SQL: dict[str, Callable[[Path], AbstractContextManager[Database]]] = {
    "sqlite": sqlite_file,
    "postgres": postgres_database,
}
DATABASES = SQL | {"redis": redis_database}
