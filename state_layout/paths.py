"""The only module that knows file names. Builds paths; touches nothing.

After restic's `layout`: all others ask here where a thing lies. A path is made once and kept: joining costs.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from msgspec import Struct

from state_layout.errors import BadInput

FORMAT_WORD, FORMAT_VERSION = "maos-sup", 1
FORMAT_LINE = f"{FORMAT_WORD} {FORMAT_VERSION}\n".encode()
RESERVED = frozenset({"all", "operator", "supervisor"})
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def is_name(text: str) -> bool:
    """The `text` may name an agent or task; nothing that leaves the tree can."""
    return _NAME.fullmatch(text) is not None and text not in RESERVED


def checked_name(text: str, what: str) -> str:
    """Return `text` if it may name an agent or task. Raises BadInput, saying `what` it was meant to be."""
    if is_name(text):
        return text
    if text in RESERVED:
        raise BadInput(f"{what} {text!r}: the name is reserved; use another than all, operator, supervisor")
    raise BadInput(f"{what} {text[:80]!r}: use 1 to 64 of a-z 0-9 _ -, the first a letter or digit")


def number_name(number: int) -> str:
    """Name the folder of an attempt or a life: `0003`."""
    return f"{number:04d}"


class AttemptPaths(Struct, frozen=True):
    """The paths are those of the files of one process life of an agent."""

    root: Path

    @property
    def journal(self) -> Path:
        return self.root / "journal.jsonl"

    def checkpoint(self, slot: int) -> Path:
        return self.root / f"checkpoint.{slot}.json"

    @property
    def stdout(self) -> Path:
        return self.root / "stdout.log"

    @property
    def stderr(self) -> Path:
        return self.root / "stderr.log"

    @property
    def control(self) -> Path:
        return self.root / "control.jsonl"

    @property
    def events(self) -> Path:
        return self.root / "events.jsonl"

    @property
    def exit(self) -> Path:
        return self.root / "exit.json"

    @property
    def lease(self) -> Path:
        return self.root / "lease.json"


class AgentPaths(Struct, frozen=True, dict=True):
    """The files of one agent, all lives."""

    root: Path

    @cached_property
    def lock(self) -> Path:
        return self.root / "lock"

    @cached_property
    def status(self) -> Path:
        return self.root / "status.json"

    @cached_property
    def attempts(self) -> Path:
        return self.root / "attempts"

    def attempt(self, number: int) -> AttemptPaths:
        return AttemptPaths(self.attempts / number_name(number))

    @cached_property
    def session(self) -> Path:
        return self.root / "session"

    @cached_property
    def workspace(self) -> Path:
        return self.root / "workspace"

    @cached_property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @cached_property
    def worktree(self) -> Path:
        """The agent works here on a project of which it has a worktree of its own."""
        return self.root / "worktree"

    @cached_property
    def snapshots(self) -> Path:
        """Snapshots of the agent's workspace at several times lie here."""
        return self.root / "snapshots"

    def snapshot(self, number: int) -> Path:
        return self.snapshots / f"{number_name(number)}.json"

    @cached_property
    def restoring(self) -> Path:
        """Contents that are about to be put in their places are here, and the record of that."""
        return self.root / "restoring"

    @cached_property
    def worktree_record(self) -> Path:
        """The file says what `worktree` is, and how far its making got."""
        return self.root / "worktree.json"


