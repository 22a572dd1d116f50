"""Questions to people: recorded once, shown in the status, answered by a file in `spec/approvals/`.

A question is known by exactly what it asks, in which run of which task; asked again, it has the same answer.
"""

from __future__ import annotations

from maos_sup.agents.work import Work
from state_layout.specs.approvals import Answer, answer_to, question_id


def ask(work: Work, text: str) -> Answer | None:
    """The answer to `text`, or None while there is none; it is on record then. Raises StorageError."""
    life, task = work.life, work.task
    id_ = question_id(life.agent, task.id, task.run, text)
    known = life.ledger.look(lambda history: history.answers.get(id_))
    if known is not None:
        return Answer(is_yes=known["answer"] == "yes", text=known.get("reply") or "")
    asked = life.ledger.look(lambda history: history.questions.get(id_))
    if asked is None:
        life.ledger.commit("asked", {"task": task.id, "run": task.run, "question": id_, "text": text})
        life.publisher.publish()
        return None
    answer = answer_to(life.tree, id_, asked_at=asked["at"])
    if answer is not None:
        told = "yes" if answer.is_yes else "no"
        life.ledger.commit("answered", {"question": id_, "answer": told, "text": answer.text})
    return answer
