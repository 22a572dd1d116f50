"""One connection by SSH, as `ssh` would make it, with SFTP on it, for code that waits for each answer.

`ssh_settings` reads what is configured, also for the hosts that are jumped through; nobody is asked for a
password. An event loop in a thread of its own keeps the connection alive.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any, TypeVar

import asyncssh

from maos_sup.backups.ssh_settings import SftpAddress, jumps_of, key_files, options_of, settings_of
from state_layout.errors import BadInput, StorageError

_END_S, _MOST_JUMPS = 5, 10
_Result = TypeVar("_Result")

SSH_ERRORS = (asyncssh.Error, OSError, TimeoutError)


class SftpConnection:
    """Connects when it is first needed. `close` ends it."""

    def __init__(self, address: SftpAddress, place: str) -> None:
        self._address, self._place = address, place
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connections: list[asyncssh.SSHClientConnection] = []  # the last one to there
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
        connections, self._client, self._connections = self._connections, None, []
        for connection in reversed(connections):
            connection.abort()
            await connection.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for each in others:  # one may wait for a host that says nothing
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(self) -> asyncssh.SFTPClient:
        last = await self._reached(self._address, through=None, depth=0)
        try:
            return await last.start_sftp_client(path_errors="surrogateescape")
        except SSH_ERRORS as cause:
            why = str(cause) or type(cause).__name__
            raise StorageError(f"{self._place}: has no SFTP: {why}; try: {self._address.command}") from cause

    async def _reached(
        self, address: SftpAddress, *, through: asyncssh.SSHClientConnection | None, depth: int
    ) -> asyncssh.SSHClientConnection:
        """Connect to `address` through what is connected already, or through the hosts that it is behind."""
        with self._translated(address):
            if depth > _MOST_JUMPS:
                raise BadInput(f"{self._place}: ProxyJump of ~/.ssh/config leads round in a circle")
            hops = [] if through is not None else jumps_of(address)
        for hop in hops:
            through = await self._reached(hop, through=through, depth=depth + 1)
        with self._translated(address):
            options = options_of(address)
            made = await asyncssh.connect(address.host, options=options, config=None, tunnel=through)
        self._connections.append(made)
        return made

    @contextmanager
    def _translated(self, address: SftpAddress) -> Iterator[None]:
        """Translate what is met on the way to `address`."""
        place = (
            self._place if address is self._address else f"{self._place}: {address.host}, on the way there"
        )
        try:
            yield
        except asyncssh.HostKeyNotVerifiable as cause:
            raise StorageError(
                f"{place}: the host key of {address.host} is not known, or not the one that known_hosts has; "
                f"see what ssh says of it: {address.command}"
            ) from cause
        except asyncssh.PermissionDenied as cause:
            raise StorageError(
                f"{place}: no key of the ssh agent or of ~/.ssh is accepted there; "
                f"{_remedy(address) or f'try: {address.command}'}"
            ) from cause
        except (asyncssh.ConfigParseError, asyncssh.KeyImportError, ValueError) as cause:
            raise BadInput(f"{place}: ~/.ssh cannot be used: {cause}; mend it there") from cause
        except SSH_ERRORS as cause:
            why = str(cause) or type(cause).__name__
            raise StorageError(f"{place}: cannot be reached: {why}; try: {address.command}") from cause


def _remedy(address: SftpAddress) -> str:
    """Say what opens a key that would have been offered but for its passphrase; nothing if there is none."""
    for file in key_files(settings_of(address)):
        try:
            asyncssh.read_private_key(file)
        except asyncssh.KeyImportError as cause:
            if str(cause).startswith("Passphrase"):
                start = "" if os.environ.get("SSH_AUTH_SOCK") else 'eval "$(ssh-agent)" && '
                return f"{file} has a passphrase: {start}ssh-add {shlex.quote(str(file))}"
        except OSError:
            continue
    return ""
