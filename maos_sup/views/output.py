"""Says what programs wrote, read piece by piece: once, or followed while it grows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from state_layout.errors import storage_error
from state_layout.files import atomic
from state_layout.lives.attempts import list_attempts
from state_layout.paths import Tree

CHUNK_BYTES = 1 << 20
STREAMS = ("stdout", "stderr")


class OutputLine(NamedTuple):
    """A line is that of a program, without its line feed. `end`: bytes of the file up to its end."""

    agent: str
    attempt: int
    stream: str
    text: str
    end: int = 0


@dataclass(slots=True, kw_only=True)
class _Source:
    path: Path
    offset: int = 0
    rest: list[bytes] = field(default_factory=list)  # joined once the line has ended: it may be of gigabytes
    rest_bytes: int = 0

    def keep(self, *rest: bytes) -> None:
        self.rest, self.rest_bytes = [*rest], sum(map(len, rest))


class Output:
    """The object reads the output of some agents; `read` gives what came since the last call.

    With `attempt` only that life of each; otherwise all lives, oldest first.
    """

    def __init__(
        self,
        tree: Tree,
        agents: Sequence[str],
        *,
        attempt: int | None = None,
        streams: Sequence[str] = STREAMS,
    ) -> None:
        self._tree, self._agents, self._attempt, self._streams = tree, agents, attempt, streams
        self._sources: dict[tuple[str, int, str], _Source] = {}

    def read(self, *, to_the_end: bool = False) -> Iterator[OutputLine]:
        """Yield the whole lines that are new; with `to_the_end` also a last one without a line feed."""
        for agent in self._agents:
            for attempt in self._attempts(agent):
                for stream in self._streams:
                    yield from self._lines(agent, attempt, stream, to_the_end=to_the_end)

    def _attempts(self, agent: str) -> list[int]:
        numbers = list_attempts(self._tree.agent(agent))
        return numbers if self._attempt is None else [number for number in numbers if number == self._attempt]

    def _lines(self, agent: str, attempt: int, stream: str, *, to_the_end: bool) -> Iterator[OutputLine]:
        paths = self._tree.agent(agent).attempt(attempt)
        path = paths.stdout if stream == "stdout" else paths.stderr
        source = self._sources.setdefault((agent, attempt, stream), _Source(path=path))
        for piece in _new_bytes(source):
            end = source.offset - len(piece) - source.rest_bytes
            first, *more = piece.split(b"\n")
            source.rest.append(first)
            source.rest_bytes += len(first)
            if not more:
                continue
            whole = [b"".join(source.rest), *more[:-1]]
            source.keep(more[-1])
            for raw in whole:
                end += len(raw) + 1
                yield OutputLine(agent, attempt, stream, raw.decode("utf-8", "replace"), end)
        if to_the_end and source.rest:
            text = b"".join(source.rest).decode("utf-8", "replace")
            source.keep()
            if text:
                yield OutputLine(agent, attempt, stream, text, source.offset)


def _new_bytes(source: _Source) -> Iterator[bytes]:
    try:
        with atomic.opened(source.path, os.O_RDONLY) as descriptor:
            while piece := os.pread(descriptor, CHUNK_BYTES, source.offset):
                source.offset += len(piece)
                yield piece
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as cause:
        raise storage_error("read", source.path, cause) from cause
