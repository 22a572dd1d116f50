"""One state after another: cut, lay out, look, let everybody go on, look again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

from state_layout.check import check
from state_layout.check.repair import repair
from state_layout.errors import LayoutError
from state_layout.host.identity import own_handle
from state_layout.lives.attempts import recall
from state_layout.paths import Tree
from state_layout.records import SETTLED
from state_layout.specs import read_specs
from state_layout.tree import open_tree

from .actor import Actor, Overseer
from .after import AFTER_RECOVERY
from .cut import cut, lay_out, whole
from .history import History, NotRecorded, read_history
from .promises import AS_FOUND, Found, broken, check_finds_no_harm
from .recorder import Record
from .second import hold_twice
from .shared_promises import SHARED_AFTER, SHARED_AS_FOUND
from .truth import Truth

SECOND_CUTS = 0.15  # of the states are cut again while they recover
_OUTSIDE_THE_DOOR = ("/.lock", "/lock", "run/ballast", ".log")  # locks, zeros, what programs print


@dataclass(frozen=True, slots=True)
class State:
    """A state by its name: which run, cut where, by which seed."""

    run: str
    at: int
    seed: int

    def __str__(self) -> str:
        return f"{self.run}:{self.at}:{self.seed}"

    @classmethod
    def named(cls, text: str) -> State:
        run, at, seed = text.rsplit(":", 2)
        return cls(run, int(at), int(seed))


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise broken in a state."""

    state: State
    promise: str
    text: str
    fates: str

    def __str__(self) -> str:
        return f"{self.state}: {self.promise}: {self.text}\n    unsynced there: {self.fates}"


def exhaustive(run: str, history: History, seeds: int) -> Iterator[State]:
    """Every place to cut, several fates each."""
    for at in history.cuts():
        for seed in range(seeds):
            yield State(run, at, seed)


def sampled(run: str, history: History, count: int, chance: Random) -> Iterator[State]:
    """Places and fates by chance; many places just after somebody was told something."""
    cuts = history.cuts()
    told = [told.at for told in history.told]
    for _ in range(count):
        is_after_word = told and chance.random() < 0.4
        at = chance.choice(told) + chance.randint(1, 4) if is_after_word else chance.choice(cuts)
        yield State(run, at, chance.randrange(1 << 30))


def try_state(state: State, truth: Truth, folder: Path) -> list[Violation]:
    """Build `state` in a new folder below `folder` and hold every promise against it."""
    chance = Random(f"{state.at}:{state.seed}")
    image = cut(truth.history, state.at, chance)
    root = folder / "tree"
    lay_out(image, root, boot=own_handle(0).boot_id)
    holding = partial(hold_twice, hold=hold) if chance.random() < SECOND_CUTS else hold
    try:
        wrong = holding(Tree(root), truth, state.at, chance, image.fates)
        return [Violation(state, promise, text, image.told) for promise, text in wrong]
    finally:
        for left in (root, folder / "second"):
            shutil.rmtree(left, ignore_errors=True)


def try_resume(state: State, truth: Truth, folder: Path) -> list[Violation]:
    """Build `state` in `folder`, resume it with real processes, wait for the end, hold every promise."""
    from .runs.resumption import resume_to_the_end

    folder.mkdir()
    image = cut(truth.history, state.at, Random(f"{state.at}:{state.seed}"))
    lay_out(image, folder / "tree", boot=own_handle(0).boot_id)
    try:
        wrong = resume_to_the_end(folder / "tree", truth, state.at, image.fates)
    except (AssertionError, LayoutError) as error:
        wrong = [("a real resume comes to its end", f"{type(error).__name__}: {error}")]
    return [Violation(state, promise, text, image.told) for promise, text in wrong]


def settled_history(records: list[Record], root: Path) -> History:
    """The history of a run; of what was under way when its process was killed, what fits the tree."""
    unfinished = read_history(records, root).unfinished
    for count in range(len(unfinished) + 1):
        for happened in combinations(unfinished, count):
            history = read_history(records, root, happened={key for key, _ in happened})
            if not differences(history, root):
                return history
    raise NotRecorded(f"{differences(read_history(records, root), root)}, unfinished: {unfinished}")


