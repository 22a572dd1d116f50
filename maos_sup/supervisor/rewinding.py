"""Take a team back, or forward again: journal it, carry it out, say that it is done.

Between the line `rewind` and the line `rewound` the tree is on its way; whoever supervises it next finishes
that first. So whatever kills a rollback, the tree is as it was before, or goes on to where it was sent.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from maos_sup.core.memory import memory_after, memory_to_json
from maos_sup.cuts.carry_out import carry_out
from maos_sup.cuts.rewind import Rewind
from maos_sup.supervisor.life import begin_life
from state_layout.errors import Damaged, storage_error
from state_layout.files.chain import Position
from state_layout.files.journal import Reader
from state_layout.files.looking import is_dir
from state_layout.lives.numbers import numbers_in
from state_layout.paths import Tree
from state_layout.tree.stillness import held_still

if TYPE_CHECKING:
    from state_layout.records.supervisor_lines import SupervisorLine


_TELLING = (b'"type":"rewind"', b'"type":"rewound"')


def rewind(tree: Tree, plan: Rewind, *, by: str, why: str) -> None:
    """Carry out `plan`, durably. Raises Locked while anybody lives in the tree, Damaged, StorageError.

    After an error or a kill the tree is as before, or `finish_rewinding` goes on with it.
    """
    with held_still(tree):
        life = begin_life(tree)
        told = {"by": by, "why": why, **plan.to_json()}
        life.commit("rewind", told)
        carry_out(tree, plan)
        life.commit("rewound", _done(plan, by=by, why=why))


def finish_rewinding(tree: Tree) -> str | None:
    """Finish what a killed rollback left; what was done, for people. Raises as `rewind` does."""
    fields = unfinished(tree)
    if fields is None:
        return None
    try:
        plan = Rewind.from_json(fields)
    except (KeyError, ValueError, TypeError, AttributeError) as cause:
        raise Damaged(f"supervisor/lives: the last 'rewind' is not as FORMAT.md says: {cause!r}") from cause
    with held_still(tree):
        if unfinished(tree) != fields:
            return None  # somebody else was here
        carry_out(tree, plan)
        by, why = str(fields.get("by")), str(fields.get("why"))
        begin_life(tree).commit("rewound", _done(plan, by=by, why=why))
    return f"a rollback to checkpoint {plan.cut} was cut off; it is finished now"


def unfinished(tree: Tree) -> SupervisorLine | None:
    """Read the fields of the last `rewind` if no `rewound` follows it."""
    last = last_rewinding(tree)
    return last if last is not None and last["type"] == "rewind" else None


def last_rewinding(tree: Tree) -> SupervisorLine | None:
    """The fields of the last line `rewind` or `rewound` in the journals of all lives, None without one.

    Raises StorageError.
    """
    if not is_dir(tree.checkpoints):
        return None  # each rollback begins with a checkpoint
    try:
        numbers = numbers_in(tree.lives)
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise storage_error("read", tree.lives, cause) from cause
    for number in reversed(numbers):
        lines = Reader(tree.life_journal(number))
        found = [line for line in lines if any(key in line.raw for key in _TELLING)]
        if found:
            fields: SupervisorLine = found[-1].fields()
            return fields
    return None


def memory_at(tree: Tree, place: tuple[int, int, int, str] | None) -> Mapping[str, Any] | None:
    """Find what the supervisor knew at `place` (life, seq, offset, h), as its journal carries it, or None."""
    if place is None:
        return None
    life, seq, _, _ = place
    reader = Reader(tree.life_journal(life), Position())
    now_s = time.monotonic()
    memory = memory_after((line.fields() for line in reader if line.seq <= seq), now_s=now_s)
    return None if memory is None else memory_to_json(memory, now_s=now_s)


def _done(plan: Rewind, *, by: str, why: str) -> dict[str, object]:
    """Make the fields of the line that says that `plan` is carried out."""
    told = {"by": by, "why": why, "void": plan.void, "cut": plan.cut, "back": plan.back}
    return told if plan.memory is None else {**told, "memory": dict(plan.memory)}
