"""`python -m proof` in the folder `tests`: the whole proof; exit code 0 if every promise holds, else 1.

--states N    how many states to try (10,000)       --seed N        another choice of them
--no-bugs     plant none                            --state ID      build one state again and show it
--only RUN    only this sort of run, and its bugs: script, orchestration, rivals, rewinds, shared, workspaces,
              group
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from functools import partial
from typing import Any

from . import report
from .jobs import in_parallel
from .mutations import BUGS
from .prove import (
    GROUP,
    ORCHESTRATION,
    REWINDS,
    RIVALS,
    SCRIPT,
    SHARED,
    WORKSPACES,
    Catch,
    Outcome,
    catch,
    prove_one,
    prove_orchestration,
    prove_rewinds,
    prove_rivals,
    prove_script,
    prove_workspaces,
)
from .states import State

STATES, STATES_A_SCRIPT = 8_000, 200
REWINDINGS, STATES_OF_REWINDS = 5, 80
SHARINGS, STATES_OF_SHARING = 6, 150
GROUPS, STATES_OF_GROUPS = 6, 150
ORCHESTRATIONS, STATES_AN_ORCHESTRATION, RESUMES = 8, 250, 4


RUNS = (SCRIPT, ORCHESTRATION, RIVALS, REWINDS, SHARED, WORKSPACES, GROUP)


def main() -> int:
    wanted = _arguments()
    if wanted.state:
        return _one(State.named(wanted.state))
    began_s = time.monotonic()
    jobs = [
        (f"{SCRIPT}-{wanted.seed + number}", partial(prove_script, wanted.seed + number, STATES_A_SCRIPT))
        for number in range(max(1, wanted.states // STATES_A_SCRIPT))
    ]
    jobs += [
        (f"{ORCHESTRATION}-{seed}", partial(prove_orchestration, seed, STATES_AN_ORCHESTRATION, RESUMES))
        for seed in range(wanted.seed, wanted.seed + wanted.orchestrations)
    ]
    jobs += [(RIVALS, partial(prove_rivals, wanted.seed))]
    jobs += [(WORKSPACES, partial(prove_workspaces, wanted.seed))]
    jobs += [
        (f"{REWINDS}-{seed}", partial(prove_rewinds, seed, STATES_OF_REWINDS))
        for seed in range(wanted.seed, wanted.seed + REWINDINGS)
    ]
    jobs += [
        (f"{SHARED}-{seed}", partial(prove_script, seed, STATES_OF_SHARING, run=SHARED))
        for seed in range(wanted.seed, wanted.seed + SHARINGS)
    ]
    jobs += [
        (f"{GROUP}-{seed}", partial(prove_script, seed, STATES_OF_GROUPS, run=GROUP))
        for seed in range(wanted.seed, wanted.seed + GROUPS)
    ]
    jobs = [(name, job) for name, job in jobs if name.startswith(wanted.only)]
    if wanted.bugs:
        bugs = [name for name, bug in BUGS.items() if bug.run.startswith(wanted.only)]
        jobs += [(f"bug {name}", partial(catch, name, wanted.seed)) for name in bugs]
    outcomes: dict[str, Outcome] = {}
    catches: list[Catch] = []
    failed: list[str] = []
    for name, result in in_parallel(jobs, width=os.cpu_count() or 2):
        _sort(name, result, outcomes, catches, failed)
        _tell_progress(name, result)
    catches.sort(key=lambda catch: [*BUGS].index(catch.bug))
    seconds = time.monotonic() - began_s
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    for line in [
        *failed,
        *report.shown(outcomes, catches, seed=wanted.seed, seconds=(seconds, used.ru_utime + used.ru_stime)),
    ]:
        sys.stdout.write(line + "\n")
    is_good = not failed and all(caught.violation for caught in catches)
    return 0 if is_good and not any(outcome.violations for outcome in outcomes.values()) else 1


def _sort(
    name: str, result: Any, outcomes: dict[str, Outcome], catches: list[Catch], failed: list[str]
) -> None:
    if isinstance(result, Outcome):
        outcomes[name] = result
    elif isinstance(result, Catch):
        catches.append(result)
    else:
        failed.append(f"FAILED {name}: {result}")


def _tell_progress(name: str, result: Any) -> None:
    """One line on stderr for each piece that is done: ten minutes are long."""
    if isinstance(result, Outcome):
        text = f"{result.states} states, {len(result.violations)} violations"
    elif isinstance(result, Catch):
        text = f"{'caught' if result.violation else 'MISSED'} after {result.states} states"
    else:
        text = "FAILED"
    sys.stderr.write(f"{name}: {text}\n")


def _one(state: State) -> int:
    for _, outcome in in_parallel([(str(state), partial(prove_one, state))], width=1):
        if not isinstance(outcome, Outcome):
            sys.stdout.write(f"{outcome}\n")
            return 1
        for violation in outcome.violations:
            sys.stdout.write(f"{violation}\n")
        sys.stdout.write(f"{state}: {len(outcome.violations)} violations\n")
        return 1 if outcome.violations else 0
    return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="proof", description="Survive power loss, by test.")
    parser.add_argument("--states", type=int, default=STATES)
    parser.add_argument("--orchestrations", type=int, default=ORCHESTRATIONS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", default="")
    parser.add_argument("--only", default="", choices=["", *RUNS])
    parser.add_argument("--no-bugs", dest="bugs", action="store_false")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
