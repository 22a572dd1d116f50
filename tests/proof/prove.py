"""Does the proof: records runs, tries the states they may leave, plants bugs and looks who notices."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from random import Random

from state_layout.host.identity import own_handle
from state_layout.paths import Tree

from . import TESTS
from .cut import cut, lay_out
from .history import History, NotRecorded
from .mutations import BUGS
from .plant import plant
from .recorder import read, start
from .runs import group, orchestration, rewinds, rivals, script, shared, workspaces
from .runs.resumption import ONCE
from .states import State, Violation, sampled, settled_history, try_resume, try_state
from .truth import Truth

SCRIPT, ORCHESTRATION, MODEL, RIVALS, REWINDS = "script", "orchestration", "model", "rivals", "rewinds"
SHARED, WORKSPACES, GROUP = "shared", "workspaces", "group"
KEPT = TESTS.parent / ".proof"  # histories of runs that broke a promise
BUG_VARIABLE = "MAOS_SUP_PROOF_BUG"
MOST_RECORDINGS = 4  # of a run in which a kill came at an instant that tells nothing
MOST_ORCHESTRATIONS_FOR_A_BUG, RESUMES_FOR_A_BUG = 8, 3  # each is another moment of real processes
MOST_SEEDS_FOR_A_BUG, STATES_FOR_A_BUG = 6, 150
_RUNS: dict[str, Callable[[Path, int], None]] = {
    SCRIPT: script.run,
    REWINDS: rewinds.run,
    SHARED: shared.run,
    GROUP: group.run,
}


@dataclass(slots=True)
class Outcome:
    """Tells what trying some states gave."""

    states: int = 0
    cuts: int = 0  # places in the records where the power could have gone
    resumed: int = 0  # with real processes, to the end
    violations: list[Violation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Catch:
    """Tells how a planted bug was found, or that it was not."""

    bug: str
    states: int
    violation: Violation | None


def prove_script(seed: int, states: int, *, run: str = SCRIPT) -> Outcome:
    """Record the script of `seed`, or another run of one process, and try `states` of what it may leave."""
    with memory_folder() as folder:
        name = f"{run}-{seed}"
        truth = Truth.of(record(folder, name, seed))
        outcome = try_states(truth, sampled(name, truth.history, states, Random(seed)), folder / "states")
        return _kept(outcome, name, truth)


def prove_orchestration(seed: int, states: int, resumes: int) -> Outcome:
    """Record the orchestration of `seed`, try `states` of what it may leave, resume `resumes` for real."""
    with memory_folder() as folder:
        name = f"{ORCHESTRATION}-{seed}"
        truth = Truth.of(record(folder, name, seed))
        chosen = [*sampled(name, truth.history, states, Random(seed))]
        outcome = try_states(truth, chosen, folder / "states")
        made = next(told.at for told in truth.history.told if told.what == "made")
        for number, state in enumerate([state for state in chosen if state.at > made][:resumes]):
            outcome.violations += try_resume(state, truth, folder / f"resumed-{number}")
            outcome.resumed += 1
        outcome.violations += _done_twice(name, truth)
        return _kept(outcome, name, truth)


def prove_rewinds(seed: int, states: int, *, stop: bool = False) -> Outcome:
    """Record teams that are taken back and forward; try `states` of what a cut in the middle may leave."""
    with memory_folder() as folder:
        name = f"{REWINDS}-{seed}"
        truth = Truth.of(record(folder, name, seed))
        chosen = _in_rewinds(name, truth, states, Random(seed))
        outcome = try_rewinds(truth, chosen, folder / "states", stop=stop)
        return _kept(outcome, name, truth)


def try_rewinds(
    truth: Truth, states: Sequence[State] | Iterator[State], folder: Path, *, stop: bool = False
) -> Outcome:
    """Try `states`, each in the middle of a rewind or just after it."""
    outcome, deeds = Outcome(cuts=len(truth.history.cuts())), rewinds.deeds(truth.history)
    folder.mkdir()
    for state in states:
        deed = next(deed for deed in reversed(deeds) if deed.begun < state.at)
        chance = Random(f"{state.at}:{state.seed}")
        image = cut(truth.history, state.at, chance)
        lay_out(image, folder / "tree", boot=own_handle(0).boot_id)
        outcome.states += 1
        for promise, text in rewinds.hold(Tree(folder / "tree"), truth.history, deed, state.at, chance):
            outcome.violations.append(Violation(state, promise, text, image.told))
        shutil.rmtree(folder / "tree", ignore_errors=True)
        if stop and outcome.violations:
            break
    return outcome


def _in_rewinds(name: str, truth: Truth, count: int, chance: Random) -> Iterator[State]:
    """Places between the beginning of a rewind and its acknowledgement, and just after that."""
    deeds, cuts = rewinds.deeds(truth.history), truth.history.cuts()
    for _ in range(count):
        deed = chance.choice(deeds)
        places = [at for at in cuts if deed.begun < at <= deed.done]
        at = deed.done + 1 if chance.random() < 0.2 else chance.choice(places)
        yield State(name, at, chance.randrange(1 << 30))


def prove_one(state: State) -> Outcome:
    """Try one state again: of the run that was kept, else of a script done anew."""
    with memory_folder() as folder:
        kept = KEPT / f"{state.run}.history"
        if kept.exists():
            truth = Truth.of(pickle.loads(kept.read_bytes()))
        else:
            truth = Truth.of(record(folder, state.run, int(state.run.rpartition("-")[2])))
        if state.run.startswith(REWINDS):
            return try_rewinds(truth, [state], folder / "states")
        return try_states(truth, [state], folder / "states")


def _kept(outcome: Outcome, name: str, truth: Truth) -> Outcome:
    """Keep the history of a run that left a bad state: processes never run the same way twice."""
    if outcome.violations:
        KEPT.mkdir(exist_ok=True)
        (KEPT / f"{name}.history").write_bytes(pickle.dumps(truth.history))
    return outcome


def prove_rivals(_: int = 0) -> Outcome:
    """Let processes contend for locks, money and specs."""
    with memory_folder() as folder:
        state = State(RIVALS, 0, 0)
        return Outcome(
            states=1,
            violations=[Violation(state, name, text, "") for name, text in rivals.run(folder / "tree")],
        )


def prove_workspaces(_: int = 0) -> Outcome:
    """Kill who makes workspaces, keeps them and takes them back."""
    with memory_folder() as folder:
        state = State(WORKSPACES, 0, 0)
        found = workspaces.run(folder / "workspaces")
        return Outcome(states=1, violations=[Violation(state, name, text, "") for name, text in found])


def catch(name: str, seed: int) -> Catch:
    """Plant the bug, for this process and those it forks; try states until one breaks a promise."""
    bug = BUGS[name]
    plant(bug)
    if bug.run in (RIVALS, WORKSPACES):
        found = prove_rivals() if bug.run == RIVALS else prove_workspaces()
        return Catch(name, 1, next(iter(found.violations), None))
    if bug.run == REWINDS:
        return _catch_in_rewinds(name, seed)
    os.environ[BUG_VARIABLE] = name  # for processes that do not fork from this one
    if bug.run in (SCRIPT, SHARED, GROUP):
        return _catch(name, bug.run, range(seed, seed + MOST_SEEDS_FOR_A_BUG))
    first = seed + (seed % 2 if bug.run == MODEL else 1 - seed % 2)  # even ones have a model
    return _catch(name, ORCHESTRATION, range(first, first + 2 * MOST_ORCHESTRATIONS_FOR_A_BUG, 2))


def _catch_in_rewinds(name: str, seed: int) -> Catch:
    tried = 0
    for number in range(seed, seed + MOST_SEEDS_FOR_A_BUG):
        with memory_folder() as folder:
            run = f"{REWINDS}-{number}"
            truth = Truth.of(record(folder, run, number))
            states = _in_rewinds(run, truth, STATES_FOR_A_BUG, Random(number))
            outcome = try_rewinds(truth, states, folder / "states", stop=True)
        tried += outcome.states
        if outcome.violations:
            return Catch(name, tried, outcome.violations[0])
    return Catch(name, tried, None)


def _catch(name: str, run: str, seeds: range) -> Catch:
    tried = 0
    for number in seeds:
        with memory_folder() as folder:
            truth = Truth.of(record(folder, f"{run}-{number}", number))
            states = sampled(f"{run}-{number}", truth.history, STATES_FOR_A_BUG, Random(number))
            if run == ORCHESTRATION:
                states = chain(_in_the_middle(f"{run}-{number}", truth, (*ONCE, "asked"), seeds=5), states)
            outcome = try_states(truth, states, folder / "states", stop=True)
            tried += outcome.states
            violations = [*outcome.violations, *_done_twice(f"{run}-{number}", truth)]
            if not violations and run == ORCHESTRATION:
                for state in _in_the_middle(f"{run}-{number}", truth)[:RESUMES_FOR_A_BUG]:
                    tried += 1
                    violations += try_resume(state, truth, folder / f"resumed-{state.at}")
        if violations:
            return Catch(name, tried, violations[0])
    return Catch(name, tried, None)


def _done_twice(run: str, truth: Truth) -> list[Violation]:
    """List what a run did outside more than once, kills and all."""
    end = truth.history.length
    deeds = Counter((what, deed) for what in ONCE for deed in truth.told(what, end))
    state = State(run, end, 0)
    return [
        Violation(state, "no tool is run twice", f"{deed}: {times} times", "")
        for deed, times in deeds.items()
        if times > 1
    ]


def _in_the_middle(run: str, truth: Truth, whats: Sequence[str] = ONCE, *, seeds: int = 1) -> list[State]:
    """States in which something has just been done outside and its result is not on record."""
    places = [told.at + 1 for told in truth.history.told if told.what in whats]
    return [State(run, at, seed) for seed in range(seeds) for at in places]


def record(folder: Path, name: str, seed: int) -> History:
    """Run the script or the orchestration of this name in a child that records; its history."""
    for number in range(MOST_RECORDINGS):
        root = folder / f"{name}-{number}" if number else folder / name
        try:
            return _record(root, name, seed)
        except NotRecorded as reason:
            last = reason
    raise last


def _record(root: Path, name: str, seed: int) -> History:
    log = root.with_name(f"{root.name}.log")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if name.startswith(ORCHESTRATION):
                orchestration.run(root, seed, log=log, with_model=seed % 2 == 0)
            else:
                start(log)
                _RUNS[name.partition("-")[0]](root, seed)
            code = 0
        except BaseException:  # noqa: BLE001 - the edge of the child
            traceback.print_exc()
        finally:
            os._exit(code)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        raise RuntimeError(f"{name}: the run itself failed")
    return settled_history([*read(log)], root)


def try_states(
    truth: Truth, states: Sequence[State] | Iterator[State], folder: Path, *, stop: bool = False
) -> Outcome:
    """Try `states` in this process; with `stop` only until one breaks a promise."""
    outcome = Outcome(cuts=len(truth.history.cuts()))
    folder.mkdir()
    for state in states:
        outcome.states += 1
        outcome.violations += try_state(state, truth, folder)
        if stop and outcome.violations:
            break
    return outcome


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder that costs no disk; emptied also of what may not be entered."""
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="maos-sup-proof-", dir=shared if shared.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
