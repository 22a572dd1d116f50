"""Reads a file a chunk at a time and gives its whole lines. Knows nothing of what stands in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

FIRST_CHUNK_BYTES, CHUNK_BYTES = 1 << 16, 1 << 18  # larger ones leave the caches of a processor


class Batch(NamedTuple):
    lines: list[bytes]
    is_open: bool  # a line without its end follows


def batches(descriptor: int, offset: int) -> Iterator[Batch]:
    """Yield the whole lines from `offset` (bytes) on, a chunk at a time. Raises OSError.

    A stretch of zeros (a hole, or a file that was made longer) is no line and is not kept in memory.
    """
    rest, size = list[bytes](), FIRST_CHUNK_BYTES
    while chunk := os.pread(descriptor, size, offset):
        offset, size = offset + len(chunk), CHUNK_BYTES
        *whole, begun = chunk.split(b"\n")
        if whole:
            whole[0] = b"".join([*rest, whole[0]])
            rest = []
        if b"\0" in begun:
            rest = [b"\0"]
        elif begun:
            rest.append(begun)
        yield Batch(whole, bool(rest))
