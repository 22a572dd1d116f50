"""Bugs of checkpoints, rollback and redo, shown by teams that are taken back and forward."""

from __future__ import annotations

from functools import partial

from ..plant import Bug as AnyBug

_CARRY, _REWINDING = "maos_sup.cuts.carry_out", "maos_sup.supervisor.rewinding"
_REWIND, _BACK, _TAKE = "maos_sup.cuts.rewind", "maos_sup.cuts.going_back", "maos_sup.cuts.take"
Bug = partial(AnyBug, run="rewinds")
_DO_THEN_SAY = """carry_out(tree, plan)
life.commit("rewound", _done(plan, by=by, why=why))"""
_SAY_THEN_DO = """life.commit("rewound", _done(plan, by=by, why=why))
carry_out(tree, plan)"""

BUGS = [
    Bug("a rewind is not journaled first", f"{_REWINDING}:rewind", 'life.commit("rewind", told)', "pass"),
    Bug("a rewind is called done before it is", f"{_REWINDING}:rewind", _DO_THEN_SAY, _SAY_THEN_DO),
    Bug(
        "a rewind that was cut off is not finished",
        f"{_REWINDING}:finish_rewinding",
        "carry_out(tree, plan)",
        "pass",
    ),
    Bug(
        "a rewind that was cut off is overlooked",
        f"{_REWINDING}:unfinished",
        'last["type"] == "rewind"',
        'last["type"] == "nothing"',
    ),
    Bug(
        "numbers of void messages are given again",
        f"{_CARRY}:carry_out",
        "take_numbers(tree, rewind.next_seq)",
        "pass",
    ),
    Bug("the last void number is given again", f"{_BACK}:_next_numbers", "steps[-1][1] + 1", "steps[-1][1]"),
    Bug(
        "void mail stays where it is",
        f"{_CARRY}:_move_files",
        "atomic.replace_all({path: data for path, data in contents.items() if data})",
        "pass",
    ),
    Bug(
        "void mail is overlooked",
        f"{_REWIND}:_channel_move",
        "if is_there and has_more:",
        "if is_there and has_more and not last:",
    ),
    Bug("specs are not put back", f"{_CARRY}:_move_specs", "atomic.replace(tree.spec / rel, data)", "pass"),
    Bug(
        "an agent that has read void mail stays",
        f"{_CARRY}:carry_out",
        "for move in rewind.agents.values()",
        "for move in rewind.agents.values() if move.agent != 'bob'",
    ),
    Bug(
        "people's words are not taken back",
        f"{_BACK}:preview_rollback",
        "None if only else cut.people",
        "None",
    ),
    Bug(
        "a second rewind takes the number of the first",
        f"{_REWIND}:next_void",
        "return max(used) + 1",
        "return max(used) or 1",
    ),
    Bug(
        "a checkpoint names lines that are not durable",
        f"{_TAKE}:take_cut",
        "_make_durable(tree, moment)",
        "pass",
    ),
]
