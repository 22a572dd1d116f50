"""All launchers of one tree as one: each agent is started by the launcher that its spec names.

The one of this machine is made at once, since its zygote imports while others read; another one when the
first agent wants it. Where only this machine is used, nothing stands between the supervisor and it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from maos_sup.core.model import Process
from maos_sup.launchers.base import Launcher, Observed, Submission
from maos_sup.launchers.registry import make_launcher
from maos_sup.system.ears import Ears
from maos_sup.system.ending import Swept
from state_layout.errors import BadInput
from state_layout.host.marks import mark_prefix
from state_layout.lives.leases import read_lease
from state_layout.paths import Tree
from state_layout.records import LOCAL


class Fleet:
    """A fleet is all launchers of `tree`; `entry` and `placed_entry` are as `registry.MakesLauncher` takes
    them."""

    def __init__(self, tree: Tree, *, entry: str, placed_entry: str) -> None:
        self._tree, self._entry, self._placed_entry = tree, entry, placed_entry
        self._local = make_launcher(LOCAL, tree, entry=entry, placed_entry=placed_entry)
        self._launchers: dict[str, Launcher] = {LOCAL: self._local}
        self._of = dict[str, str]()  # the launcher of each agent's last life, where that is known
        self._refused = dict[str, Observed]()
        self._ears = Ears(self._local.fileno())
        self._ears.listen(self._local.fileno())

    def fileno(self) -> int:
        return self._ears.fileno()

    def submit(self, submission: Submission) -> int:
        agent = submission.agent
        self._refused.pop(agent, None)
        try:
            launcher = self._named(submission.launcher)
        except BadInput as error:
            self._refused[agent] = Observed(pid=0, alive=False, error=str(error))
            return 0
        self._of[agent] = submission.launcher
        return launcher.submit(submission)

    def poll(self) -> Mapping[str, Observed] | None:
        if len(self._launchers) == 1 and not self._refused:
            return self._local.poll()
        merged = dict[str, Observed]()
        for name, launcher in self._launchers.items():
            told = launcher.poll() or {}
            merged |= {agent: each for agent, each in told.items() if self._of.get(agent, name) == name}
        return merged | self._refused

    def living(self) -> AbstractSet[str]:
        if len(self._launchers) == 1:
            return self._local.living()
        return {agent for launcher in self._launchers.values() for agent in launcher.living()}

    def adopt(self, agent: str) -> bool:
        is_found = self._local.adopt(agent)
        if is_found:
            self._of[agent] = LOCAL
        return is_found

    def says(self, agent: str, *, launcher: str, attempt: int) -> Process | None:
        name = self._of.get(agent) or self._placed_by(agent, attempt) or launcher
        if name == LOCAL:
            return None
        try:
            said = self._named(name).says(agent, launcher=name, attempt=attempt)
        except BadInput:
            return None if self._placed_by(agent, attempt) is None else Process.UNKNOWN
        if said in (Process.ALIVE, Process.UNKNOWN):
            self._of[agent] = name
        return said

    def cancel(self, agents: Iterable[str], *, grace_s: float) -> None:
        of = dict[str, list[str]]()
        for agent in agents:
            of.setdefault(self._of.get(agent, LOCAL), []).append(agent)
        for name, some in of.items():
            self._launchers[name].cancel(some, grace_s=grace_s)

    def sweep(self, marks: AbstractSet[str]) -> Swept:
        """End what ran on this machine; who placed the rest elsewhere ends it there."""
        prefix = mark_prefix(self._tree)
        near = {
            mark
            for mark in marks
            if self._of.get(mark.removeprefix(prefix).rpartition(":")[0], LOCAL) == LOCAL
        }
        return self._local.sweep(near) if near or not marks else Swept(ended=0)

    def close(self) -> None:
        self._ears.close()
        for launcher in self._launchers.values():
            launcher.close()

    def _named(self, name: str) -> Launcher:
        """Find the launcher called `name`. Raises BadInput."""
        known = self._launchers.get(name)
        if known is None:
            known = make_launcher(name, self._tree, entry=self._entry, placed_entry=self._placed_entry)
            self._launchers[name] = known
            self._ears.listen(known.fileno())
        return known

    def _placed_by(self, agent: str, attempt: int) -> str | None:
        """Name the launcher that placed the last attempt on another machine, as that says itself."""
        lease = read_lease(self._tree.agent(agent).attempt(attempt)) if attempt else None
        return None if lease is None else lease.launcher
