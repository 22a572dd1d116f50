"""Kills processes of a troupe at random instants, in all ways, by a seeded plan; then `resume`."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

from orchestra import wait_for
from processes import children_of, command_line, is_running, kill
from troupe import SPRINTER, Troupe, sprint_name

LONGEST_PAUSE_S = 0.4


class Chaos:
    """The killer of one troupe. `rounds_log` says what was done, for who reads a failure."""

    def __init__(self, troupe: Troupe, random: Random) -> None:
        self._troupe, self._random = troupe, random
        self._sprints = 0
        self._plan: list[Callable[[], None]] = []
        self.rounds_log: list[str] = []

    def round(self) -> None:
        """Wait for a random instant, do harm, see to it that all goes on."""
        if not self._plan:
            self._plan = [*WAYS]
            self._random.shuffle(self._plan)
        way = self._plan.pop()
        self._let_pass(LONGEST_PAUSE_S)
        self.rounds_log.append(way.__name__)
        way(self)
        assert not self._troupe.violations(), self._troupe.violations()

    # -- ways of doing harm

    def kill_agents(self) -> None:
        kill(*self._some([*self._troupe.pids().values()]))
        self._resume()

    def kill_programs(self) -> None:
        kill(*self._some(self._programs()))
        self._resume()

    def kill_supervisor(self) -> None:
        kill(*self._supervisors())
        self._resume()

    def kill_supervisor_then_agents(self) -> None:
        """Nobody sees them die."""
        kill(*self._supervisors())
        kill(*self._some([*self._troupe.pids().values()]))
        self._resume()

    def kill_agents_then_supervisor(self) -> None:
        """It dies while it deals with their deaths."""
        kill(*self._some([*self._troupe.pids().values()]))
        self._let_pass(0.03)
        kill(*self._supervisors())
        self._resume()

    def kill_zygote(self) -> None:
        kill(*self._zygotes())
        if self._random.random() < 0.5:
            kill(*self._some([*self._troupe.pids().values()]))
        self._resume()

    def kill_some_of_all(self) -> None:
        """Whatever it is, children in hiding as well, with little pauses."""
        for pid in self._some([*self._troupe.leftovers()]):
            kill(pid)
            self._let_pass(0.01)
        self._resume()

    def kill_everything(self) -> None:
        self._troupe.end_all()
        self._resume()

    def kill_while_it_starts(self) -> None:
        """The supervisor and what it just started, several times in a row."""
        for _ in range(3):
            kill(*self._supervisors(), *self._some([*self._troupe.pids().values()]))
            self._resume()
            self._let_pass(0.15)
        kill(*self._some([*self._troupe.pids().values()]))
        self._resume()

    def kill_and_delete_run(self) -> None:
        """All that is known of processes is gone with `run/`."""
        kill(*self._supervisors(), *self._some([*self._troupe.pids().values()]))
        self._troupe.delete_run()
        self._resume()

    def delete_run(self) -> None:
        self._troupe.delete_run()
        self._resume()

    def resume_twice_at_once(self) -> None:
        kill(*self._supervisors(), *self._some([*self._troupe.pids().values()]))
        both = [self._troupe.begin_cli("resume", str(self._troupe.root), "--detach") for _ in range(2)]
        for process in both:
            said, wrong = process.communicate(timeout=60)
            assert process.returncode == 0, f"{said}\n{wrong}\n{self._troupe.told()}"

    def leave_it_to_the_agents(self) -> None:
        """The supervisor stays dead until an agent settles a task and starts the next one."""
        troupe = self._troupe
        troupe.wait_alive(SPRINTER)
        dead = self._supervisors()
        kill(*dead)
        wait_for(lambda: not any(map(is_running, dead)), "the supervisor is dead")
        kill(*self._some([pid for name, pid in troupe.pids().items() if name != SPRINTER]))
        troupe.settle(sprint_name(self._sprints))
        self._sprints += 1
        troupe.wait(lambda: troupe.supervisor() not in (None, *dead), "a supervisor that an agent started")

    # -- how

    def _resume(self) -> None:
        self._troupe.resume()

    def _let_pass(self, longest_s: float) -> None:
        """Let a random time pass: the instant of the next deed is what is tried out here."""
        time.sleep(self._random.uniform(0.0, longest_s))

    def _some(self, pids: list[int]) -> list[int]:
        """Some of them, or all, in random order."""
        return self._random.sample(sorted(pids), self._random.randint(min(1, len(pids)), len(pids)))

    def _programs(self) -> list[int]:
        found = (self._troupe.program(name) for name in self._troupe.pids())
        return [pid for pid in found if pid is not None]

    def _supervisors(self) -> list[int]:
        return [pid for pid, line in self._troupe.leftovers().items() if "maos_sup supervise" in line]

    def _zygotes(self) -> list[int]:
        children = [child for pid in self._supervisors() for child in children_of(pid)]
        return [pid for pid in children if "zygote" in command_line(pid)]


WAYS: list[Callable[[Chaos], None]] = [
    Chaos.kill_agents,
    Chaos.kill_programs,
    Chaos.kill_supervisor,
    Chaos.kill_supervisor_then_agents,
    Chaos.kill_agents_then_supervisor,
    Chaos.kill_zygote,
    Chaos.kill_some_of_all,
    Chaos.kill_everything,
    Chaos.kill_while_it_starts,
    Chaos.kill_and_delete_run,
    Chaos.delete_run,
    Chaos.resume_twice_at_once,
    Chaos.leave_it_to_the_agents,
]
