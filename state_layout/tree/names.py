"""Names of trees: they sort by time and read well, `20261121-0142-audit-repo-7f3k`."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from random import Random  # it seeds itself anew in each forked child

UNFINISHED = ".FORMAT.tmp-creating"  # what FORMAT is called while its tree is being made
_SLUG_CHARACTERS = 24
_SUFFIX = "23456789abcdefghjkmnpqrstvwxyz"  # no 0 1 i l o u: names are read aloud and typed
_FILLERS = frozenset(
    {"a", "an", "and", "at", "by", "for", "from", "in", "into", "it", "its", "of", "on", "or", "our"}
    | {"that", "the", "their", "this", "to", "with", "your"}
)


def new_id(request: str, now: datetime, random: Random) -> str:
    """Make a name for an orchestration of `request`: time (UTC), a few words of it, four random
    characters."""
    from datetime import UTC

    words = [now.astimezone(UTC).strftime("%Y%m%d-%H%M"), *telling_words(request)]
    return "-".join([*words, "".join(random.choices(_SUFFIX, k=4))])


def telling_words(request: str) -> list[str]:
    """List the first telling words of `request` in plain letters, up to 24 characters in all."""
    plain = unicodedata.normalize("NFKD", request).encode("ascii", "ignore").decode().lower()
    words = [word for word in re.findall(r"[a-z0-9]+", plain.replace("'", "")) if word not in _FILLERS]
    kept, room = list[str](), _SLUG_CHARACTERS
    for word in words:
        if len(word) > room:
            break
        kept.append(word)
        room -= len(word) + 1
    return kept or [word[:_SLUG_CHARACTERS] for word in words[:1]]
