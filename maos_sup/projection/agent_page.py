"""One agent whole: how it stands, its attempts and why each ended, its newest turns, its output and files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from maos_sup.projection.conversation import CONVERSATION_TYPES, Turn, turns_of
from maos_sup.projection.journal_lines import JournalLine, type_of
from maos_sup.projection.lives import LifeSpan
from maos_sup.projection.reading import AgentKeeps, Reading
from maos_sup.projection.text import cut

if TYPE_CHECKING:
    from maos_sup.views.shapes import AgentShown, Status, TaskShown

_MOST_BYTES, _OUTPUT_BYTES = 1 << 19, 1 << 15
MOST_TURNS, MOST_KEPT = 120, 100
_BEGIN_S, _END_S = 0.0, 253402300799.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPage:
    """`turns` and `output` are the newest; `left_out` says that there are older ones."""

    agent: AgentShown  # as a status has it
    tasks: tuple[TaskShown, ...]
    lives: tuple[LifeSpan, ...]
    turns: tuple[Turn, ...]
    output: tuple[tuple[str, str], ...]
    kept: tuple[AgentKeeps, ...]
    left_out: bool


def agent_page(
    reading: Reading, status: Status, name: str, *, until_s: float | None = None
) -> AgentPage | None:
    """The page of agent `name`, its turns up to `until_s`; None if there is none of that name."""
    agent = next((one for one in status["agents"] if one["name"] == name), None)
    if agent is None:
        return None
    lives = reading.lives(name)
    lines, is_cut = _lines(reading, name, lives, _END_S if until_s is None else until_s)
    turns = turns_of(lines)
    output = reading.output_tail(name, lives[-1].attempt, most_bytes=_OUTPUT_BYTES) if lives else []
    return AgentPage(
        agent=agent,
        tasks=tuple(task for task in status["tasks"] if task["agent"] == name),
        lives=tuple(lives),
        turns=tuple(turns[-MOST_TURNS:]),
        output=tuple((stream, cut(line, 2000)) for stream, line in output),
        kept=tuple(replace(one, value=cut(one.value, 2000)) for one in reading.kept(name, most=MOST_KEPT)),
        left_out=is_cut or len(turns) > MOST_TURNS,
    )


def _lines(
    reading: Reading, agent: str, lives: list[LifeSpan], until_s: float
) -> tuple[list[JournalLine], bool]:
    """The newest lines that tell of the conversation, oldest first, and whether there are older ones."""
    found, budget = list[JournalLine](), _MOST_BYTES
    for life in reversed(lives):
        if budget <= 0:
            return found, True
        piece = reading.piece(agent, life.attempt, since_s=_BEGIN_S, until_s=until_s, most_bytes=budget)
        budget -= sum(map(len, piece.raws))
        here = [
            line
            for raw in piece.raws
            if type_of(raw) in CONVERSATION_TYPES and (line := reading.line(raw, agent=agent, life=life))
        ]
        found[:0] = here
        if piece.left_out:
            return found, True
    return found, False
