"""A repository in a folder of another host, by SFTP: objects are files, written aside, synced, renamed.

SFTP's own rename refuses to replace, so of two who bring one name one is first. Folders cannot be synced
there; the file is, once before and once after it has its name, which takes the name along on the usual file
systems. Nobody can be asked whether a process lives: `leases` says who is at work.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from typing import Any

import asyncssh

from maos_sup.backups.leases import LOCKS, Leases, NoLock
from maos_sup.backups.ssh import SSH_ERRORS, SftpConnection
from maos_sup.backups.ssh_settings import SftpAddress
from maos_sup.backups.store import refuse_large
from state_layout.errors import BadInput, StorageError, StorageFull
from state_layout.files import atomic

_AT_ONCE = 32  # folders that are listed
_NOT_THERE = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
_NO_ROOM = (asyncssh.SFTPFailure, asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded)
_MAY_NOT = (*_NO_ROOM, *_NOT_THERE, asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect)  # put a lock
_FILE = asyncssh.SFTPAttrs(permissions=atomic.FILE_MODE)
_FOLDER = asyncssh.SFTPAttrs(permissions=atomic.FOLDER_MODE)


class SftpStore:
    """The store keeps objects below a folder of another host."""

    def __init__(self, url: str) -> None:
        address = SftpAddress.of(url)
        self.place, self._root = url, address.path
        self._connection = SftpConnection(address, url)
        self._leases = Leases(self)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def put(self, name: str, data: bytes) -> bool:
        """Keep `data` as `name`, as the protocol says; durably as far as the server can say so."""
        self._leases.renew()
        return self._connection.run(self._put(name, data))

    def get(self, name: str) -> bytes | None:
        """The bytes of `name`, as the protocol says."""
        self._leases.renew()
        return self._connection.run(self._get(name))

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Names and sizes, as the protocol says; what somebody is writing is not there yet."""
        found = self._listed(prefix)
        yield from ((name, found[name].size or 0) for name in sorted(found) if not _is_temporary(name))

    def remove(self, name: str) -> None:
        """Let go of `name`, as the protocol says."""
        self._leases.renew()
        self._connection.run(self._remove(name))

    def remove_leftovers(self) -> int:
        """Remove what processes that were killed left half written; how much. The caller holds it alone."""
        left = [name for name in self._listed("") if _is_temporary(name)]
        for name in left:
            self.remove(name)
        return len(left)

    def held(self, *, alone: bool, note: Callable[[str], None] | None = None) -> AbstractContextManager[None]:
        """Hold the repository, as the protocol says."""
        return self._leases.held(alone=alone, note=note)

    def refuse_strange(self) -> None:
        """Raise BadInput unless the folder may become a repository: it is not there, or all but empty."""
        strange = sorted(name for name in self._connection.run(self._names()) if not _is_temporary(name))
        if strange:
            raise BadInput(
                f"{self.place}: holds {strange[0]!r} and no backups; name a new or empty folder with --to"
            )

    # -- locks, as `LeaseStore` says

    def put_lock(self, name: str, data: bytes) -> None:
        """Keep a lock: written in place, so that the server gives it a new time."""
        self._connection.run(self._put_lock(name, data))

    def lock_times(self) -> Mapping[str, datetime]:
        """List locks and their times, by the clock of the server."""
        found = self._listed(LOCKS)
        return {name: datetime.fromtimestamp(each.mtime or 0, UTC) for name, each in found.items()}

    def remove_lock(self, name: str) -> None:
        """Let go of a lock."""
        self._connection.run(self._remove(name))

    # -- what runs beside the connection

    def _listed(self, prefix: str) -> dict[str, asyncssh.SFTPAttrs]:
        return self._connection.run(self._walked(prefix))

    async def _put(self, name: str, data: bytes) -> bool:
        try:
            client = await self._connection.client()
            path = self._path(name)
            folder, _, last = path.rpartition("/")
            temporary = f"{folder}/.{last}.tmp-{os.urandom(4).hex()}"
            try:
                return await _placed(client, temporary, path, data)
            except _NOT_THERE:
                await self._make_folder(client, folder)
                return await _placed(client, temporary, path, data)
        except SSH_ERRORS as cause:
            if isinstance(cause, asyncssh.SFTPFailure) and await self._is_full(len(data)):
                raise StorageFull(
                    f"{self.place}: no space left; free some there (backups prune may)"
                ) from cause
            raise self._error(f"keep {name}", cause) from cause

    async def _get(self, name: str) -> bytes | None:
        try:
            client = await self._connection.client()
            async with client.open(self._path(name), "rb") as file:
                size = (await file.stat()).size or 0
                refuse_large(self.place, name, size)
                data: Any = await file.read(size + 1)
                return bytes(data)
        except _NOT_THERE:
            return None
        except SSH_ERRORS as cause:
            raise self._error(f"read {name}", cause) from cause

    async def _remove(self, name: str) -> None:
        try:
            client = await self._connection.client()
            await client.remove(self._path(name))
        except _NOT_THERE:
            return
        except SSH_ERRORS as cause:
            raise self._error(f"remove {name}", cause) from cause

    async def _put_lock(self, name: str, data: bytes) -> None:
        try:
            client = await self._connection.client()
            path = self._path(name)
            await self._make_folder(client, path.rpartition("/")[0])
            async with client.open(path, "wb", _FILE) as file:
                with suppress(*_NO_ROOM):  # it holds without a byte in it: a full disk can be pruned
                    await file.write(data)
        except _MAY_NOT as cause:  # a folder that may not be made is "not there" when a file is
            raise NoLock(str(self._error("lock it", cause))) from cause
        except SSH_ERRORS as cause:
            raise self._error("lock it", cause) from cause

    async def _make_folder(self, client: asyncssh.SFTPClient, folder: str) -> None:
        """Make `folder` and those above it. Raises StorageError where something else is in the way."""
        try:
            await client.makedirs(folder, _FOLDER, exist_ok=True)
        except asyncssh.SFTPError as cause:
            above = [folder[:end] for end, sign in enumerate(f"{folder}/") if sign == "/" and end]
            for path in above:
                if await client.exists(path) and not await client.isdir(path):
                    raise StorageError(
                        f"{self.place}: {path!r} on that host is no folder, so nothing can be kept below it; "
                        "move it away there, or name another place"
                    ) from cause
            raise

    async def _names(self) -> list[str]:
        try:
            client = await self._connection.client()
            return [str(name) for name in await client.listdir(self._root) if name not in (".", "..")]
        except _NOT_THERE:
            return []
        except SSH_ERRORS as cause:
            raise self._error("list it", cause) from cause

    async def _walked(self, prefix: str) -> dict[str, asyncssh.SFTPAttrs]:
        """Each file below `prefix`, with what the server says of it; several folders are listed at once."""
        found: dict[str, asyncssh.SFTPAttrs] = {}
        turns = asyncio.Semaphore(_AT_ONCE)

        async def walk(client: asyncssh.SFTPClient, prefix: str) -> None:
            below = []
            with suppress(*_NOT_THERE):
                async with turns:
                    entries = [each async for each in client.scandir(self._path(prefix).rstrip("/"))]
                for each in entries:
                    name = str(each.filename)
                    if each.attrs.type == asyncssh.FILEXFER_TYPE_DIRECTORY and name not in (".", ".."):
                        below.append(f"{prefix}{name}/")
                    elif each.attrs.type == asyncssh.FILEXFER_TYPE_REGULAR:
                        found[f"{prefix}{name}"] = each.attrs
            await asyncio.gather(*(walk(client, each) for each in below))

        try:
            await walk(await self._connection.client(), prefix)
        except SSH_ERRORS as cause:
            raise self._error(f"list {prefix}", cause) from cause
        return found

    async def _is_full(self, size: int) -> bool:
        """There is no room for `size` bytes; SFTP says of a full disk only that it failed."""
        with suppress(*SSH_ERRORS):
            room = await (await self._connection.client()).statvfs(self._root)
            return (room.bavail or 0) * (room.frsize or 0) <= size
        return False

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _error(self, action: str, cause: Exception) -> StorageError:
        remedy = "repeat when it is reachable"
        why = str(cause) or type(cause).__name__
        if isinstance(cause, asyncssh.SFTPPermissionDenied):
            remedy = "change its owner or mode there, or name another place"
        elif isinstance(cause, asyncssh.SFTPError):
            remedy = "look at it there"
        return StorageError(f"{self.place}: cannot {action}: {why}; {remedy}")


async def _placed(client: Any, temporary: str, path: str, data: bytes) -> bool:
    """Place `data` at `path`, written as `temporary`, synced, renamed; False: something was there before."""
    is_placed = False
    async with client.open(temporary, "xb", _FILE) as file:
        try:
            await file.write(data)
            await _sync(file)
            try:
                await client.rename(temporary, path)
            except asyncssh.SFTPError:
                if not await client.exists(path):
                    raise
                return False
            is_placed = True
            await _sync(file)
            return True
        finally:
            if not is_placed:
                with suppress(*SSH_ERRORS):
                    await client.remove(temporary)


async def _sync(file: Any) -> None:
    with suppress(asyncssh.SFTPOpUnsupported):
        await file.fsync()


def _is_temporary(name: str) -> bool:
    return atomic.is_temporary(name.rpartition("/")[2])
