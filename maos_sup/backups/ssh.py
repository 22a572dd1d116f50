"""One connection by SSH, as `ssh` would make it, with SFTP on it, for code that waits for each answer.

Host keys are those of known_hosts, whatever else is configured: a host that is not known there, or has
another key, is refused. Keys come from the agent, from ~/.ssh and from where ~/.ssh/config says; nobody is
asked for a password. An event loop in a thread of its own keeps the connection alive.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

import asyncssh

from state_layout.errors import BadInput, StorageError

_GLOBAL_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts"
_USUAL_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_USUAL_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
_CONNECT_S, _ALIVE_S = 60, 15  # with the login
_FORM = "an address by SFTP is sftp://USER@HOST:PORT/PATH (of USER's home: /~/PATH), without a password"
_END_S = 5
_Result = TypeVar("_Result")

SSH_ERRORS = (asyncssh.Error, OSError, TimeoutError)


class SftpAddress(NamedTuple):
    """Says where a folder lies: `user` and `port` are None where ~/.ssh/config or the usual is meant."""

    user: str | None
    host: str
    port: int | None
    path: str  # from the root, or from the home of the user

    @classmethod
    def of(cls, url: str) -> SftpAddress:
        """Split sftp://USER@HOST:PORT/PATH into its parts. Raises BadInput, without telling a password."""
        try:
            found = urlsplit(url)
            host, port, path = found.hostname, found.port, unquote(found.path, errors="surrogateescape")
        except ValueError:
            raise BadInput(_FORM) from None
        path = path[3:] if path.startswith("/~/") else path
        if found.scheme != "sftp" or not host or found.password is not None or port == 0:
            raise BadInput(_FORM)
        if found.query or found.fragment or not path.strip("/") or "\0" in path or host.startswith("-"):
            raise BadInput(_FORM)
        return cls(unquote(found.username) if found.username else None, host, port, path.rstrip("/"))

    @property
    def command(self) -> str:
        """Give the command that a person types to log in there."""
        port = "" if self.port is None else f"-p {self.port} "
        return f"ssh {port}{shlex.quote(f'{self.user}@{self.host}' if self.user else self.host)}"


class SftpConnection:
    """Connects when it is first needed. `close` ends it."""

    def __init__(self, address: SftpAddress, place: str) -> None:
        self._address, self._place = address, place
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None
        self._thread: Thread | None = None
        self._connecting = asyncio.Lock()  # many may ask at once

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Run `work`, and give its result; any thread may ask. Raises what it raises."""
        return asyncio.run_coroutine_threadsafe(work, self._running()).result()

    async def client(self) -> asyncssh.SFTPClient:
        """Open SFTP on the connection. Raises StorageError with a remedy, BadInput for a broken
        configuration."""
        async with self._connecting:
            if self._client is None:
                self._client = await self._connected()
            return self._client

    def close(self) -> None:
        """End the connection and the thread."""
        loop, thread, self._loop = self._loop, self._thread, None
        if loop is None or thread is None:
            return
        with suppress(*SSH_ERRORS):
            asyncio.run_coroutine_threadsafe(self._ended(), loop).result(_END_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            for name in ("asyncio", "asyncssh"):  # what they have to say is raised, too
                logging.getLogger(name).addHandler(logging.NullHandler())
            self._loop = asyncio.new_event_loop()
            self._thread = Thread(target=self._loop.run_forever, name="ssh", daemon=True)
            self._thread.start()
        return self._loop

    async def _ended(self) -> None:
        connection, self._client, self._connection = self._connection, None, None
        if connection is not None:
            connection.abort()
            await connection.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for each in others:  # one may wait for a host that says nothing
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(self) -> asyncssh.SFTPClient:
        host = self._address.host
        try:
            options = _options(self._address)
            self._connection = await asyncssh.connect(host, options=options)
            return await self._connection.start_sftp_client(path_errors="surrogateescape")
        except asyncssh.HostKeyNotVerifiable as cause:
            raise StorageError(
                f"{self._place}: the host key of {host} is not known, or not the one that known_hosts has; "
                f"see what ssh says of it: {self._address.command}"
            ) from cause
        except asyncssh.PermissionDenied as cause:
            raise StorageError(
                f"{self._place}: no key of the ssh agent or of ~/.ssh is accepted there; "
                f"{_remedy(options) or f'try: {self._address.command}'}"
            ) from cause
        except (asyncssh.ConfigParseError, asyncssh.KeyImportError) as cause:
            raise BadInput(f"{self._place}: ~/.ssh cannot be used: {cause}; mend it there") from cause
        except SSH_ERRORS as cause:
            why = str(cause) or type(cause).__name__
            raise StorageError(
                f"{self._place}: cannot be reached: {why}; try: {self._address.command}"
            ) from cause


def _remedy(options: asyncssh.SSHClientConnectionOptions) -> str:
    """Say what opens a key that would have been offered but for its passphrase; nothing if there is none."""
    configured = asyncssh.SSHClientConnectionOptions(options, config=()).config  # as `connect` reads it
    named: Any = configured.get("IdentityFile")
    for name in named or _USUAL_KEYS:
        file = Path(name).expanduser()
        try:
            asyncssh.read_private_key(file)
        except asyncssh.KeyImportError as cause:
            if str(cause).startswith("Passphrase"):
                start = "" if os.environ.get("SSH_AUTH_SOCK") else 'eval "$(ssh-agent)" && '
                return f"{file} has a passphrase: {start}ssh-add {shlex.quote(str(file))}"
        except OSError:
            continue
    return ""


def _options(address: SftpAddress) -> asyncssh.SSHClientConnectionOptions:
    """As `ssh` would have them, but for host keys: these are always looked at."""
    told: dict[str, object] = {
        "preferred_auth": "gssapi-keyex,gssapi-with-mic,hostbased,publickey",
        "connect_timeout": _CONNECT_S,
        "login_timeout": _CONNECT_S,
        "keepalive_interval": _ALIVE_S,
        "agent_forwarding": False,
    }
    if address.user is not None:
        told["username"] = address.user
    if address.port is not None:
        told["port"] = address.port
    named = asyncssh.SSHClientConnectionOptions(host=address.host, **told).known_hosts
    files = list(named) if isinstance(named, list) and named else [*_USUAL_KNOWN_HOSTS, _GLOBAL_KNOWN_HOSTS]
    there = [str(path) for path in (Path(file).expanduser() for file in files) if path.is_file()]
    return asyncssh.SSHClientConnectionOptions(host=address.host, known_hosts=there or b"", **told)
