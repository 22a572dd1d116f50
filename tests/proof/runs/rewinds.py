"""Teams that are taken back and forward: a run of deeds, and what must hold after a cut in the middle of one.

A rewind is one deed: after a cut everything is as before it or as after it, for all agents, people's mail and
specs together; once it was acknowledged, as after it. Expected is what the run saw, by a parser that knows
FORMAT.md only (`ledger`), not what the product says of itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from ledger import lines_that_count
from lives import Life

from maos_sup.cuts import store
from maos_sup.cuts.going_back import preview_rollback
from maos_sup.cuts.places import lines_up_to
from maos_sup.cuts.take import take_cut
from maos_sup.supervisor.life import begin_life
from maos_sup.supervisor.rewinding import finish_rewinding, memory_at, rewind
from state_layout.check import Severity, check
from state_layout.errors import LayoutError
from state_layout.files.journal import Reader
from state_layout.mail.operator_mail import append_operator_message
from state_layout.paths import Tree
from state_layout.specs import edit_spec
from state_layout.tree.making import create_tree

from ..history import History
from ..recorder import tell

AGENTS = ("ann", "bob", "cid")
REWINDS = 3
Broken = Iterator[tuple[str, str]]
PROMISES = (
    "a checkpoint is whole",
    "a rewind is all or nothing",
    "redo brings the other future back",
    "void mail is never delivered",
    "numbers are given once",
    "check finds nothing that needs a person",
    "everybody can go on",
)


def run(root: Path, seed: int) -> None:
    """Make a team, have it talk, take it back and forward; tell what each moment was."""
    chance = Random(seed)
    tree = create_tree(
        root,
        orchestration={"id": "o", "request": "r"},
        agents={name: {"kind": "command", "command": ["true"]} for name in AGENTS},
        tasks={"t": {"agent": "ann", "description": "d"}},
    )
    begin_life(tree)
    tell("made", [*AGENTS])
    words = iter(f"word {number}" for number in range(100))
    _talk(tree, chance, words)
    wanted = _checkpoint(tree)
    for number in range(REWINDS):
        _talk(tree, chance, words)
        back = _go(tree, wanted)
        wanted = back if chance.random() < 0.5 and number else wanted


def _talk(tree: Tree, chance: Random, words: Iterator[str]) -> None:
    """Everybody writes to everybody and reads; people write, a spec is edited; all die."""
    team = {name: Life(tree, name) for name in AGENTS}
    for _ in range(chance.randint(1, 2)):
        word = next(words)
        for name, life in team.items():
            life.step(word, *((to, f"{word} of {name}") for to in AGENTS if to != name))
        for life in team.values():
            life.receive()
        append_operator_message(tree, chance.choice(AGENTS), text=f"people: {word}")
        edit_spec(tree, tree.agent_spec("ann"), partial(_with_role, role=word))
    for life in team.values():
        if chance.random() < 0.5:
            life.checkpoint()
        life.history.take(life.journal.record("progress", {"value": chance.random()}))  # not synced
        life.die()


def _with_role(spec: dict[str, Any], *, role: str) -> dict[str, Any]:
    return {**spec, "role": role}


def _checkpoint(tree: Tree) -> int:
    cut = take_cut(tree, by="operator", why="w")
    tell("checkpoint", cut.number, picture(tree))
    return cut.number


def _go(tree: Tree, wanted: int) -> int:
    """Go to the checkpoint `wanted`; that of what was before."""
    back = _checkpoint(tree)
    tell("going", wanted, back, _numbers(tree))
    _rewind(tree, wanted, back)
    tell("gone", wanted)
    return back


def _rewind(tree: Tree, wanted: int, back: int) -> None:
    cut = store.read(tree, wanted)
    plan = replace(preview_rollback(tree, cut).plan, back=back, memory=memory_at(tree, cut.supervisor))
    rewind(tree, plan, by="operator", why="w")


def picture(tree: Tree) -> str:
    """Put what counts into one word: lines of agents but starts, what people wrote, specs."""
    told = sha256()
    for name in AGENTS:
        for line in lines_that_count(tree.agent(name).root):
            if line["type"] != "start":
                told.update(f"{name} {line['seq']} {line['type']} {line['h']}\n".encode())
    for path in [*sorted(tree.mail.glob("*/operator.jsonl")), *sorted(tree.spec.rglob("*.json"))]:
        told.update(f"{tree.shown(path)} {sha256(path.read_bytes()).hexdigest()}\n".encode())
    return told.hexdigest()[:16]


def _numbers(tree: Tree) -> dict[str, int]:
    """By "<sender>/<to>" the highest number that any line, void or not, ever gave."""
    found = dict[str, int]()
    for name in AGENTS:
        for journal in tree.agent(name).attempts.glob("*/journal.jsonl"):
            for line in Reader(journal):
                for message in line.fields().get("sent", ()):
                    key = f"{name}/{message['to']}"
                    found[key] = max(found.get(key, 0), message["n"])
    return found


@dataclass(frozen=True, slots=True)
class Deed:
    """A rewind as the run told it: begun at record `begun`, acknowledged at `done`."""

    begun: int
    done: int
    wanted: int
    back: int
    numbers: dict[str, int]


def deeds(history: History) -> list[Deed]:
    """The rewinds of a run."""
    going = [told for told in history.told if told.what == "going"]
    gone = [told.at for told in history.told if told.what == "gone"]
    return [
        Deed(told.at, done, told.value[0], told.value[1], told.value[2])
        for told, done in zip(going, gone, strict=True)
    ]


def hold(tree: Tree, history: History, deed: Deed, at: int, chance: Random) -> Broken:
    """Say what `tree`, which a cut before record `at` left in or just after `deed`, breaks."""
    pictures = {told.value[0]: told.value[1] for told in history.told if told.what == "checkpoint"}
    for told in history.told:
        if told.what == "checkpoint" and told.at < at:
            yield from _checkpoint_is_whole(tree, told.value[0])
    try:
        finish_rewinding(tree)
        now, old, new = picture(tree), pictures[deed.back], pictures[deed.wanted]
        if now != new and (now != old or at > deed.done):
            must = "after" if at > deed.done else "before nor as after"
            yield "a rewind is all or nothing", f"to {deed.wanted}: not as {must} it"
            return
        if now == new and chance.random() < 0.4:
            _rewind(tree, deed.back, deed.back)
            if picture(tree) != old:
                yield "redo brings the other future back", f"checkpoint {deed.back} is another"
        yield from _go_on(tree, deed)
        for problem in check(tree):
            if problem.severity is Severity.PROBLEM:
                yield "check finds nothing that needs a person", str(problem)
    except (LayoutError, ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        yield "everybody can go on", f"{type(error).__name__}: {error}"


def _checkpoint_is_whole(tree: Tree, number: int) -> Broken:
    """It is there, and all that it names."""
    try:
        cut = store.read(tree, number)
        for agent, each in cut.agents.items():
            ends = [line.end[1:] for _, line in lines_up_to(tree, agent, each.place)]
            if each.place.attempt and (not ends or ends[-1] != each.place[2:]):
                yield "a checkpoint is whole", f"{number} names line {each.place.seq} of {agent}: not there"
        for digest in cut.specs.values():
            store.kept_spec(tree, digest)
    except (LayoutError, KeyError) as error:
        yield "a checkpoint is whole", f"{number}: {error}"


def _go_on(tree: Tree, deed: Deed) -> Broken:
    """Everybody writes and takes all mail: that is what counts, and its numbers are new."""
    team = {name: Life(tree, name) for name in AGENTS}
    for name, life in team.items():
        life.step("back", *((to, f"{name} is back") for to in AGENTS if to != name))
    for life in team.values():
        life.receive()
    counted = {name: lines_that_count(tree.agent(name).root) for name in AGENTS}
    for life in team.values():
        life.die()
    sent = {
        (name, message["to"], message["n"]): message["text"]
        for name, lines in counted.items()
        for line in lines
        for message in line.get("sent", ())
    }
    for (name, to, number), text in sent.items():
        if text == f"{name} is back" and number <= deed.numbers.get(f"{name}/{to}", 0):
            yield "numbers are given once", f"{name} gives {number} to {to} again"
    for name, lines in counted.items():
        got = [text for line in lines if "got-" in line.get("key", "") for text in line["result"]]
        wanted = [text for (_, to, _), text in sent.items() if to == name]
        people = [text for text in got if text.startswith("people: ")]
        if sorted(got) != sorted(wanted + people) or len({*people}) != len(people):
            yield "void mail is never delivered", f"{name} took {got} of {wanted}"
