"""Sessions of Claude Code and Codex on this machine, found by their files, told by their first lines.

They are only read. Both write one file a session, a JSON object a line, and say in it where it was, and what
the person asked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.files.looking import is_link, is_regular

_HEAD_BYTES = 1 << 18
_MOST_WORDS = 120
Entry = Mapping[str, Any]
SESSION = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_UUID = re.compile(SESSION)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_NO_WISH = re.compile(r"\s*<(command-|local-command|system-reminder|environment_context|user_instructions)")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSession:
    """The session was found on this machine. `words` are the first that the person asked, `cwd` is where;
    empty where nothing tells."""

    id: str
    path: Path
    changed_s: float
    size: int
    cwd: str
    words: str


def claude_sessions(config: Path, *, most: int) -> tuple[list[FoundSession], int]:
    """The newest sessions of the configuration folder `config` (~/.claude), and how many there are."""
    return _newest(_sized(config.glob("projects/*/*.jsonl")), most)


def codex_sessions(home: Path, *, most: int) -> tuple[list[FoundSession], int]:
    """Find the sessions of Codex in its `home` (~/.codex)."""
    return _newest(_sized(home.glob("sessions/*/*/*/rollout-*.jsonl")), most)


def session_named(config: Path, wanted: str) -> FoundSession:
    """The session of Claude Code that `wanted` means: a file, an id, or how one begins. Raises BadInput."""
    path = Path(wanted).expanduser()
    if path.suffix == ".jsonl" or os.sep in wanted:
        if not is_regular(path):
            raise BadInput(f"{path}: is not there; name a session, or its file")
        return _told(path.absolute(), path.stat())
    found = [each for each in _sized(config.glob("projects/*/*.jsonl")) if each[0].stem.startswith(wanted)]
    if len(found) != 1 or not wanted:
        many = f"{len(found)} sessions" if found else "no session"
        where = f"of Claude Code in {config} with an id that begins with {wanted!r}"
        raise BadInput(f"{many} {where}; see: maos-sup import")
    return _told(*found[0])


def _sized(paths: Iterable[Path]) -> list[tuple[Path, os.stat_result]]:
    found = []
    for path in paths:
        try:
            stat = path.lstat()
        except OSError:
            continue
        if is_regular(path) and not is_link(path) and stat.st_size:
            found.append((path, stat))
    return found


def _newest(found: list[tuple[Path, os.stat_result]], most: int) -> tuple[list[FoundSession], int]:
    newest = sorted(found, key=lambda each: each[1].st_mtime, reverse=True)
    return [_told(*each) for each in newest[:most]], len(found)


def _told(path: Path, stat: os.stat_result) -> FoundSession:
    cwd = words = ""
    for record in _head(path):
        payload = record.get("payload")
        inner: Entry = payload if isinstance(payload, dict) else record
        cwd = cwd or _text(inner.get("cwd"))
        words = words or _wish(record, inner)
        if cwd and words:
            break
    names = _UUID.findall(path.stem)
    return FoundSession(
        id=names[-1] if names else path.stem,
        path=path,
        changed_s=stat.st_mtime,
        size=stat.st_size,
        cwd=cwd,
        words=words,
    )


def _head(path: Path) -> Iterator[Entry]:
    """Yield the records at the beginning of a file."""
    try:
        with path.open("rb") as file:
            lines = file.read(_HEAD_BYTES).split(b"\n")[:-1]
    except OSError:
        return
    for line in lines:
        try:
            record = codec.decode(line) if line.strip() else None
        except codec.NotJson:
            continue
        if isinstance(record, dict):
            yield record


def _wish(record: Entry, inner: Entry) -> str:
    """Give what a person asked for, if `record` says so; not what the program itself put in his mouth."""
    if record.get("isSidechain") or record.get("isMeta"):
        return ""
    if record.get("type") == "user":
        message = record.get("message")
        content = message.get("content") if isinstance(message, dict) else None
    elif inner.get("role") == "user":
        content = inner.get("content")
    else:
        return ""
    blocks = content if isinstance(content, list) else [{"text": content}]
    texts = [_text(block.get("text")) for block in blocks if isinstance(block, dict)]
    said = " ".join(part for part in texts if part and not _NO_WISH.match(part))
    text = " ".join(_CONTROL.sub(" ", said).split())
    return text if len(text) <= _MOST_WORDS else f"{text[: _MOST_WORDS - 3]}..."


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
