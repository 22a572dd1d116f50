"""One life of an agent, from taking its lock to saying how it ended.

Lock, handle, memory, first line, outputs, mail that earlier lives owe, output that nobody understood; then
one ready task after the other; at last the snapshot and `exit.json`. Whatever happens on the way, a successor
can tell from the files how far this life got.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from msgspec.structs import replace

from maos_sup.agents.attempt.bell import Bell
from maos_sup.agents.attempt.life import (
    STRICT_UMASK,
    AgentLife,
    open_outputs,
    release_ballast,
    reserve_control_fd,
    without_place,
    write_handle,
)
from maos_sup.agents.attempt.publish import Publisher
from maos_sup.agents.attempt.recorder import Recorder
from maos_sup.agents.attempt.specs import WantedSpecs
from maos_sup.agents.bus.gate import Gate
from maos_sup.agents.kinds import command, python  # noqa: F401 - cheap ones: the zygote has them for all
from maos_sup.agents.output.translate import pattern_of, translate_leftovers
from maos_sup.agents.preload import preload_for as preload_for  # the zygote asks for it here
from maos_sup.agents.secrets.redacting import await_end
from maos_sup.agents.secrets.redaction import Redactor
from maos_sup.agents.tasks.task_loop import TaskEnd, TaskLoop, end_of_trouble
from maos_sup.system.children import end_marked
from maos_sup.system.linux import become_subreaper
from state_layout.errors import BadInput, Damaged, LayoutError
from state_layout.files import atomic
from state_layout.files.fence import refuse_links, settle, understood
from state_layout.files.locks import take_life_lock
from state_layout.host.beats import BeatWriter
from state_layout.host.marks import mark_of, wear
from state_layout.host.stats import boot_id
from state_layout.lives.attempts import Recall, begin_attempt, list_attempts, read_exit, recall, seal_exit
from state_layout.paths import Tree, checked_name
from state_layout.records import CALM_EXITS, AgentSpec, ExitReason, fields_of
from state_layout.specs.files import checked
from state_layout.tree import open_tree

# What every agent needs sooner or later; the zygote imports it once for all. No SDK of a model is among it.
PRELOAD = (
    "ctypes",
    "maos_sup.agents.kinds.command",
    "maos_sup.agents.kinds.python",
    "maos_sup.agents.attempt.questions",
    "maos_sup.agents.tasks.uncertain",
)


class Claims(Protocol):
    """A life needs this that may have a rival on another machine."""

    number: int

    def take(self, tree: Tree, agent: str, *, ttl_s: float, hang_s: float) -> bool: ...

    def end(self) -> None: ...


def main(tree_root: str, agent: str, *, claim: Claims | None = None) -> int:
    """Live one life of `agent` in the tree at `tree_root`; the exit code of the process.

    0: ended calmly (parked, paused, asking, stopped), 1: not so, 10, 11, 12: as the command line's. With a
    `claim` this is another machine than the supervisor's, where locks are not trusted.
    """
    umask = os.umask(STRICT_UMASK)
    reserved = reserve_control_fd()
    try:
        tree = open_tree(Path(tree_root))
        checked_name(agent, "agent")
        settle(tree.root)
        _refuse_links(tree, agent)
        if claim is None:
            take_life_lock(tree.agent(agent).lock)  # freed by the end of the process alone: threads may go on
        else:
            with suppress(LayoutError):  # may be held by who has lost it, or not be had at all
                take_life_lock(tree.agent(agent).lock)
        return _live(tree, agent, reserved=reserved, umask=umask, claim=claim)
    except LayoutError as error:
        return _complain(error)
    except OSError as raised:
        found = understood(Path(tree_root), raised)
        if not isinstance(found, LayoutError):
            raise
        return _complain(found)


def _refuse_links(tree: Tree, agent: str) -> None:
    """Raise Damaged where something that this agent writes to leads out of the tree."""
    paths = tree.agent(agent)
    own = (paths.attempts, paths.session, paths.artifacts, paths.worktree)
    refuse_links(tree.root, *own, tree.mail_box(agent), tree.run_agents, tree.run_holds, tree.budget)
    refuse_links(tree.root, tree.state / "orchestration", tree.state / "custom")


def _live(tree: Tree, agent: str, *, reserved: int | None, umask: int, claim: Claims | None) -> int:
    bell = Bell()
    bell.listen()
    specs = WantedSpecs(tree, agent)
    spec = specs.agent
    if spec is None:
        raise BadInput(f"spec/agents/{agent}.json: is missing, or was never good; write it, then start again")
    ttl_s, hang_s = specs.now.orchestration.intervals.lease_s, specs.limits().hang_s
    if claim is not None and not claim.take(tree, agent, ttl_s=ttl_s, hang_s=hang_s):
        return 0  # somebody else lives this attempt
    number = claim.number if claim else max(list_attempts(tree.agent(agent)), default=0) + 1
    write_handle(tree, agent, number)
    try:
        known = _remember(tree, agent, before=number, is_placed=claim is not None)
    except Damaged as error:
        _refuse(tree, agent, number, error)
        raise
    named = {name: os.environ.get(outside, "") for name, outside in spec.env_from.items()}
    redactor = Redactor({**os.environ, **named, **spec.env})
    settings = redactor.value(_settings(spec, specs))
    atomic.make_folder(tree.mail_box(agent))  # an agent added later has none yet
    claimed = claim.number if claim else None
    attempt = begin_attempt(tree, agent, recall=known, settings=settings, claimed=claimed)
    known.history.take(attempt.start)
    recorder = Recorder(tree, agent, attempt=attempt, history=known.history, redactor=redactor)
    life: AgentLife | None = None
    try:
        recorder.spec = lambda: specs.agent
        recorder.intervals = lambda: specs.now.orchestration.intervals
        recorder.hooks = lambda: specs.now.orchestration.hooks
        wear(mark_of(tree, agent, attempt.number))
        life = AgentLife(
            tree=tree,
            agent=agent,
            attempt=attempt.number,
            continues_from=0 if known.pin is None else int(known.pin["attempt"]),
            specs=specs,
            recorder=recorder,
            publisher=Publisher(tree, agent, kind=spec.kind, attempt=attempt.number, recorder=recorder),
            bell=bell,
            beats=BeatWriter(tree.beat(agent)),
            umask=umask,
            control_fd=open_outputs(attempt.paths, reserved=reserved),
        )
        end = _work(life, known)
    except Exception as raised:  # noqa: BLE001 - the edge of a life: how it ended must be said
        found = understood(tree.root, raised)
        if not isinstance(found, LayoutError):
            traceback.print_exc()
        release_ballast(tree, found)
        end = end_of_trouble(found)
    code = _end(tree, agent, attempt.number, recorder=recorder, life=life, end=end)
    if claim is not None:
        claim.end()
    return code


def _remember(tree: Tree, agent: str, *, before: int, is_placed: bool) -> Recall:
    """End what dead lives left running, say how they ended, and recall what they knew."""
    lost, marks = [], set[str]()
    for number in reversed([number for number in list_attempts(tree.agent(agent)) if number < before]):
        ended = read_exit(tree, agent, number)
        if ended is not None and (ended.get("by") == "agent" or not is_placed):
            break
        marks.add(
            mark_of(tree, agent, number)
        )  # a supervisor elsewhere sealed it, and could end nothing here
        if ended is None:
            lost.append(number)
    if marks:
        end_marked(marks)
    for number in lost:
        await_end(tree.agent(agent).attempt(number))
        seal_exit(tree, agent, number, by="successor", reason=ExitReason.LOST)
    return recall(tree, agent)


def _work(life: AgentLife, known: Recall) -> TaskEnd:
    become_subreaper()
    for note in [*known.notes, *life.recorder.catch_up()]:
        life.warn(note)
    spec = life.specs.agent
    keywords = spec.keywords if spec is not None else ()
    translate_leftovers(
        life.tree,
        life.agent,
        before=life.attempt,
        recorder=life.recorder,
        keywords=keywords,
        go_on=lambda: _goes_on(life),
        gate=Gate(lambda: life.specs.agent),
    )
    return TaskLoop(life).run()


def _goes_on(life: AgentLife) -> bool:
    """Show a sign of life in the middle of long reading, which a stop ends: the next life goes on with it."""
    life.beats.progress()
    return not life.bell.signalled


def _end(
    tree: Tree, agent: str, number: int, *, recorder: Recorder, life: AgentLife | None, end: TaskEnd
) -> int:
    """Compact, publish, and say how this life ended, last of all. The exit code."""
    if end.reason not in _UNSOUND:
        try:
            recorder.sync()
            recorder.checkpoint()
        except LayoutError as error:
            release_ballast(tree, error)
            end = end_of_trouble(error)
    if end.detail is not None:
        end = replace(end, detail=recorder.redacted({"detail": without_place(tree, end.detail)})["detail"])
    if life is not None:
        life.publisher.phase = end.reason if end.reason in CALM_EXITS else "failed"
        life.publisher.reason, life.publisher.task = end.detail, None
        life.publisher.publish()
        life.beats.close()
    told: dict[str, Any] = fields_of(end)
    told["synced_seq"], told["h"] = recorder.synced_seq, recorder.last_h
    seal_exit(tree, agent, number, by="agent", **told)
    recorder.close()
    return 0 if end.reason in CALM_EXITS else 1


def _refuse(tree: Tree, agent: str, number: int, error: Damaged) -> None:
    """Leave word of a life that could not begin, where the supervisor looks for it."""
    with suppress(LayoutError):
        atomic.make_folder(tree.agent(agent).attempt(number).root)
        seal_exit(
            tree, agent, number, by="agent", reason=ExitReason.DAMAGED, detail=without_place(tree, str(error))
        )


def _settings(spec: AgentSpec, specs: WantedSpecs) -> dict[str, object]:
    """Collect what is in force, for the first line; of the environment only the names."""
    return {
        **{key: value for key, value in fields_of(spec).items() if key not in ("name", "env", "settings")},
        "restart": fields_of(spec.restart),
        **spec.settings,
        "env": sorted(spec.env),
        "limits": fields_of(specs.limits()),
        "intervals": fields_of(specs.now.orchestration.intervals),
    }


def _complain(error: LayoutError) -> int:
    sys.stderr.write(f"agent: {error}\n")
    return error.exit_code


def _warm() -> None:
    """Compile what every life needs, once for all that the zygote forks."""
    keywords = AgentSpec(name="x", kind="command").keywords
    pattern_of(keywords)
    Redactor(os.environ)
    boot_id()
    for rel, text in _SAMPLES.items():
        checked(rel, text, path=rel, kinds={})


_SAMPLES = {
    "orchestration.json": b'{"id": "x", "request": "x", "project": "../x", "project_name": "x"}',
    "agents/x.json": b'{"kind": "command", "env": {"X": "x"}, "keywords": ["found"], "cwd": "project"}',
    "tasks/x.json": b'{"agent": "x", "needs": ["y"]}',
}
_warm()
_UNSOUND = frozenset({ExitReason.POISONED, ExitReason.DAMAGED})


if __name__ == "__main__":
    code = main(sys.argv[1], sys.argv[2])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
