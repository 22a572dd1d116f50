"""From a request in words to a plan: ask, check, ask once more with the mistakes, save.

Who is asked is the caller's business (`Ask`). Nothing is started here, and nothing but the plan is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maos_sup.core.questions import Ask, ModelAnswer, ModelQuestion
from maos_sup.planner.caps import Caps
from maos_sup.planner.plan import Plan, load_plan
from maos_sup.planner.prompts import first_prompt, repair_prompt, system_prompt
from maos_sup.planner.proposal import NAME, Offer, plan_of, proposal_faults, proposal_shape, simplified
from maos_sup.planner.schema import Kinds
from maos_sup.planner.team import Team
from maos_sup.planner.toml_text import plan_text
from state_layout.errors import BadInput
from state_layout.files import atomic
from state_layout.files.looking import exists

ROUNDS = 2
_PLACE = re.compile(r"^.*?\.toml(?::\d+)?: ")
_MOST_ERRORS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanWish:
    """The wish is what is wanted of a plan. `project` as the plan is to name it; `survey` says what is in
    it.

    With `team` it is work for that one, which plans add to.
    """

    request: str
    project: str | None
    survey: str
    offer: Offer
    team: Team | None = None
    about: Path | None = None  # the team's project
    caps: Caps = field(default_factory=dict)  # people's, not the model's


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A good plan is written at `plan.path`; the answers are what it cost to get."""

    plan: Plan
    summary: str
    answers: tuple[ModelAnswer, ...]


def plan_from_words(wish: PlanWish, path: Path, *, ask: Ask, kinds: Kinds) -> Planned:
    """Have `wish` planned and write the plan to `path`, durably.

    Raises BadInput with the last mistakes if the model gets it wrong twice; its last plan then stands
    beside `path`, for a person to mend. Raises what `ask` raises.
    """
    is_addition = wish.team is not None
    prompt = first_prompt(wish.request, survey=wish.survey, team=wish.team.text if wish.team else "")
    question = ModelQuestion(
        system=system_prompt(wish.offer, form=NAME),
        prompt=prompt,
        name=NAME,
        schema=simplified(proposal_shape(wish.offer, is_addition=is_addition).schema()),
    )
    answers = list[ModelAnswer]()
    problems: tuple[str, ...] = ()
    draft = path.with_name(f"{path.stem}.draft.toml")
    for _ in range(ROUNDS):
        answer = ask(question)
        answers.append(answer)
        try:
            _write_draft(answer, wish, draft)
            load_plan(draft, kinds=kinds, project=wish.about, team=wish.team)
        except BadInput as refused:
            problems = tuple(_PLACE.sub("", problem) for problem in refused.problems[:_MOST_ERRORS])
            told = answer.value if answer.value is not None else answer.text
            again = repair_prompt(prompt, proposal=told, errors=problems)
            question = ModelQuestion(system=question.system, prompt=again, name=NAME, schema=question.schema)
            continue
        draft.replace(path)
        atomic.fsync_folder(path.parent)
        plan = load_plan(path, kinds=kinds, project=wish.about, team=wish.team)
        return Planned(plan=plan, summary=_summary(answer), answers=tuple(answers))
    raise BadInput(*_given_up(problems, draft))


def _write_draft(answer: ModelAnswer, wish: PlanWish, draft: Path) -> None:
    """Write the plan that `answer` proposes. Raises BadInput with everything that is wrong with it."""
    value = answer.value
    if value is None:
        said = answer.text.strip()[:200]
        raise BadInput(f"the answer is no JSON object of the form {NAME}" + (f": {said!r}" if said else ""))
    faults = proposal_faults(value, wish.offer, is_addition=wish.team is not None)
    if faults:
        raise BadInput(*[fault.text for fault in faults])
    plan = plan_of(value, wish.offer, request=wish.request, project=wish.project)
    plan = {**plan, "budget": dict(wish.caps)}
    atomic.replace(draft, plan_text(plan, head=_head(answer)).encode())


def _head(answer: ModelAnswer) -> str:
    by = f"Planned by {answer.model}" if answer.model else "Planned from a request in words"
    summary = _summary(answer)
    return f"{by}; change what you like.\n{summary}" if summary else f"{by}; change what you like."


def _summary(answer: ModelAnswer) -> str:
    value: Mapping[str, Any] = answer.value or {}
    return str(value.get("summary", "")).strip()


def _given_up(problems: tuple[str, ...], draft: Path) -> list[str]:
    told = [f"the model's plan is no good, after a second try too: {problem}" for problem in problems]
    if exists(draft):
        return [*told, f"its last plan is in {draft}: mend it and run it, or say the request otherwise"]
    return [*told, "say the request otherwise, or write a plan (maos-sup plan --schema)"]
