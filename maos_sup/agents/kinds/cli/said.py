"""Says what a program said last, as its own session has it.

gemini shows the pieces of an answer as they come; where the stream breaks off it asks again and shows the
pieces of the next try behind them, without a word between. Its session has the answer that counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from maos_sup.agents.kinds.cli.parser import meanings
from maos_sup.agents.kinds.cli.profile import Profile
from state_layout.files import codec
from state_layout.files.reading import Unreadable, read_regular

_MOST_BYTES = 64_000_000  # of a session that is read


def without_broken_tries(said: str, *, home: Path | None, profile: Profile) -> str:
    """Cut off `said` what stands before the last answer in its session; give it as it is if that is not
    known."""
    if home is None or not profile.session_files:
        return said
    for answer in _answers(home, profile):
        whole = answer.strip()
        is_last = bool(whole) and said.rstrip().endswith(whole)
        return answer if is_last and said.strip() != whole else said
    return said


def _answers(home: Path, profile: Profile) -> Iterator[str]:
    """The answers in the newest session, the last one first."""
    try:
        files = sorted(home.glob(profile.session_files), key=lambda path: path.lstat().st_mtime)
        data = read_regular(files[-1], most_bytes=_MOST_BYTES)[0] if files else b""
    except (OSError, Unreadable):
        return
    for line in reversed(data.splitlines()):
        try:
            value = codec.decode(line)
        except codec.NotJson:
            continue
        if isinstance(value, dict):
            yield from (meaning.text("text") for meaning in meanings(value, profile.session_parser))
