"""Opens the mirror that a URL names: each sort of database by its scheme, imported only when it is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from maos_sup.mirrors.addresses import has_password, refuse_unreadable
from maos_sup.mirrors.mirror import Mirror
from state_layout.errors import BadInput

_ENDINGS = (".db", ".sqlite", ".sqlite3")
KNOWN = "sqlite:FILE, postgresql://HOST/DATABASE or redis://HOST"


def place_of(text: str) -> str:
    """The URL that a person means by `text`, independent of the current folder. Raises BadInput."""
    if text.startswith("$"):
        return text
    if "://" not in text and not text.startswith("sqlite:"):
        if not text.endswith(_ENDINGS):
            raise BadInput(f"{text!r} names no database; use {KNOWN}")
        text = f"sqlite:{text}"
    if has_password(text):
        raise BadInput(
            "the URL has a password in it, which would lie in the tree; name a variable that holds the URL "
            "('$MIRROR_URL'), or leave the password to ~/.pgpass"
        )
    if text.startswith("sqlite:"):
        return f"sqlite:{_path_of(text)}"
    _opener(text)
    refuse_unreadable(text)
    return text


def open_mirror(url: str, tree: str, *, may_make: bool = False) -> Mirror:
    """Open the mirror of the orchestration `tree` at `url`. Raises BadInput, MirrorTrouble."""
    opener = _opener(url)
    refuse_unreadable(url)
    return opener(url, tree, may_make=may_make)


def _opener(url: str) -> Callable[..., Mirror]:
    scheme = url.partition(":")[0]
    opener = _OPENERS.get(scheme)
    if opener is None:
        raise BadInput(f"{f'{scheme[:20]}:'!r} begins no URL of a database that is known; use {KNOWN}")
    return opener


def _path_of(url: str) -> Path:
    text = url.removeprefix("sqlite:").removeprefix("//")
    if not text:
        raise BadInput(f"{url!r} names no file; use sqlite:FILE")
    root = "/" if text.startswith("/") else ""  # others write four slashes: sqlite:////srv/runs.db
    return Path(root + text.lstrip("/")).expanduser().absolute()


def _sqlite(url: str, tree: str, *, may_make: bool) -> Mirror:
    from maos_sup.mirrors.sqlite.mirror import SqliteMirror

    path = _path_of(url)
    if url != f"sqlite:{path}" and url != f"sqlite://{path}":
        raise BadInput(f"{url!r} names a file by where one stands; say sqlite:{path}")
    return SqliteMirror(path, tree, may_make=may_make)


def _postgres(url: str, tree: str, *, may_make: bool) -> Mirror:
    try:
        from maos_sup.mirrors.postgres.mirror import PostgresMirror
    except ImportError as cause:
        raise _lacking("postgres", cause) from cause
    return PostgresMirror(url, tree, may_make=may_make)


def _redis(url: str, tree: str, *, may_make: bool) -> Mirror:
    try:
        from maos_sup.mirrors.redis.mirror import RedisMirror
    except ImportError as cause:
        raise _lacking("redis", cause) from cause
    return RedisMirror(url, tree, may_make=may_make)


def _lacking(extra: str, cause: ImportError) -> BadInput:
    return BadInput(f"{cause.name or extra} is not installed; in a checkout: pip install '.[{extra}]'")


_OPENERS: dict[str, Callable[..., Mirror]] = {
    "sqlite": _sqlite,
    "postgresql": _postgres,
    "postgres": _postgres,
    "redis": _redis,
    "rediss": _redis,
    "unix": _redis,
}
