"""Many descriptors that are waited for as one: epoll, or the one descriptor that a portable launcher has."""

from __future__ import annotations

import select
from collections.abc import Iterator

from state_layout.host.kernel import is_linux


class Ears:
    """Listens to descriptors. Without epoll there is no pidfd and no zygote either: `first` alone wakes then.

    `first` is listened to like the others, by `listen`.
    """

    def __init__(self, first: int) -> None:
        self._epoll = select.epoll() if is_linux() else None
        self._first, self._others = first, set[int]()

    def fileno(self) -> int:
        """Give the descriptor that is readable when there is something to hear."""
        return self._first if self._epoll is None else self._epoll.fileno()

    def listen(self, descriptor: int) -> None:
        """Listen to `descriptor` from now on."""
        self._others.add(descriptor)
        if self._epoll is not None:
            self._epoll.register(descriptor, select.EPOLLIN)

    def deafen(self, descriptor: int) -> None:
        """Listen to it no more."""
        self._others.discard(descriptor)
        if self._epoll is not None:
            self._epoll.unregister(descriptor)

    def heard(self) -> Iterator[int]:
        """Yield the descriptors that have something to tell now."""
        if self._epoll is not None:
            yield from (descriptor for descriptor, _ in self._epoll.poll(0))
            return
        poll = select.poll()
        for descriptor in self._others:
            poll.register(descriptor, select.POLLIN)
        yield from (descriptor for descriptor, _ in poll.poll(0))

    def close(self) -> None:
        """Listen to nothing any more; the descriptors are their owners'."""
        if self._epoll is not None:
            self._epoll.close()
