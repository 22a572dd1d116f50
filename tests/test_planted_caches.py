"""Whatever is kept to save a look may be old: for each such cache a bug that leaves it so, and its catcher.

The bugs are planted as those of the proof are (`proof.plant`): one function's text is changed in a process of
its own, which then runs the test that is named. A test that passes all the same is no guard. The short form
plants one in three.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
_OF_AGENT, _SUPERVISORS = "state_layout.specs.of_agent", "maos_sup.standing.supervisors"
_OBSERVE = "maos_sup.supervisor.observe"
_BOARD, _TURNS = "maos_sup.core.board:Board", "maos_sup.supervisor.turns:Turns"
RUN = """
import json, os, sys, traceback
import pytest
from proof.plant import Bug, plant

codes = {}
for name, (where, old, new, node) in json.loads(sys.stdin.read()).items():
    child = os.fork()
    if child == 0:
        os.dup2(2, 1)
        code = 70
        try:
            plant(Bug(name, where, old, new))
            sys.path.insert(0, os.path.dirname(node.partition("::")[0]))
            code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", node])
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    codes[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps(codes))
"""
BUGS_OF_LINUX = {  # in what the portable ways do not have
    "a folder that rang counts as watched": (
        "maos_sup.system.alarms:FolderAlarm._drain",
        "del self._watched[folder]",
        "pass",
        "system/test_alarms.py",
    ),
}
BUGS = {
    "an agent believes all task files for ever": (
        f"{_OF_AGENT}:AgentSpecs.is_due",
        "or time.monotonic() >= self._due_s",
        "",
        "state_layout/test_specs_of_agent.py::test_all_files_are_due_when_one_came_or_went_or_the_time_is_up",
    ),
    "an agent does not see that a task file came": (
        f"{_OF_AGENT}:AgentSpecs.is_due",
        "or self._folder != self._folder_now()",
        "",
        "state_layout/test_specs_of_agent.py",
    ),
    "a forked agent believes a survey though files came": (
        f"{_OF_AGENT}:AgentSpecs._is_believed",
        "and kept.folder == self._folder_now()",
        "",
        "state_layout/test_specs_of_agent.py",
    ),
    "what an agent is about to do is not looked at": (
        f"{_OF_AGENT}:AgentSpecs._is_unchanged",
        "return known is not None and _is_at(self._root + rel, known)",
        "return known is not None",
        "state_layout/test_specs_of_agent.py",
    ),
    "the supervisor's journal is read once": (
        f"{_SUPERVISORS}:_memory_in",
        "if known is None or known.memory is None or has_news:",
        "if known is None:",
        "agents/test_choice.py",
    ),
    "how one job of an agent ended is believed of its next": (
        "maos_sup.launchers.slurm.accounting:Accountant.end_of",
        "(known.attempt, known.id) == (attempt, id_)",
        "bool(known)",
        "launchers/test_slurm_accounts.py::test_what_is_known_of_one_attempt_is_not_believed_of_the_next",
    ),
    "half a line of the supervisor counts as read": (
        f"{_SUPERVISORS}:_memory_in",
        'end = begin + fresh.rfind(b"\\n") + 1',
        "end = begin + len(fresh)",
        "agents/test_choice.py",
    ),
    "what others did is not asked before nothing is ready": (
        "maos_sup.agents.tasks.choice:TaskChoice.next",
        "if task is None and not is_asked:",
        "if False:",
        "agents/test_choice.py",
    ),
    "a settled task is never encoded again": (
        "maos_sup.agents.attempt.publish:Publisher._task",
        "if known is not None and known[0] is outcome:",
        "if known is not None:",
        "agents/test_publish.py",
    ),
    "a snapshot's task that changed is the one before": (
        "state_layout.lives.snapshot_reader:SnapshotReader.take",
        "self.outcomes.get(task) if known.get(task) == entry else None",
        "self.outcomes.get(task)",
        "state_layout/test_snapshot_reader.py",
    ),
    "a young snapshot is not read again": (
        "state_layout.lives.snapshot_reader:SnapshotReader.look",
        "self._stamp = None if is_young else stamp",
        "self._stamp = stamp",
        "state_layout/test_snapshot_reader.py",
    ),
    "memory is what was made though it is decoded as something else": (
        "state_layout.files.codec:encode_plain",
        "if type(each) is not dict or not _PLAIN.issuperset(map(type, each.values())):",
        "if False:",
        "agents/test_recorder_memory.py",
    ),
    "memory holds what others may change": (
        "state_layout.files.codec:encode_plain",
        "not _PLAIN.issuperset(map(type, each.values()))",
        "not {*_PLAIN, list, dict}.issuperset(map(type, each.values()))",
        "agents/test_recorder_memory.py::test_what_is_changed_after_it_was_recorded_is_remembered_as_recorded",
    ),
    "where a run began is believed though no line ends there": (
        "state_layout.lives.attempts:lines_of_run",
        "and lineage.counts(lives[0], position)",
        "",
        "state_layout/test_lines_of_run.py::test_a_place_that_does_not_stand_has_all_lines_read",
    ),
    "a run that goes on counts as begun anew": (
        "state_layout.lives.history:_task",
        "if before is None or before.run != run:",
        "if True:",
        "state_layout/test_lines_of_run.py::test_only_lines_since_the_run_began_are_read",
    ),
    "a trigger is believed for ever": (
        "state_layout.host.triggers:TriggerWriter.pull",
        "if known is None or now_s >= known[1]:",
        "if known is None:",
        "state_layout/test_triggers.py",
    ),
    "a mail file is believed for ever": (
        "state_layout.mail.outbox:Outbox._linked",
        "if now_s >= self._believed_s.get(to, now_s):",
        "if to not in self._believed_s:",
        "state_layout/test_outbox.py::test_mail_file_removed_under_its_writer_comes_back_whole",
    ),
    "a secret is not looked for where a byte that it need not have is missing": (
        "maos_sup.agents.secrets.redaction:_rarest",
        "return min(value, key=_COMMON.find)",
        'return b"~"[0]',
        "agents/test_redaction.py",
    ),
    "an end is not passed on to what needs it": (
        f"{_BOARD}._moved",
        "todo.append(each)",
        "pass",
        "core/test_board.py::test_an_end_costs_its_dependents_and_not_all_tasks",
    ),
    "what a source does not say any more stays": (
        f"{_BOARD}.take",
        "return self._moved(told | gone)",
        "return self._moved(told)",
        "core/test_board.py::test_what_a_source_does_not_say_any_more_is_not_so",
    ),
    "who became ready is not decided on": (
        f"{_TURNS}.take",
        "concerned |= self._owners(self._board.take(name, seen.agents[name].outcomes))",
        "self._board.take(name, seen.agents[name].outcomes)",
        "supervisor/test_turns.py",
    ),
    "who waits for a slot is forgotten": (
        f"{_TURNS}.take",
        "concerned = {*self.changed, *self._waiting, *(self.concerned or ())}",
        "concerned = {*self.changed, *(self.concerned or ())}",
        "supervisor/test_turns.py",
    ),
    "the board is never found from nothing": (
        f"{_TURNS}._correct_sometimes",
        "self.correct()",
        "pass",
        "supervisor/test_turns.py",
    ),
    "an agent that hangs is as before": (
        f"{_OBSERVE}:_is_as_before",
        "and last.liveness is seen.liveness",
        "",
        "supervisor/test_looking.py",
    ),
    "an agent that was answered is as before": (
        f"{_OBSERVE}:_is_as_before",
        'and not seen.told.status.get("questions")',
        "",
        "supervisor/test_looking.py",
    ),
    "an agent that wrote its snapshot is as before": (
        f"{_OBSERVE}:Observer._agent",
        "and not was_read and last is not None and _is_as_before(last, seen)",
        "and last is not None",
        "supervisor/test_looking.py",
    ),
    "who has a budget of another does not see that it changed": (
        f"{_OF_AGENT}:AgentSpecs.rels_of_all",
        "(ORCHESTRATION_REL, *self._own_rels)",
        "(ORCHESTRATION_REL, self._own_rels[0])",
        "state_layout/test_specs_of_agent.py",
    ),
    "a view does not see that a spec came": (
        "maos_sup.standing.team:StandingReader.look",
        "or self._specs.has_moved()",
        "",
        "views/test_view_status.py::test_watcher_shows_what_came_went_and_was_edited",
    ),
    "links are believed to be as they were in force": (
        "state_layout.specs.read:SpecCache.read",
        "are_linked = bool(judged) and judged == {rel: file.digest for rel, file in ours.items()}",
        "are_linked = bool(judged)",
        "views/test_view_status.py::"
        "test_specs_that_a_supervisor_has_in_force_are_shown_as_when_all_is_checked",
    ),
}


def test_each_stale_cache_is_caught(tmp_path: Path) -> None:
    is_portable = os.environ.get("MAOS_SUP_SYSTEM") == "portable"
    there = BUGS if is_portable else BUGS_OF_LINUX | BUGS
    tried = [*there.items()][:: 1 if "MAOS_SUP_TORTURE_ROUNDS" in os.environ else 3]
    planted = {name: (*bug, f"{TESTS}/{node}") for name, (*bug, node) in tried}
    environment = os.environ | {"PYTHONPATH": str(TESTS), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(planted),
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=TESTS.parent,
    )
    codes = json.loads(done.stdout)
    missed = [name for name, code in codes.items() if code != 1]  # 1: a test failed; else there is no verdict
    assert codes.keys() == planted.keys() and missed == [], done.stderr[-4000:]
