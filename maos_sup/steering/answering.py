"""Answers what agents ask: a decision and a text, as files in `spec/approvals/`, durable on return."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maos_sup.steering.change import Change
from maos_sup.steering.wanting import prompt
from maos_sup.views.status import status_of
from state_layout.errors import BadInput
from state_layout.files import atomic
from state_layout.files.fence import refuse_links
from state_layout.files.reading import read_record
from state_layout.paths import Tree
from state_layout.shapes.wording import listed

if TYPE_CHECKING:
    from state_layout.records.attempt_lines import Question

_DECISIONS = {"yes": "yes", "no": "no", "y": "yes", "n": "no"}
_LEAVE = re.compile(r"May (\S+) run \S+ with ", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply is what a person says: yes or no, and words that go to the agent with it."""

    is_yes: bool
    text: str = ""
    is_words: bool = False  # only words were given: yes is what they imply

    @property
    def decision(self) -> str:
        """The decision is the word that approvals are written with."""
        return "yes" if self.is_yes else "no"


def reply_of(question: Question, words: tuple[str, ...]) -> Reply:
    """Read what `words` say to `question`: a decision and text, or only text, which says yes to an open
    question.

    Raises BadInput where a decision is wanted and the words hold none.
    """
    first, *rest = words
    decision = _DECISIONS.get(first.strip().lower())
    if decision is not None:
        return Reply(is_yes=decision == "yes", text=" ".join(rest))
    if asks_for_leave(question):
        raise BadInput(
            f"DECISION is {first!r}; question {question['id']} asks for leave to run a tool: use yes or no"
        )
    return Reply(is_yes=True, text=" ".join(words), is_words=True)


def asks_for_leave(question: Question) -> bool:
    """A tool waits for leave to run, which is yes or no, rather than for words."""
    found = _LEAVE.match(str(question.get("text", "")))
    return found is not None and str(question["id"]).startswith(f"{found[1]}-")


def open_question(tree: Tree, text: str) -> Question:
    """Find the only open question whose id begins with `text`. Raises BadInput, also where `text` is empty:
    leave is never given to a question that nobody named.
    """
    asked = status_of(tree)["questions"]
    ids = [str(question["id"]) for question in asked]
    remedy = f"open are {listed(ids, last='and')}" if ids else "nothing is asked now"
    if not text:
        raise BadInput(f"name the question; {remedy}")
    found: list[Question] = [question for question in asked if str(question["id"]).startswith(text)]
    if len(found) == 1:
        return found[0]
    if not found and (answered := _answered(tree, text)):
        raise BadInput(f"question {answered[0]} was answered: {answered[1]}")
    raise BadInput(f"question {text!r} fits {len(found)} of the open questions; {remedy}")


def answer(tree: Tree, question: str, reply: Reply) -> Change:
    """Answer the question of that id."""
    refuse_links(tree.root, tree.approvals)
    atomic.make_folder(tree.approvals)
    atomic.replace(tree.approvals / f"{question}.{reply.decision}", reply.text.encode())
    prompt(tree)
    said = reply.text if reply.is_words else reply.decision
    text = f"answered {question}: {said}"
    return Change(subject=f"question {question}", text=text, after=reply.decision)


def _answered(tree: Tree, text: str) -> tuple[str, str] | None:
    """Find the newest answer on file to a question whose id begins with `text`: its id, and what was said."""
    try:
        files = [path for path in tree.approvals.iterdir() if path.name.startswith(text)]
        newest = max(files, key=lambda path: path.stat().st_mtime_ns)
        said = read_record(newest)[:200].decode("utf-8", "replace").strip()
    except (OSError, ValueError):
        return None
    decision = newest.suffix.lstrip(".")
    return (newest.stem, f"{decision} {said}".rstrip()) if decision in ("yes", "no") else None
