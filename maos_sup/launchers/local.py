"""Agents as processes of this machine: forked from a zygote, or executed where that does not work.

Every process is known by a pidfd that was opened while nobody could have taken its number: the zygote opens
it before it reaps, adoption checks the handle after opening. So ends are seen whoever the parent is, and the
death of the zygote concerns nobody but the launcher, which starts another. Where pidfds are refused, or
descriptors are few, the number and the start time have to do: the zygote tells the ends of what it forked,
and the rest is looked at.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Any

from maos_sup.core.model import Process
from maos_sup.launchers import sweep
from maos_sup.launchers.adoption import find_process
from maos_sup.launchers.ahead import take_zygote
from maos_sup.launchers.base import Observed, Submission
from maos_sup.launchers.link import ZygoteLink, ZygoteNews, environment, python
from maos_sup.launchers.lives import Lives, Tracked
from maos_sup.launchers.orphans import heard_orphans
from maos_sup.system.ears import Ears
from maos_sup.system.ending import Sighting, Swept, end_all
from maos_sup.system.linux import Exit, become_subreaper, raise_open_limit, set_open_limit
from maos_sup.system.targets import Target, hold_child, hold_received, is_readable
from maos_sup.system.timer import new_timer
from state_layout.errors import StorageError
from state_layout.files import atomic, codec, disk
from state_layout.files.reading import read_record
from state_layout.files.spelling import spelled
from state_layout.host.kernel import is_linux
from state_layout.host.marks import mark_prefix, wear_none
from state_layout.paths import Tree
from state_layout.records import LOCAL

MOST_FALSE_STARTS = 3  # of zygotes that never spoke, before agents are executed instead
STUCK_S = 20.0  # a zygote that owes an answer for so long is replaced
EXIT_PATIENCE_S = 5.0  # for how long it is asked how a process ended
REAP_EVERY_S = 1.0
BLIND_LOOK_S = 0.25  # at a process of whose end no descriptor tells


class LocalLauncher:
    """The launcher is that of one tree. `entry` is `module:function`, called with the tree's root and the
    agent."""

    def __init__(self, tree: Tree, *, entry: str, forks: bool = True, waits: bool = False) -> None:
        """With `forks` false agents are executed, each in a new interpreter.

        The zygote is started at once, or with the first agent if this launcher `waits`.
        """
        self._tree, self._entry = tree, entry
        self._forks = forks and is_linux()  # elsewhere a fork without a program is not safe
        self._lives = Lives()
        self._serial = self._false_starts = 0
        self._log = _open_log(tree)
        self._reactions: dict[int, Callable[[], None]] = {}
        self._timer = new_timer()
        self._ears = Ears(self._timer.fileno())
        self._listen(self._timer.fileno(), self._timer.drain)
        self._debris = sweep.Debris(prefix=mark_prefix(tree))
        self._look_at_s = 0.0  # at those of whose end no descriptor tells
        self._reap_at_s: float | None = None  # None: nothing can have been inherited
        wear_none()
        become_subreaper()
        self._open_limit = raise_open_limit()
        self._link: ZygoteLink | None = None
        self._waits = waits
        if self._forks and not waits:
            self._start_zygote()
        elif not self._forks:
            self._reap_at_s = 0.0

    def fileno(self) -> int:
        return self._ears.fileno()

    def submit(self, submission: Submission) -> int:
        known = self._lives.of.get(submission.agent)
        if known is not None:
            if known.alive:
                return known.pid
            known.let_go()
        life = Tracked(agent=submission.agent, root=submission.tree_root)
        self._debris.is_near(submission.agent)
        self._begin(life)
        self._lives.note(life)
        return life.pid

    def poll(self) -> Mapping[str, Observed] | None:
        for descriptor in self._ears.heard():
            reaction = self._reactions.get(descriptor)
            if reaction is not None:
                reaction()
        now_s = time.monotonic()
        self._look_at_unwatched(now_s)
        self._kill_late(now_s)
        self._learn_ends(now_s)
        self._reap_inherited(now_s)
        self._mend_link(now_s)
        return MappingProxyType(self._lives.observed)

    def living(self) -> AbstractSet[str]:
        return self._lives.living()

    def adopt(self, agent: str) -> bool:
        known = self._lives.of.get(agent)
        if known is not None and known.alive:
            return True
        target = find_process(self._tree, agent)
        if target is None:
            return False
        if known is not None:
            known.let_go()
        life = Tracked(agent=agent, pid=target.pid)
        self._debris.is_far(agent)
        self._watch(life, target)
        self._lives.note(life)
        return True

    def says(self, agent: str, *, launcher: str, attempt: int) -> Process | None:
        return None

    def cancel(self, agents: Iterable[str], *, grace_s: float) -> None:
        at_s = time.monotonic() + grace_s
        for agent in agents:
            life = self._lives.of.get(agent)
            if life is None or not life.alive:
                continue
            if life.kill_at_s is None and grace_s > 0:
                _ask_to_end(life)
            life.kill_at_s = at_s if life.kill_at_s is None else min(at_s, life.kill_at_s)
        self._set_timer()

    def sweep(self, marks: AbstractSet[str]) -> Swept:
        self._await_word_of(self._debris.agents_of(marks))
        spare = {os.getpid(), *self._lives.living_pids()}
        parents = [os.getpid()]
        if self._link is not None:
            spare.add(self._link.pid)
            parents.append(self._link.pid)
        return self._debris.sweep(marks, spare=spare, parents=parents, living=self._lives.living())

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
        for life in self._lives.of.values():
            life.let_go()
        self._debris.close()
        self._timer.close()
        self._ears.close()
        os.close(self._log)
        become_subreaper(is_one=False)

    # -- starting

    def _begin(self, life: Tracked) -> None:
        if self._waits:
            self._waits = False
            self._mend_link(time.monotonic())
        if self._link is None:
            self._execute(life)
            return
        self._serial += 1
        self._lives.asked[self._serial] = life
        life.asked_s = time.monotonic()
        self._link.send({"fork": self._serial, "agent": life.agent, "root": spelled(life.root)})

    def _execute(self, life: Tracked) -> None:
        command = python("execute", self._entry, life.root, life.agent)
        try:
            life.pid = os.posix_spawn(
                command[0],
                command,
                environment(),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, self._log, 1),
                    (os.POSIX_SPAWN_DUP2, self._log, 2),
                ],
                setsid=True,
            )
            set_open_limit(life.pid, self._open_limit)
            self._watch(life, hold_child(life.pid))
        except OSError as cause:
            life.alive, life.error = False, f"cannot start: {cause.strerror}"

    def _start_zygote(self) -> None:
        try:
            self._link = take_zygote(self._entry, log=self._log) or ZygoteLink(self._entry, log=self._log)
            set_open_limit(self._link.pid, self._open_limit)
        except OSError as cause:
            sys.stderr.write(f"launcher: cannot start the zygote: {cause.strerror}\n")
            self._false_starts += 1
            return
        self._listen(self._link.fileno(), self._hear)

    def _watch(self, life: Tracked, target: Target) -> None:
        target.spare_descriptor(sweep.SPARE_DESCRIPTORS)
        life.target = target
        if target.pidfd >= 0:
            self._listen(target.pidfd, lambda: self._look_at(life))
        else:
            self._set_timer()
        if life.kill_at_s is not None and life.kill_at_s > time.monotonic():
            _ask_to_end(life)  # its end was asked for before it had begun

    # -- hearing

    def _hear(self) -> None:
        if self._link is None:
            return
        heard, has_ended = self._link.hear()
        for each in heard:
            self._take(each)
        if has_ended:
            self._replace_zygote()
        else:
            self._link.flush()

    def _take(self, heard: ZygoteNews) -> None:
        message = heard.message
        if "exited" in message:
            self._take_exit(message, heard.descriptors)
            return
        life = self._lives.asked.pop(message.get("forked", message.get("refused", 0)), None)
        if life is None:
            return
        if "forked" in message:
            life.pid, life.is_owed = message["pid"], True
            pidfd = heard.descriptors[0] if heard.descriptors else -1
            self._watch(life, hold_received(life.pid, pidfd, parent=self._link.pid if self._link else 0))
        else:
            life.alive, life.error = False, message["error"]
        self._lives.note(life)

    def _take_exit(self, message: dict[str, Any], pidfds: list[int]) -> None:
        self._debris.add(message["agent"], heard_orphans(message, pidfds))
        life = self._lives.of.get(message["agent"])
        if life is None or life.pid != message["exited"] or not life.is_owed:
            return
        life.is_owed = False
        life.end = life.end or Exit(code=message.get("code"), signal=message.get("signal"))
        self._end(life)

    def _look_at(self, life: Tracked) -> None:
        # What is readable may be an earlier process: a closed descriptor's number is used again at once.
        if life.alive and life.has_ended:
            self._end(life)

    def _look_at_unwatched(self, now_s: float) -> None:
        """See who ended without a descriptor to tell of it."""
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + BLIND_LOOK_S
            for life in self._lives.unwatched():
                self._look_at(life)

    def _end(self, life: Tracked) -> None:
        """Its process has ended."""
        if life.alive:
            if life.target is not None:
                self._deafen(life.target.pidfd)
            life.alive, life.ended_s, life.kill_at_s = False, time.monotonic(), None
        life.learn_end()
        if life.end is not None:
            life.let_go()
        self._lives.note(life)

    def _replace_zygote(self) -> None:
        """The zygote is dead. Its agents live; what it did not answer was not carried out."""
        if self._link is None:
            return
        self._deafen(self._link.fileno())
        self._link.close()
        self._false_starts = 0 if self._link.was_ready else self._false_starts + 1
        self._link = None
        self._reap_at_s = 0.0
        if self._false_starts < MOST_FALSE_STARTS:
            self._start_zygote()
        else:
            sys.stderr.write("launcher: the zygote does not start; executing agents instead\n")
        for life in self._lives.of.values():
            life.is_owed = False
        unanswered, self._lives.asked = list(self._lives.asked.values()), {}
        for life in unanswered:
            self._begin(life)
            self._lives.note(life)

    # -- time

    def _kill_late(self, now_s: float) -> None:
        late = [life for life in self._lives.ending() if (life.kill_at_s or 0.0) <= now_s]
        if late:
            end_all(lambda known: self._look_for_trees(late, known))
            for life in late:
                if life.target is not None:
                    life.target.send(signal.SIGKILL)
                life.kill_at_s = now_s + 1.0  # again, should it not be gone by then
        self._set_timer()

    def _look_for_trees(self, lives: Iterable[Tracked], known: AbstractSet[int]) -> Sighting:
        pids = {life.agent: life.pid for life in lives if not life.has_ended}
        if not pids:
            return Sighting(rows=())
        return self._debris.look_for_trees(pids, known, spare={os.getpid()})

    def _set_timer(self) -> None:
        due = [life.kill_at_s for life in self._lives.ending() if life.kill_at_s is not None]
        if self._lives.unwatched():
            due.append(self._look_at_s)
        self._timer.set(max(0.0, min(due) - time.monotonic()) if due else None)

    def _learn_ends(self, now_s: float) -> None:
        for life in self._lives.uncertain():
            life.learn_end()
            if life.end is not None or now_s - life.ended_s > EXIT_PATIENCE_S:
                life.let_go()
                self._lives.note(life)

    def _reap_inherited(self, now_s: float) -> None:
        if self._reap_at_s is not None and now_s >= self._reap_at_s:
            self._reap_at_s = now_s + REAP_EVERY_S
            known = {life.pid for life in self._lives.of.values()}
            sweep.reap_orphans(known=known | ({self._link.pid} if self._link is not None else set()))

    def _mend_link(self, now_s: float) -> None:
        if self._link is None:
            if self._forks and not self._waits and self._false_starts < MOST_FALSE_STARTS:
                self._start_zygote()
        elif any(now_s - life.asked_s > STUCK_S for life in self._lives.asked.values()):
            self._link.kill()

    def _await_word_of(self, agents: AbstractSet[str]) -> None:
        """Hear the zygote out on agents that are seen to be dead: it says what they left behind."""
        deadline_s = time.monotonic() + 0.1
        while self._link is not None and time.monotonic() < deadline_s:
            dead = [life for name, life in self._lives.of.items() if name in agents and not life.alive]
            if not any(life.is_owed for life in dead):
                return
            if is_readable(self._link.fileno(), patience_s=0.01):
                self._hear()

    # -- descriptors

    def _listen(self, descriptor: int, reaction: Callable[[], None]) -> None:
        self._reactions[descriptor] = reaction
        self._ears.listen(descriptor)

    def _deafen(self, descriptor: int) -> None:
        if self._reactions.pop(descriptor, None) is not None:
            self._ears.deafen(descriptor)


def _ask_to_end(life: Tracked) -> None:
    if life.target is not None:
        life.target.send(signal.SIGTERM, signal.SIGCONT)  # what is stopped would not hear the TERM


def _open_log(tree: Tree) -> int:
    """Open the log where the zygote and its agents write until they know better; nowhere if that cannot
    be."""
    try:
        atomic.make_folder(tree.run)
        return disk.create(tree.supervisor_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, atomic.FILE_MODE)
    except (StorageError, OSError):
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


def launcher(tree: Tree, *, entry: str, placed_entry: str) -> LocalLauncher:
    """Make the launcher called `local`; where all agents are placed elsewhere it costs as good as nothing."""
    return LocalLauncher(tree, entry=entry, waits=_places_elsewhere(tree))


def _places_elsewhere(tree: Tree) -> bool:
    """The tree's agents go elsewhere unless they say otherwise: a guess."""
    try:
        spec = codec.decode_object(read_record(tree.orchestration_spec))
    except (OSError, ValueError):
        return False
    return bool(spec.get("launcher", LOCAL) != LOCAL)