def differences(history: History, root: Path) -> list[str]:
    """The files that are not as the record says: what did not pass the door."""
    paths = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
    recorded = whole(history).files
    return [
        path
        for path in sorted(paths.keys() | recorded.keys())
        if not path.endswith(_OUTSIDE_THE_DOOR)
        and (path not in paths or paths[path].read_bytes() != recorded.get(path))
    ]


def hold(tree: Tree, truth: Truth, at: int, chance: Random, fates: dict[str, str]) -> list[tuple[str, str]]:
    """The promises that do not hold in `tree`, which a cut before record `at` left: as found, and after."""
    agents = next(truth.told("made", at), ([],))[0]
    found = Found(tree, truth, at, list(agents), fates)
    if not agents:
        return _hold_half_made(tree, fates)
    wrong = broken(AS_FOUND | SHARED_AS_FOUND, found)
    if wrong:
        return wrong
    try:
        tails = _torn_tails(tree)
        if chance.random() < 0.3:
            repair(tree, check(tree))
        went_on = go_on(tree, [*agents], chance)
    except (LayoutError, ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        return [("everybody can go on", f"{type(error).__name__}: {error}")]
    after = Found(tree, truth, at, list(agents), fates, is_recovered=True, tails=tails, **went_on)
    return broken(AFTER_RECOVERY | SHARED_AFTER, after)


def _hold_half_made(tree: Tree, fates: dict[str, str]) -> list[tuple[str, str]]:
    """Before the making was said to be done there is a whole tree, or none and it can be made again."""
    from .runs.script import make_tree

    try:
        open_tree(tree.root)
    except (LayoutError, OSError):
        try:
            make_tree(tree.root)
        except LayoutError as error:
            return [("a half-made tree can be made anew", str(error))]
    found = Found(tree, Truth.of(History("")), 0, [], fates)
    return broken({"a tree is whole or none": check_finds_no_harm}, found)


def go_on(tree: Tree, agents: list[str], chance: Random) -> dict[str, Any]:
    """A restart of all: supervisor, agents in any order, everybody writes and takes all mail.

    Agents that have nothing left to do are not started, mostly. What came of it, for `Found`.
    """
    overseer = Overseer(tree)
    overseer.accept()
    notes = [*overseer.place.notes]
    handled = {agent: overseer.life.memory.of(agent).handled for agent in agents}
    chance.shuffle(agents)
    is_eager = chance.random() < 0.3
    actors = []
    for agent in agents:
        if is_eager or not _is_settled(tree, agent):
            actor = Actor(tree, agent)
            actors.append(actor)
            notes += actor.notes
            actor.begin_task("later")
            actor.take("later", f"after-{actor.number}", 3)  # of senders who may not be there yet
    for actor in actors:
        peers = [agent for agent in (*agents, "all") if agent != actor.agent]
        sends = [(to, f"{actor.agent} is back {actor.number}") for to in peers]
        actor.step("later", f"back-{actor.number}", None, *sends)
        if chance.random() < 0.5:
            actor.checkpoint()
    for actor in actors:
        actor.take("later", f"rest-{actor.number}")
        actor.die()
    overseer.die()
    return {"notes": notes, "started": frozenset(actor.agent for actor in actors), "handled": handled}


def _is_settled(tree: Tree, agent: str) -> bool:
    known = recall(tree, agent).history.tasks
    tasks = [task.id for task in read_specs(tree).specs.tasks.values() if task.agent == agent]
    is_begun = any(outcome.phase not in SETTLED for outcome in known.values())
    return not is_begun and all(task in known for task in tasks)


def _torn_tails(tree: Tree) -> dict[str, bytes]:
    """By path: what is torn of the mail between agents."""
    paths = [path for path in tree.mail.glob("*/*.jsonl") if path.stem != "operator"]
    return {tree.shown(path): tail for path in paths if (tail := torn_tail(path.read_bytes()))}


def torn_tail(data: bytes) -> bytes:
    """Give what follows the last line that continues the chain: written from FORMAT.md, asks nobody."""
    h, end = "", 0
    for line in data.split(b"\n")[:-1]:
        h = sha256(h.encode() + line[:-20]).hexdigest()[:12]
        if not line.endswith(b',"h":"%b"}' % h.encode()):
            break
        end += len(line) + 1
    return data[end:]
