"""The part of a Redis database that mirrors one tree; the only place that imports redis.

    maos                                 set: the ids of the orchestrations mirrored here
    maos:{ID}                            hash: follower, at
    maos:{ID}:files                      set: the paths of the files
    maos:{ID}:file:PATH                  hash: the cursor of a file, and what it is
    maos:{ID}:lines:PATH                 stream: a line is an entry, id <attempt>-<seq> (without one 1-<seq>)
    maos:{ID}:data:PATH                  string: what programs wrote, small files
    maos:{ID}:alive                      string: when news came last; goes a minute after the last follower
    maos:{ID}:agent:NAME                 string: the agent's status; likewise

A batch is one MULTI. An entry whose id does not rise is refused by Redis itself, so twice is once. With
`appendonly yes` a server that is killed takes back whole transactions only; what it lost is taken again, for
the cursor went with it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis
from redis.exceptions import RedisError, ResponseError, WatchError

from maos_sup.mirrors.addresses import shown_url
from maos_sup.mirrors.mirror import (
    Content,
    Cursor,
    FilePiece,
    Lines,
    MirrorBatch,
    MirrorTrouble,
    Sort,
    Superseded,
)
from maos_sup.mirrors.rows import rows_of
from maos_sup.mirrors.sources import FollowedFile, source_of
from state_layout.errors import BadInput
from state_layout.files.chain import Position

_TREES = "maos"
_ALIVE_S = 60
_TIMEOUT_S = 20.0
_AT_ONCE = 1000
_CHUNK_BYTES = 1 << 20
_NOT_RISING = "equal or smaller"


class RedisMirror:
    """See `mirror.Mirror`. `tree` is the id of the orchestration."""

    def __init__(self, url: str, tree: str, *, may_make: bool) -> None:
        """Raises MirrorTrouble."""
        self._url, self._name = url, tree
        self._follower = secrets.token_hex(8)
        self._prefix = f"{_TREES}:{{{tree}}}"
        self._sizes: dict[str, int] = {}  # of files, as this follower knows: cursors never go back
        with self._translated():
            pool = redis.ConnectionPool.from_url(
                url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, max_connections=4
            )
            self._server: Any = redis.Redis(connection_pool=pool)
            self._server.ping()
        del may_make  # there is nothing to be made

    def cursor(self) -> Cursor:
        """See `Mirror.cursor`."""
        with self._translated():
            with self._server.pipeline() as together:
                together.sadd(_TREES, self._name)
                together.hset(self._prefix, "follower", self._follower)
                together.execute()
            self._clear(f"{self._prefix}:new")  # of a rebuild that was cut off
            found = self._cursor()
        self._sizes = {path: end.offset for path, end in found.lines.items()}
        self._sizes |= {path: size for path, (size, _) in found.pieces.items()}
        return found

    def look(self) -> Cursor:
        """See `Mirror.look`."""
        with self._translated():
            return self._cursor()

    def apply(self, batch: MirrorBatch) -> None:
        """See `Mirror.apply`."""
        with self._changing() as together:
            self._take(together, batch, self._prefix)

    def rebuild(self, batches: Iterable[MirrorBatch]) -> None:
        """See `Mirror.rebuild`. What is new is made beside what is there, then takes its place at once."""
        self.cursor()
        new, known = f"{self._prefix}:new", self._sizes
        self._sizes = {}
        try:
            for batch in batches:
                with self._translated(), self._server.pipeline(transaction=False) as together:
                    self._take(together, batch, new)
                    _refuse_failures(together.execute(raise_on_error=False))
        except BaseException:
            self._sizes = known
            raise
        with self._changing() as together:
            for key in self._keys(self._prefix, without=new):
                together.unlink(key)
            for key in self._keys(new):
                together.rename(key, self._prefix + key.removeprefix(new))

    def lines(self, path: str) -> Iterator[tuple[int, bytes]]:
        """See `Mirror.lines`."""
        key, begin = f"{self._prefix}:lines:{path}", "-"
        with self._translated():
            while entries := self._server.xrange(key, begin, "+", count=_AT_ONCE):
                for id_, fields in entries:
                    yield int(id_.rpartition(b"-")[2]), fields[b"raw"]
                begin = f"({id_.decode()}"

    def data(self, path: str) -> Iterator[bytes]:
        """See `Mirror.data`."""
        key, offset = f"{self._prefix}:data:{path}", 0
        with self._translated():
            while part := self._server.getrange(key, offset, offset + _CHUNK_BYTES - 1):
                yield bytes(part)
                offset += len(part)

    def trees(self) -> list[str]:
        """See `Mirror.trees`."""
        with self._translated():
            return sorted(name.decode() for name in self._server.smembers(_TREES))

    def identity(self) -> str:
        """See `Mirror.identity`: the number of the database in the server with that run."""
        with self._translated():
            run = self._server.info("server")["run_id"]
        return f"run {run} {self._server.connection_pool.connection_kwargs.get('db', 0)}"

    def forget(self) -> None:
        """See `Mirror.forget`."""
        with self._translated():
            self._server.srem(_TREES, self._name)
            self._clear(self._prefix)
            self._server.unlink(self._prefix)

    def close(self) -> None:
        """See `Mirror.close`."""
        with suppress(RedisError, OSError):
            self._server.close()
            self._server.connection_pool.disconnect()

    # -- one transaction

    def _take(self, together: Any, batch: MirrorBatch, prefix: str) -> None:
        for lines in batch.lines:
            self._take_lines(together, lines, prefix)
        for piece in batch.pieces:
            self._take_piece(together, piece, prefix)
        for content in batch.contents:
            self._take_content(together, content, prefix)
        for path, last in batch.counted.items():
            key = self._file(together, path, prefix)
            if last is None:
                together.hdel(key, "counted")
            else:
                together.hset(key, "counted", last)
        for path, is_gone in batch.gone.items():
            together.hset(self._file(together, path, prefix), "is_gone", int(is_gone))
        together.hset(self._prefix, "at", batch.at)
        together.set(f"{self._prefix}:alive", batch.at, ex=_ALIVE_S)

    def _take_lines(self, together: Any, lines: Lines, prefix: str) -> None:
        source = _source(lines.path)
        key, file = f"{prefix}:lines:{lines.path}", self._file(together, lines.path, prefix)
        if lines.is_anew:
            together.unlink(key)
        attempt = source.attempt or 1
        for seq, at, type_, raw in rows_of(lines):
            together.xadd(key, {"at": at or "", "type": type_ or "", "raw": raw}, id=f"{attempt}-{seq}")
        self._move(together, lines.path, file, lines.end, is_anew=lines.is_anew)

    def _take_piece(self, together: Any, piece: FilePiece, prefix: str) -> None:
        key, file = f"{prefix}:data:{piece.path}", self._file(together, piece.path, prefix)
        if piece.is_anew:
            together.unlink(key)
        if piece.data:
            together.setrange(key, piece.offset, piece.data)
        end = (0, piece.offset + len(piece.data), piece.tail)
        self._move(together, piece.path, file, end, is_anew=piece.is_anew)

    def _take_content(self, together: Any, content: Content, prefix: str) -> None:
        path, source = content.path, _source(content.path)
        if content.data is None:
            together.unlink(f"{prefix}:data:{path}", f"{prefix}:file:{path}")
            together.srem(f"{prefix}:files", path)
            return
        file = self._file(together, path, prefix)
        together.set(f"{prefix}:data:{path}", content.data)
        self._move(together, path, file, (0, len(content.data), content.sha256), is_anew=True)
        if source.what == "status":
            together.set(f"{self._prefix}:agent:{source.agent}", content.data, ex=_ALIVE_S)

    def _move(self, together: Any, path: str, file: str, end: tuple[int, int, str], *, is_anew: bool) -> None:
        """Set the cursor of a file; never back, but where the file began anew."""
        if is_anew or end[1] > self._sizes.get(path, 0):
            self._sizes[path] = end[1]
            seq, offset, h = end
            together.hset(file, mapping={"seq": seq, "offset": offset, "h": h, "is_gone": 0})

    def _file(self, together: Any, path: str, prefix: str) -> str:
        """Make the key of a file's cursor; what the file is stands in it from now on."""
        source, key = _source(path), f"{prefix}:file:{path}"
        if path not in self._sizes:
            told = {
                "what": source.what,
                "agent": source.agent,
                "attempt": source.attempt,
                "scope": source.scope,
            }
            together.sadd(f"{prefix}:files", path)
            together.hset(
                key,
                mapping={name: value for name, value in told.items() if value is not None},
            )
            for name, value in (("seq", 0), ("offset", 0), ("h", ""), *_set_aside(source)):
                together.hsetnx(key, name, value)
            self._sizes[path] = 0
        return key

    def _cursor(self) -> Cursor:
        found = Cursor()
        paths = sorted(path.decode() for path in self._server.smembers(f"{self._prefix}:files"))
        for start in range(0, len(paths), _AT_ONCE):
            some = paths[start : start + _AT_ONCE]
            with self._server.pipeline(transaction=False) as together:
                for path in some:
                    together.hgetall(f"{self._prefix}:file:{path}")
                for path, told in zip(some, together.execute(), strict=True):
                    _note(found, path, {key.decode(): value.decode() for key, value in told.items()})
        return found

    def keep_alive(self) -> None:
        """See `Mirror.keep_alive`."""
        with self._translated(), self._server.pipeline(transaction=False) as together:
            together.expire(f"{self._prefix}:alive", _ALIVE_S)
            for key in self._keys(f"{self._prefix}:agent"):
                together.expire(key, _ALIVE_S)
            together.execute()

    # -- the connection

    @contextmanager
    def _changing(self) -> Iterator[Any]:
        """Do in one MULTI all that is done inside, or nothing; refused if another follower took over."""
        with self._translated(), self._server.pipeline() as together:
            together.watch(self._prefix)
            if together.hget(self._prefix, "follower") != self._follower.encode():
                raise Superseded(
                    f"{self._shown}: another follower of {self._name} has taken this mirror over"
                )
            together.multi()
            yield together
            try:
                _refuse_failures(together.execute(raise_on_error=False))
            except WatchError as cause:
                if isinstance(cause.__context__, RedisError):  # a lost connection is told as that, too
                    raise cause.__context__ from cause
                raise Superseded(
                    f"{self._shown}: another follower of {self._name} came in between"
                ) from cause

    def _keys(self, prefix: str, *, without: str = "\0") -> list[str]:
        found = self._server.scan_iter(match=f"{_escaped(prefix)}:*", count=_AT_ONCE)
        keys = [key.decode() for key in found]
        return [key for key in keys if not key.startswith(f"{without}:")]

    def _clear(self, prefix: str) -> None:
        keys = self._keys(prefix)
        for start in range(0, len(keys), _AT_ONCE):
            self._server.unlink(*keys[start : start + _AT_ONCE])

    @property
    def _shown(self) -> str:
        return shown_url(self._url)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (RedisError, OSError) as cause:
            text = " ".join(str(cause).split()) or type(cause).__name__
            raise MirrorTrouble(f"{self._shown}: {text}") from cause
        except ValueError as cause:
            raise BadInput(f"{self._shown}: {cause}") from cause


