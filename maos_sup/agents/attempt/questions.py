"""Questions to people: recorded once, shown in the status, answered by a file in `spec/approvals/`.

A question is known by exactly what it asks, in which run of which task; asked again, it has the same answer.
"""

from __future__ import annotations

from maos_sup.agents.attempt.recorder import Recorder
from state_layout.paths import Tree
from state_layout.records import TaskSpec
from state_layout.specs.approvals import Approval, answer_of, question_id, standing_answers


def answer_or_ask(
    tree: Tree, agent: str, task: TaskSpec, *, recorder: Recorder, text: str
) -> Approval | None:
    """Find the answer to `text`; None while there is none: the question is on record then. Raises
    StorageError."""
    id_ = question_id(agent, task.id, task.run, text)
    known = recorder.look(lambda history: history.answers.get(id_))
    if known is not None:
        return Approval(is_yes=known["answer"] == "yes", text=known.get("reply") or "")
    asked = recorder.look(lambda history: history.questions.get(id_))
    if asked is None:
        before = standing_answers(tree, id_)
        told = {"task": task.id, "run": task.run, "question": id_, "text": text, "before": before}
        recorder.commit("asked", told)
        return None
    answer = answer_of(tree, asked)
    if answer is not None:
        word = "yes" if answer.is_yes else "no"
        recorder.commit("answered", {"question": id_, "answer": word, "text": answer.text})
    return answer
