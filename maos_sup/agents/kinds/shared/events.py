"""Says where reading of `events.jsonl` begins: with what dead lives left, then behind what is there already.

A process of a command line writes that file itself; how far it was understood is on record, with what came
of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from maos_sup.agents.attempt.life import AgentLife
from maos_sup.agents.output.sources import Source
from state_layout.errors import storage_error
from state_layout.files.looking import exists
from state_layout.lives.attempts import list_attempts


def left_by_the_dead(life: AgentLife) -> Iterator[Source]:
    """Yield what processes of dead lives wrote, the oldest first, each from where nobody understood it."""
    offsets = life.recorder.look(lambda history: dict(history.offsets))
    for attempt in list_attempts(life.paths):
        path = life.paths.attempt(attempt).events
        if attempt < life.attempt and exists(path):
            yield Source(path, attempt=attempt, offset=offsets.get(f"{attempt}/{path.name}", 0))


def before(source: Source) -> Source:
    """Make a source of what stands before the place of `source` in its file, to be read once more."""
    return Source(source.path, attempt=source.attempt, offset=0, end=source.offset)


def of_next_process(life: AgentLife) -> Source:
    """Make a source of what the next process of this life will write: those before it are done with.
    Raises StorageError."""
    path = life.files.events
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        size = 0
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    return Source(path, attempt=life.attempt, offset=size)
