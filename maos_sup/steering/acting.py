"""Acts by name, as a page asks for them: fields checked, noted as asked for by whom, then done as by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from maos_sup.steering.answering import Reply, answer, open_question
from maos_sup.steering.change import Change, lines_of
from maos_sup.steering.sending import send
from maos_sup.steering.setting import Kinds, set_key
from maos_sup.steering.starting import see_to_it
from maos_sup.steering.wanting import (
    known_agent,
    known_task,
    run_again,
    tasks_to_retry,
    want_of_agent,
    want_of_all,
    want_of_tasks,
)
from state_layout.errors import BadInput, NotATree
from state_layout.files import codec
from state_layout.files.fence import refuse_links
from state_layout.files.journal import Journal
from state_layout.files.locks import editing
from state_layout.files.looking import exists
from state_layout.paths import Tree
from state_layout.records import Want

Fields = Mapping[str, Any]
_CAPS = ("max_cost_usd", "max_tokens")
_WANTS = {"run": Want.RUN, "pause": Want.PAUSE, "stop": Want.STOP}
_LONGEST = 20_000  # characters of a text


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeringAct:
    """An act is one thing that may be asked for: the fields that it takes, of which `needed` must be
    there."""

    takes: frozenset[str]
    needed: frozenset[str]
    do: Callable[[Tree, Fields, Kinds], tuple[Change, ...]]
    starts: bool = False  # somebody has to be there to act on it


def act(tree: Tree, name: str, fields: Fields, *, by: str, kinds: Kinds) -> str:
    """Do what `name` stands for; what was changed, in words. Durable on return.

    Raises BadInput, with nothing changed, for an unknown act or field, or what the act itself refuses.
    """
    wanted = acts.get(name)
    if wanted is None:
        raise BadInput(f"act {name[:40]!r} is not known; use one of {', '.join(acts)}")
    check_fields(name, fields, takes=wanted.takes, needed=wanted.needed)
    note(tree, name, fields, by=by)
    changes = wanted.do(tree, fields, kinds)
    told = lines_of(changes) or "nothing was changed"
    started = see_to_it(tree) if wanted.starts else None
    return f"{told}\n{started}" if started else told


def check_fields(name: str, fields: Fields, *, takes: frozenset[str], needed: frozenset[str]) -> None:
    """Raise BadInput unless `fields` are those that an act takes, texts of a sound length."""
    unknown, missing = fields.keys() - takes, needed - fields.keys()
    if unknown or missing:
        what = f"does not take {sorted(unknown)[0][:40]!r}" if unknown else f"needs {sorted(missing)[0]!r}"
        raise BadInput(f"act {name}: {what}; it takes {', '.join(sorted(takes)) or 'nothing'}")
    for key, value in fields.items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise BadInput(f"act {name}: {key!r} is no text or number")
        if isinstance(value, str) and len(value) > _LONGEST:
            raise BadInput(f"act {name}: {key!r} has {len(value)} characters; use at most {_LONGEST}")


def note(tree: Tree, name: str, fields: Fields, *, by: str) -> None:
    """Record that `by` asks for an act, durably. Raises NotATree, Damaged, Locked, StorageError."""
    if not exists(tree.format):  # removed while it is shown: a record would make its folder anew
        raise NotATree(f"{tree.root}: is not there any more")
    refuse_links(tree.root, tree.spec)
    with editing(tree.spec_lock):
        journal = Journal.open(tree.acts)
        try:
            journal.append("act", {"by": by, "act": name, "asked": dict(fields)})
            journal.sync()
        finally:
            journal.close()


def _answer(tree: Tree, fields: Fields, kinds: Kinds) -> tuple[Change, ...]:
    decision, text = str(fields["decision"]), str(fields.get("text", ""))
    if decision not in ("yes", "no"):
        raise BadInput(f"'decision' is {decision[:40]!r}; use yes or no")
    question = open_question(tree, str(fields["question"]))
    reply = Reply(is_yes=decision == "yes", text=text, is_words=bool(text) and decision == "yes")
    return (answer(tree, str(question["id"]), reply),)


def _want(tree: Tree, fields: Fields, kinds: Kinds) -> tuple[Change, ...]:
    want = _WANTS.get(str(fields["want"]))
    if want is None:
        raise BadInput(f"'want' is {str(fields['want'])[:40]!r}; use {', '.join(_WANTS)}")
    if "agent" in fields and "task" in fields:
        raise BadInput("'agent' and 'task' exclude each other; use one")
    if "agent" in fields:
        return (want_of_agent(tree, str(fields["agent"]), want),)
    if "task" in fields:
        if want is Want.STOP:
            raise BadInput("'want' is 'stop'; a task is run or paused")
        return want_of_tasks(tree, [known_task(tree, str(fields["task"]))], want)
    return (want_of_all(tree, want),)


def _retry(tree: Tree, fields: Fields, kinds: Kinds) -> tuple[Change, ...]:
    task = str(fields["task"]) if "task" in fields else None
    return run_again(tree, tasks_to_retry(tree, agent=None, task=task))


def _skip(tree: Tree, fields: Fields, kinds: Kinds) -> tuple[Change, ...]:
    return want_of_tasks(tree, [known_task(tree, str(fields["task"]))], Want.SKIP)


def _send(tree: Tree, fields: Fields, kinds: Kinds) -> tuple[Change, ...]:
    return (send(tree, str(fields["to"]), str(fields["text"])),)


def _budget(tree: Tree, fields: Fields, kinds: Kinds) -> tuple[Change, ...]:
    cap, amount = str(fields["cap"]), fields["amount"]
    if cap not in _CAPS or isinstance(amount, str):
        raise BadInput(f"'cap' is one of {', '.join(_CAPS)}, 'amount' a number")
    where = f"budget.{cap}"
    if "agent" in fields:
        where = f"agents/{known_agent(tree, str(fields['agent']))}.{where}"
    return (set_key(tree, where, codec.encode(amount).decode(), kinds=kinds),)


def _act(
    do: Callable[[Tree, Fields, Kinds], tuple[Change, ...]],
    needed: str,
    more: str = "",
    *,
    starts: bool = False,
) -> SteeringAct:
    must = frozenset(needed.split())
    return SteeringAct(takes=must | frozenset(more.split()), needed=must, do=do, starts=starts)


acts: Mapping[str, SteeringAct] = {
    "answer": _act(_answer, "question decision", "text", starts=True),
    "want": _act(_want, "want", "agent task", starts=True),
    "retry": _act(_retry, "", "task", starts=True),
    "skip": _act(_skip, "task", starts=True),
    "send": _act(_send, "to text"),
    "budget": _act(_budget, "cap amount", "agent", starts=True),
}
