"""A repository in a bucket of an object store that speaks S3, by obstore; credentials are in the environment.

Nobody can be asked there whether a process lives: `leases` says who is at work.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import obstore
from obstore import exceptions
from obstore.store import S3Store

from maos_sup.backups.leases import LOCKS, Leases, NoLock
from maos_sup.backups.store import refuse_large
from state_layout.errors import BadInput, Lost, StorageError, StorageFull

_NOT_THERE = (FileNotFoundError,)  # what obstore raises; its NotFoundError it never does
_MOVED = (exceptions.AlreadyExistsError, exceptions.PreconditionError, *_NOT_THERE)
_MAY_NOT = (exceptions.PermissionDeniedError, PermissionError)
_ERRORS = (exceptions.BaseError, OSError)
_ANSWER = re.compile(r"status code: (5\d\d)")  # of a server that is there, and does not do it now
_NO_ROOM = re.compile(r"status code: 507|<Code>(Insufficient|Quota|StorageFull|XMinioStorageFull)", re.I)
_RETRIES: Any = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}
_TIMES: Any = {"connect_timeout": "10s", "timeout": "120s"}
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
_SECRET = "AWS_SECRET_ACCESS_KEY"
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


class BucketStore:
    """The store keeps objects of a bucket, all below a prefix."""

    def __init__(self, url: str, environment: Mapping[str, str]) -> None:
        bucket, prefix = _parts(url)
        has_half = bool(environment.get(_KEYS[0])) != bool(environment.get(_SECRET))
        if has_half or not any(environment.get(key) for key in _KEYS):
            raise BadInput(f"{url}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
        endpoint = _endpoint(environment)
        more: dict[str, object] = {"endpoint": endpoint} if endpoint else {}
        if not environment.get("AWS_REGION") and not environment.get("AWS_DEFAULT_REGION"):
            more["region"] = "us-east-1"
        self.place = url
        self._leases = Leases(self)
        plain = bool(endpoint and endpoint.startswith("http://"))
        try:
            self._store = S3Store(
                bucket,
                prefix=prefix or None,
                client_options=_TIMES | {"allow_http": plain},
                retry_config=_RETRIES,
                **more,  # type: ignore[arg-type]
            )
        except (*_ERRORS, ValueError) as cause:
            raise BadInput(f"{url}: cannot be used: {_first_line(cause)}") from cause

    def put(self, name: str, data: bytes) -> bool:
        """Keep `data` as `name`, as the protocol says."""
        self._leases.renew()
        try:
            obstore.put(self._store, name, data, mode="create")
        except exceptions.AlreadyExistsError:
            return False
        except _ERRORS as cause:
            raise self._error(f"keep {name}", cause) from cause
        return True

    def get(self, name: str) -> bytes | None:
        """The bytes of `name`, as the protocol says."""
        found = self.version(name)
        return None if found is None else found[0]

    def version(self, name: str) -> tuple[bytes, str] | None:
        """The bytes of `name` and what `swap` must be told to take their place; None if it is not there."""
        self._leases.renew()
        try:
            found = obstore.get(self._store, name)
            refuse_large(self.place, name, found.meta["size"])
            return bytes(found.bytes()), found.meta["e_tag"] or ""
        except _NOT_THERE:
            return None
        except _ERRORS as cause:
            raise self._error(f"read {name}", cause) from cause

    def swap(self, name: str, data: bytes, version: str | None) -> str:
        """Put `data` in the place of `version` of `name`, of nothing without; its version.

        Raises Lost if something else is there, Locked as `put`.
        """
        self._leases.renew()
        mode: Any = "create" if version is None else {"e_tag": version}
        try:
            return obstore.put(self._store, name, data, mode=mode)["e_tag"] or ""
        except (
            exceptions.AlreadyExistsError,
            exceptions.PreconditionError,
            exceptions.NotFoundError,
        ) as cause:
            raise Lost(f"{self.place}/{name}: somebody else has changed it meanwhile") from cause
        except _ERRORS as cause:
            raise self._error(f"change {name}", cause) from cause

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Names and sizes, as the protocol says."""
        yield from ((each["path"], each["size"]) for each in self._listed(prefix))

    def remove(self, name: str) -> None:
        """Let go of `name`, as the protocol says."""
        self._leases.renew()
        self._delete(name)

    def _delete(self, name: str) -> None:
        try:
            obstore.delete(self._store, name)
        except _NOT_THERE:
            return
        except _ERRORS as cause:
            raise self._error(f"remove {name}", cause) from cause

    def held(self, *, alone: bool, note: Callable[[str], None] | None = None) -> AbstractContextManager[None]:
        """Hold the repository, as the protocol says."""
        return self._leases.held(alone=alone, note=note)

    def put_lock(self, name: str, data: bytes) -> None:
        """Keep a lock, as `LeaseStore` says."""
        try:
            obstore.put(self._store, name, data)
        except _MAY_NOT as cause:
            raise NoLock(str(self._error("lock it", cause))) from cause
        except _ERRORS as cause:
            error = self._error("lock it", cause)
            if _ANSWER.search(str(cause)):  # who only reads can do without
                raise NoLock(str(error)) from cause
            raise error from cause

    def lock_times(self) -> Mapping[str, datetime]:
        """Locks and their times, as `LeaseStore` says."""
        return {each["path"]: each["last_modified"] for each in self._listed(LOCKS)}

    def remove_lock(self, name: str) -> None:
        """Let go of a lock, as `LeaseStore` says."""
        self._delete(name)

    def _listed(self, prefix: str) -> list[Any]:
        try:
            return [each for chunk in obstore.list(self._store, prefix.rstrip("/")) for each in chunk]
        except _ERRORS as cause:
            raise self._error(f"list {prefix}", cause) from cause

    def _error(self, action: str, cause: Exception) -> StorageError:
        if _NO_ROOM.search(str(cause)):
            remedy = "free some, or have it given more room"
            return StorageFull(f"{self.place}: no space left there: cannot {action}; {remedy}")
        kinds: dict[str, tuple[type[Exception], ...]] = {
            "there is no such bucket": _NOT_THERE,
            "these credentials may not": _MAY_NOT,
            "these credentials are not known there": (exceptions.UnauthenticatedError,),
        }
        why = next((why for why, kind in kinds.items() if isinstance(cause, kind)), _first_line(cause))
        return StorageError(f"{self.place}: cannot {action}: {why}")


def _parts(url: str) -> tuple[str, str]:
    """Split s3://BUCKET/PREFIX into bucket and prefix."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    if not bucket or any(sign in url for sign in "@?#") or ":" in bucket:
        raise BadInput("an address in S3 is s3://BUCKET/PREFIX, without credentials: these come from AWS_...")
    return bucket, prefix.strip("/")


def _endpoint(environment: Mapping[str, str]) -> str | None:
    """Find the store's address, if not Amazon's. Raises BadInput, untold, for what is no address."""
    for key in (key for key in _ENDPOINTS if key in environment):
        with suppress(ValueError):
            found = urlsplit(environment[key])
            if "@" in found.netloc:
                raise BadInput(f"{key}: holds credentials; these come from AWS_ACCESS_KEY_ID and others")
            if found.scheme in ("http", "https") and found.hostname and found.port != 0:
                return environment[key]
        raise BadInput(f"{key}: is no address of a store; use http://HOST:PORT or https://HOST, or unset it")
    return None


def _first_line(cause: Exception) -> str:
    """Take the library's message without what is for its makers."""
    return " ".join(str(cause).partition("Debug source:")[0].split())[:300]
