"""Bugs of agents and their supervisor, shown by the script or by whole orchestrations."""

from __future__ import annotations

from ..plant import Bug

_TRANSLATE, _ATTEMPTS = "maos_sup.agents.output.translate", "state_layout.lives.attempts"
_TOGETHER, _RECORDER = "maos_sup.agents.output.together", "maos_sup.agents.attempt.recorder"
_STEPS, _CONTEXT = "maos_sup.agents.callable.steps", "maos_sup.agents.callable.context"
_TASKS = "maos_sup.agents.tasks.task_loop"
_MODEL = "maos_sup.agents.kinds.anthropic"
_LIFE, _SPECS, _MAKING = "maos_sup.supervisor.life", "maos_sup.supervisor.specs", "state_layout.tree.making"

BUGS = [
    Bug(
        "output is understood before it is synced",
        f"{_TRANSLATE}:Translator._source",
        "source.sync(offset)",
        "pass",
    ),
    Bug(
        "what came together is noted before its lines are synced",
        f"{_TOGETHER}:Together.flush",
        "fields | self._cite(source, end)",
        'fields | {"source": {"file": source.name, "attempt": source.attempt, "offset": end}}',
    ),
    Bug(
        "the names of output files are not synced",
        f"{_TRANSLATE}:Translator._sync_names",
        "atomic.fsync_folder(self.stdout.path.parent)",
        "pass",
    ),
    Bug(
        "a discovery is sent without its place in the output",
        f"{_TOGETHER}:Together.flush",
        "fields | self._cite(source, end)",
        "fields",
    ),
    Bug(
        "output of dead lives is not looked at",
        f"{_TRANSLATE}:translate_leftovers",
        "if attempt < before:",
        "if attempt < before - 1:",
    ),
    Bug("saved output is not synced", f"{_TRANSLATE}:Translator.sync", "source.sync()", "pass"),
    Bug(
        "what came together is understood up to a byte too far",
        f"{_TOGETHER}:Together._gathered",
        "self._end = offset",
        "self._end = offset + 1",
    ),
    Bug(
        "the supervisor acts before its journal is synced",
        f"{_LIFE}:Life.record",
        "self._journal.sync()",
        "pass",
    ),
    Bug(
        "a supervisor forgets what it dealt with",
        f"{_LIFE}:begin_life",
        "pin, memory = _last_known(tree, numbers)",
        "pin, memory = _last_known(tree, numbers[:1])",
    ),
    Bug("a tree's files are not synced", f"{_MAKING}:_write", "disk.fsync(descriptor)", "pass"),
    Bug("a tree's folders are not synced", f"{_MAKING}:_fill", "atomic.fsync_folder(folder)", "pass"),
    Bug("a tree's FORMAT is not synced", f"{_MAKING}:_publish", "disk.fsync(descriptor)", "pass"),
    Bug(
        "a tree's FORMAT is there before the rest",
        f"{_MAKING}:create_tree",
        "_fill(tree, contents, sources)\n_publish(tree)",
        "_publish(tree)\n_fill(tree, contents, sources)",
    ),
    Bug(
        "a tree's FORMAT may not have its name",
        f"{_MAKING}:_publish",
        "atomic.fsync_folder(tree.root)",
        "pass",
    ),
    # what only processes show
    Bug(
        "an intent is not synced before the step is done",
        f"{_CONTEXT}:Context.step",
        "self._life.recorder.sync(token[1])",
        "pass",
        run="orchestration",
    ),
    Bug(
        "a step is not synced before it returns",
        f"{_STEPS}:Steps.commit",
        'self._recorder.commit_prepared("step", prepared)',
        'self._recorder.record_prepared_later("step", prepared)',
        run="orchestration",
    ),
    Bug(
        "a step's messages are left behind",
        f"{_STEPS}:Steps.commit",
        "else effects.messages)",
        "else effects.messages[1:])",
        run="orchestration",
    ),
    Bug(
        "a step does not keep the marks of what it took",
        f"{_STEPS}:StepEffects.fields",
        "if self.received:",
        "if not self.received:",
        run="orchestration",
    ),
    Bug(
        "a step that was lost is done again in silence",
        f"{_CONTEXT}:Context._judge_lost",
        "if verdict is LostStepVerdict.NOT_AGAIN:",
        "if verdict is None:",
        run="orchestration",
    ),
    Bug(
        "a tool is run before its intent is recorded",
        f"{_MODEL}.using:Using.use",
        "self._begin(use, token)",
        "pass",
        run="model",
    ),
    Bug(
        "a tool's intent is not synced",
        f"{_MODEL}.using:Using._commit",
        "self._life.recorder.commit(type_, entry, messages=messages)",
        "self._life.recorder.record_later(type_, entry)",
        run="model",
    ),
    Bug(
        "a question's intent is not synced before it is asked",
        f"{_MODEL}.asking:Asking._record",
        "self._life.recorder.commit(type_, entry)",
        "self._life.recorder.record_later(type_, entry)",
        run="model",
    ),
    Bug(
        "a question is asked without a reservation",
        f"{_MODEL}.spending:ConversationSpending.reserve",
        "return self._ledger.reserve(key, waste + estimate, caps=self._caps())",
        "return None",
        run="model",
    ),
    Bug(
        "a message leaves before the moment is over",
        f"{_RECORDER}:Recorder._record_soon",
        "self.latecomers.expect()",
        "self._outbox.deliver(self._held); self._held = []",
        run="group",
    ),
    Bug(
        "how a task stands may be durable later",
        f"{_RECORDER}:Recorder.commit_prepared",
        'if type_ in MAY_BE_LATE and self.intervals().sync == "group":',
        'if self.intervals().sync == "group":',
        run="group",
    ),
]