def _refuse_failures(results: list[Any]) -> None:
    """Raise the first failure among them; an id that does not rise is of a line that is there."""
    for result in results:
        if isinstance(result, ResponseError) and _NOT_RISING in str(result):
            continue
        if isinstance(result, Exception):
            raise result


def _note(found: Cursor, path: str, told: dict[str, str]) -> None:
    source = source_of(path)
    if source is None or not told:
        return
    seq, offset, h = int(told.get("seq", 0)), int(told.get("offset", 0)), told.get("h", "")
    if source.sort is Sort.LINES:
        found.lines[path] = Position(seq, offset, h)
    elif source.sort is Sort.PIECES:
        found.pieces[path] = (offset, h)
    else:
        found.contents[path] = h
    if "counted" in told:
        found.counted[path] = int(told["counted"])
    if told.get("is_gone") == "1":
        found.gone.add(path)


def _set_aside(source: FollowedFile) -> list[tuple[str, int]]:
    return [("counted", -1)] if source.is_set_aside else []


def _source(path: str) -> FollowedFile:
    source = source_of(path)
    if source is None:
        raise BadInput(f"{path}: is not a file that is mirrored")
    return source


def _escaped(text: str) -> str:
    """Escape `text` in a pattern of Redis."""
    return "".join(f"\\{character}" if character in "*?[]\\{}^" else character for character in text)