class Tree(Struct, frozen=True, dict=True):
    """A tree says where everything of one orchestration lies. `root` is absolute while a process runs."""

    root: Path

    @cached_property
    def _agents(self) -> dict[str, AgentPaths]:
        return {}

    @cached_property
    def format(self) -> Path:
        return self.root / "FORMAT"

    @cached_property
    def readme(self) -> Path:
        return self.root / "README.txt"

    # -- spec: desired
    @cached_property
    def spec(self) -> Path:
        return self.root / "spec"

    @cached_property
    def spec_lock(self) -> Path:
        return self.spec / ".lock"

    @cached_property
    def acceptances(self) -> Path:
        """The findings that people stand by are written here."""
        return self.spec / "accepted.jsonl"

    @cached_property
    def acts(self) -> Path:
        """People's wishes from a page are written here."""
        return self.spec / "acts.jsonl"

    @cached_property
    def lineage(self) -> Path:
        """The file says which orchestration this one was forked from."""
        return self.spec / "lineage.json"

    @cached_property
    def orchestration_spec(self) -> Path:
        return self.spec / "orchestration.json"

    @cached_property
    def agent_specs(self) -> Path:
        return self.spec / "agents"

    def agent_spec(self, agent: str) -> Path:
        return self.agent_specs / f"{agent}.json"

    @cached_property
    def task_specs(self) -> Path:
        return self.spec / "tasks"

    def task_spec(self, task: str) -> Path:
        return self.task_specs / f"{task}.json"

    @cached_property
    def approvals(self) -> Path:
        return self.spec / "approvals"

    @cached_property
    def files(self) -> Path:
        return self.spec / "files"

    def state_schema(self, sort: str, name: str = "") -> Path:
        """Name the file that says what the values of a shared scope look like."""
        folder = self.state_spec_folder(sort, name)
        return folder.with_name(f"{folder.name}.schema.json")

    # -- supervisor: observed
    @cached_property
    def supervisor(self) -> Path:
        return self.root / "supervisor"

    @cached_property
    def supervisor_lock(self) -> Path:
        return self.supervisor / "lock"

    @cached_property
    def lives(self) -> Path:
        return self.supervisor / "lives"

    def life_journal(self, life: int) -> Path:
        return self.lives / number_name(life) / "journal.jsonl"

    @cached_property
    def supervisor_status(self) -> Path:
        return self.supervisor / "status.json"

    @property
    def arrays(self) -> Path:
        """Records of job arrays lie here."""
        return self.supervisor / "arrays"

    def array(self, token: str) -> Path:
        """Name the file that says whose the tasks of one array are."""
        return self.arrays / f"{token}.json"

    @cached_property
    def accepted(self) -> Path:
        return self.supervisor / "accepted"

    def accepted_copy(self, spec_file: Path) -> Path:
        """Name the place where the last good copy of `spec_file` lies."""
        return self.accepted / spec_file.relative_to(self.spec)

    @cached_property
    def hooked(self) -> Path:
        """The file says how far changes of shared state were told to hooks."""
        return self.supervisor / "hooked.json"

    @cached_property
    def restored(self) -> Path:
        return self.supervisor / "restored.json"

    # -- agents, mail, budget
    @cached_property
    def agents(self) -> Path:
        return self.root / "agents"

    def agent(self, agent: str) -> AgentPaths:
        if (found := self._agents.get(agent)) is None:
            found = self._agents[agent] = AgentPaths(self.agents / agent)
        return found

    @cached_property
    def mail(self) -> Path:
        return self.root / "mail"

    def mail_box(self, to: str) -> Path:
        return self.mail / to

    def mail_file(self, to: str, sender: str) -> Path:
        return self.mail / to / f"{sender}.jsonl"

    @cached_property
    def budget(self) -> Path:
        return self.root / "budget"

    def budget_file(self, agent: str) -> Path:
        return self.budget / f"{agent}.jsonl"

    @cached_property
    def budget_lock(self) -> Path:
        return self.budget / "lock"

    @cached_property
    def workspaces(self) -> Path:
        """The contents of workspaces are here: a bare git repository, used as an object database only."""
        return self.root / "workspaces.git"

    @cached_property
    def own_project(self) -> Path:
        """Git keeps here what agents do with copies of a project that has no git of its own."""
        return self.root / "project.git"

    @cached_property
    def state(self) -> Path:
        """Shared state, and stores of other frameworks."""
        return self.root / "state"

    def state_scope(self, sort: str, name: str = "") -> Path:
        """Name the folder of the files of a shared scope's writers; `name` is that of a custom one."""
        return self.state / sort / name if name else self.state / sort

    def state_snapshot(self, sort: str, name: str = "") -> Path:
        """Name the file of the scope as people and `jq` read it."""
        return self.state / sort / f"{name}.json" if name else self.state / f"{sort}.json"

    @cached_property
    def state_specs(self) -> Path:
        """People write here for shared state by hand."""
        return self.spec / "state"

    def state_spec_folder(self, sort: str, name: str = "") -> Path:
        return self.state_specs / sort / name if name else self.state_specs / sort

    @cached_property
    def checkpoints(self) -> Path:
        """Moments of the whole team, and the bytes of the specs at them."""
        return self.root / "checkpoints"

    def checkpoint_file(self, number: int) -> Path:
        return self.checkpoints / f"{number_name(number)}.json"

    def kept_spec(self, digest: str) -> Path:
        return self.checkpoints / "specs" / f"{digest}.json"

    # -- run: bound to this host, disposable
    @cached_property
    def run(self) -> Path:
        return self.root / "run"

    @cached_property
    def host(self) -> Path:
        return self.run / "host.json"

    @cached_property
    def supervisor_handle(self) -> Path:
        return self.run / "supervisor.handle.json"

    @cached_property
    def supervisor_log(self) -> Path:
        return self.run / "supervisor.log"

    @cached_property
    def run_agents(self) -> Path:
        return self.run / "agents"

    def handle(self, agent: str) -> Path:
        return self.run_agents / f"{agent}.handle.json"

    def beat(self, agent: str) -> Path:
        return self.run_agents / f"{agent}.beat"

    def job_log(self, agent: str) -> Path:
        """Name the file for the words of a cluster and the first words of an agent's process there."""
        return self.run / "jobs" / f"{agent}.log"

    def array_log(self, token: str) -> Path:
        """Name the file for the words of a cluster and the first words of the tasks of an array."""
        return self.run / "jobs" / f"array-{token}.log"

    def tools(self, agent: str) -> Path:
        """Settings that give a command line the team's tools are here."""
        return self.run_agents / f"{agent}.tools.json"

    @cached_property
    def run_holds(self) -> Path:
        return self.run / "holds"

    def hold(self, agent: str) -> Path:
        return self.run_holds / f"{agent}.json"

    @cached_property
    def sync_claim(self) -> Path:
        """Under which name the tree, as it lies here, is kept in sync with a bucket."""
        return self.run / "sync.json"

    @cached_property
    def mirrors(self) -> Path:
        """The folder says which databases follow the tree, as it lies here."""
        return self.run / "mirrors"

    def mirror_file(self, name: str, what: str) -> Path:
        """Name a file of the mirror `name`: `json`, `status.json`, `handle.json`, `lock` or `log`."""
        return self.mirrors / f"{name}.{what}"

    @cached_property
    def otel(self) -> Path:
        return self.run / "otel"

    def otel_file(self, what: str) -> Path:
        """Name a file of who sends spans: `lock`, `log`, and `<name>.sent` of each collector, a hash of
        its address."""
        return self.otel / what

    @cached_property
    def ballast(self) -> Path:
        return self.run / "ballast"

    def shown(self, path: Path) -> str:
        """Show `path` as people are shown it: relative to the tree."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)
