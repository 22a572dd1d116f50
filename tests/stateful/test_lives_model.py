"""Mail, journals, checkpoints and lives against a model in memory, with deaths between disk operations.

Hypothesis chooses what happens: a life begins, makes steps that send, receives, saves, is killed just before
its k-th change of the disk, or leaves a torn tail. The model is a few lists; what was acknowledged must be in
the tree, and everything must be taken once and in order.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from lives import Life, make_tree, texts

from state_layout.errors import Locked
from state_layout.files import disk
from state_layout.files.locks import LifeLock, take_life_lock
from state_layout.lives.attempts import all_lines, list_attempts, recall
from state_layout.mail.operator_mail import append_operator_message

AGENTS = ("alice", "bob")
agents = st.sampled_from(AGENTS)


class Killed(BaseException):
    """The process ended here; nothing of it catches that."""


class Fuse:
    """Ends whoever works just before the k-th disk operation from now."""

    def __init__(self) -> None:
        self.left: int | None = None

    def __call__(self, operation: str, arguments: tuple[object, ...]) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed


class Lives(RuleBasedStateMachine):
    """Two agents and a person who write to each other."""

    def __init__(self) -> None:
        super().__init__()
        shared = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(dir=shared if shared.is_dir() else None))
        self.tree = make_tree(self.folder / "tree", *AGENTS)
        self.fuse = Fuse()
        disk.tap(self.fuse)
        self.living: dict[str, Life] = {}
        self.locks: dict[str, LifeLock] = {}
        self.steps: dict[str, list[str]] = {name: [] for name in AGENTS}  # acknowledged
        self.tried: dict[str, set[str]] = {name: set() for name in AGENTS}  # perhaps done
        self.taken: dict[str, list[str]] = {name: [] for name in AGENTS}  # acknowledged
        self.people: dict[str, list[str]] = {name: [] for name in AGENTS}  # acknowledged
        self.count = 0

    def teardown(self) -> None:
        disk.tap(None)
        for life in self.living.values():
            life.die()
        for lock in self.locks.values():
            lock.release()
        shutil.rmtree(self.folder)

    # -- what happens

    @rule(agent=agents, fuse=st.none() | st.integers(0, 30))
    def begin(self, agent: str, fuse: int | None) -> None:
        """Whoever lives keeps a second one out; else a life begins, or dies on the way."""
        if agent in self.living:
            try:
                take_life_lock(self.tree.agent(agent).lock, patience_s=0.0)
            except Locked:
                return
            raise AssertionError("two hold the lock of one agent")
        self.locks[agent] = take_life_lock(self.tree.agent(agent).lock)
        before = len(list_attempts(self.tree.agent(agent)))
        life = self._until(fuse, agent, lambda: Life(self.tree, agent))
        if life is not None:
            self.living[agent] = life
            assert len(list_attempts(self.tree.agent(agent))) == before + 1

    @precondition(lambda self: self.living)
    @rule(data=st.data(), fuse=st.none() | st.integers(0, 8))
    def step(self, data: st.DataObject, fuse: int | None) -> None:
        """A step that sends to the other one, or to all."""
        agent = data.draw(st.sampled_from(sorted(self.living)))
        to = data.draw(st.sampled_from(["all", *(name for name in AGENTS if name != agent)]))
        self.count += 1
        key = f"{agent}-{self.count}"
        self.tried[agent].add(key)
        life = self.living[agent]
        if self._until(fuse, agent, lambda: life.step(key, (to, key), result=key)) is not None:
            self.steps[agent].append(key)

    @precondition(lambda self: self.living)
    @rule(data=st.data(), limit=st.none() | st.integers(1, 3), fuse=st.none() | st.integers(0, 6))
    def receive(self, data: st.DataObject, limit: int | None, fuse: int | None) -> None:
        agent = data.draw(st.sampled_from(sorted(self.living)))
        life = self.living[agent]
        got = self._until(fuse, agent, lambda: life.receive(limit))
        if got is not None:
            self.taken[agent] += [text for text in texts(got) if text]

    @precondition(lambda self: self.living)
    @rule(data=st.data(), fuse=st.none() | st.integers(0, 10))
    def save(self, data: st.DataObject, fuse: int | None) -> None:
        agent = data.draw(st.sampled_from(sorted(self.living)))
        life = self.living[agent]
        self._until(fuse, agent, life.checkpoint)

    @rule(agent=agents)
    def write_by_hand(self, agent: str) -> None:
        """A person writes; durable when it returns."""
        self.count += 1
        append_operator_message(self.tree, agent, text=f"person-{self.count}")
        self.people[agent].append(f"person-{self.count}")

    @rule(agent=agents)
    def kill(self, agent: str) -> None:
        self._died(agent)

    @rule(agent=agents, tail=st.sampled_from([b'{"seq":99', b"\0\0\0\0", b"}\n", b"\n"]))
    def tear(self, agent: str, tail: bytes) -> None:
        """The dead may have left half a line behind what was synced."""
        numbers = list_attempts(self.tree.agent(agent))
        if agent not in self.living and numbers:
            path = self.tree.agent(agent).attempt(numbers[-1]).journal
            if path.exists():
                with path.open("ab") as file:
                    file.write(tail)

    # -- what must hold

    @invariant()
    def nothing_acknowledged_is_missing_and_nothing_is_doubled(self) -> None:
        for agent in AGENTS:
            known = recall(self.tree, agent).history.steps.get("t#1", {})
            done = [key for key in known if key.startswith(agent)]
            assert [key for key in done if key in self.steps[agent]] == self.steps[agent]
            assert set(done) <= self.tried[agent]
            read = self._read(agent)
            assert len(read) == len(set(read)), "a message was taken twice"
            assert set(self.taken[agent]) <= set(read)
            for sender in AGENTS:
                if sender != agent:
                    sent = [text for to, text in self._sent(sender) if to in (agent, "all")]
                    boxes = {
                        to: [text for to_, text in self._sent(sender) if to_ == to] for to in (agent, "all")
                    }
                    for box in boxes.values():
                        mine = [text for text in read if text in box]
                        assert mine == box[: len(mine)], "passed over, or out of order"
                    assert {text for text in read if text.startswith(sender)} <= set(sent)
            people = [text for text in read if text.startswith("person")]
            assert people == self.people[agent][: len(people)]

    # -- how

    def _read(self, agent: str) -> list[str]:
        """Everything that the lives of `agent` recorded to have taken."""
        known = recall(self.tree, agent).history.steps.get("t#1", {})
        return [text for key, result in known.items() if key.startswith("got-") for text in result if text]

    def _sent(self, agent: str) -> list[tuple[str, str]]:
        lines = (line.fields() for line in all_lines(self.tree, agent))
        return [(message["to"], message["text"]) for line in lines for message in line.get("sent", ())]

    def _until(self, fuse: int | None, agent: str, act: Any) -> Any:
        """Do it, or die before the disk operation that the fuse says; None if it died."""
        self.fuse.left = fuse
        try:
            return act()
        except Killed:
            self.fuse.left = None
            self._died(agent)
            return None
        finally:
            self.fuse.left = None

    def _died(self, agent: str) -> None:
        life = self.living.pop(agent, None)
        if life is not None:
            life.die()
        lock = self.locks.pop(agent, None)
        if lock is not None:
            lock.release()


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),  # to shrink takes longer than a test may
    database=None,
    suppress_health_check=list(HealthCheck),
)
