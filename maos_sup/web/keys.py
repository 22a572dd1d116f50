"""Keys of a page: one that opens it once, and what a browser that opened it has from then on.

All of them are in memory only and random, 256 bits each: when the server ends, nothing opens anything.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from dataclasses import dataclass

_MOST_SESSIONS = 64  # the oldest goes


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser that was let in: `secret` is in its cookie, `page_key` in the storage of this very origin."""

    secret: str
    page_key: str


class Keys:
    """The keys are made anew by each server. `standing`: a key that people keep in a file, which stays
    valid."""

    def __init__(self, standing: str | None = None) -> None:
        self._standing = standing
        self._lock = threading.Lock()
        self._once = set[str]()
        self._sessions = dict[str, Session]()

    def new_key(self) -> str:
        """A key that opens the page once."""
        key = secrets.token_urlsafe(32)
        with self._lock:
            self._once.add(key)
        return key

    def enter(self, key: str) -> Session | None:
        """The session that `key` opens, which is used up by that; None for a wrong one."""
        with self._lock:
            if not self._takes(key):
                return None
            session = Session(secret=secrets.token_urlsafe(32), page_key=secrets.token_urlsafe(32))
            self._sessions[session.secret] = session
            while len(self._sessions) > _MOST_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
        return session

    def is_standing(self, key: str) -> bool:
        """The `key` is the one that people keep."""
        return self._standing is not None and _same(key, self._standing)

    def session(self, secret: str) -> Session | None:
        """Find the session with this secret."""
        with self._lock:
            return next((known for known in self._sessions.values() if _same(known.secret, secret)), None)

    def _takes(self, key: str) -> bool:
        found = next((known for known in self._once if _same(known, key)), None)
        if found is not None:
            self._once.discard(found)
        return found is not None or self.is_standing(key)


def _same(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode())
