"""Says what a key of plans and specs is for: read off the tables that check them, no second list. Pure.

A key is dotted: `limits.max_agents`, `agents.NAME.restart.max`, `tasks.NAME.needs`; the names may be any, or
left out, and may stand as `set` takes them: `agents/bob.want`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from maos_sup.planner.schema import AgentOfKind, plan_shape
from state_layout.errors import BadInput
from state_layout.shapes.rules import Rule
from state_layout.shapes.shape import (
    ABSENT,
    Argv,
    CallableName,
    Effect,
    Field,
    Flag,
    Free,
    ListOf,
    MapOf,
    Nullable,
    Number,
    OneOf,
    Shape,
)
from state_layout.shapes.wording import listed
from state_layout.specs.tables import ORCHESTRATION, TASK

_NAMED = ("agents", "tasks")  # keys below which a name comes
_SPEC_ONLY = {"tasks": TASK}
EFFECTS = {
    Effect.AT_ONCE: "at once: within seconds, also for what runs",
    Effect.NEXT_TASK: "when the agent begins its next task or attempt; what runs keeps the old value",
    Effect.FIXED: "never: it is read when the orchestration is made",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A key is explained. `at` has `NAME` where a name belongs; `kinds` are those of agents that have it,
    () for all."""

    at: tuple[str, ...]
    type: str
    doc: str
    effect: Effect
    default: Any = ABSENT
    example: Any = ABSENT
    is_required: bool = False
    kinds: tuple[str, ...] = ()
    keys: tuple[tuple[str, str], ...] = ()  # of a table: its keys and what they are for

    @property
    def key(self) -> str:
        """The key is written with dots."""
        return ".".join(self.at)

    @property
    def set_key(self) -> str:
        """The command `maos-sup set` takes the key so."""
        named = self.at[0] in _NAMED and len(self.at) > 2
        return f"{self.at[0]}/{self.at[1]}.{'.'.join(self.at[2:])}" if named else self.key


def explain(key: str, kinds: Mapping[str, Shape]) -> list[Explained]:
    """Explain what `key` is, once for each meaning among `kinds`. Raises BadInput with the nearest keys."""
    wanted = _parts(key)
    known = every_key(kinds)
    found = [one for one in known if _fits(wanted, one.at)]
    if not found:
        raise BadInput(f"no key {key!r}; {_nearest(wanted, known)}")
    return found


def every_key(kinds: Mapping[str, Shape]) -> list[Explained]:
    """List all keys of plans and specs, each once for each meaning."""
    plan = plan_shape(kinds)
    found = [*_of_shape(plan, (), Effect.FIXED)]
    there = {one.at for one in found}
    specs = [
        *_of_shape(ORCHESTRATION, (), Effect.FIXED),
        *_of_shape(TASK, ("tasks", "NAME"), Effect.NEXT_TASK),
    ]
    return _joined([*found, *(one for one in specs if one.at not in there)])


def _of_shape(shape: Shape, at: tuple[str, ...], effect: Effect) -> Iterator[Explained]:
    for key, known in shape.fields.items():
        yield from _of_field(known, (*at, key), known.effect or effect)


def _of_field(known: Field, at: tuple[str, ...], effect: Effect) -> Iterator[Explained]:
    rule = known.rule.rule if isinstance(known.rule, Nullable) else known.rule
    yield Explained(
        at=at,
        type=known.rule.wish,
        doc=known.doc,
        effect=effect,
        default=known.default,
        example=_example(known),
        is_required=known.required,
        keys=tuple((inner, field.doc) for inner, field in _fields(rule)),
    )
    if isinstance(rule, Shape):
        yield from _of_shape(rule, at, effect)
    elif at == ("tasks",) and isinstance(rule, ListOf) and isinstance(rule.item, Shape):
        yield from _of_shape(rule.item, (*at, "NAME"), Effect.NEXT_TASK)
    elif isinstance(rule, MapOf) and isinstance(rule.value, AgentOfKind):
        common = rule.value.common
        yield from _of_shape(common, (*at, "NAME"), Effect.NEXT_TASK)
        for kind, shape in rule.value.kinds.items():
            own = {key: field for key, field in shape.fields.items() if key not in common.fields}
            for one in _of_shape(Shape(fields=own), (*at, "NAME"), Effect.NEXT_TASK):
                yield replace(one, kinds=(kind,))


def _fields(rule: Rule) -> Iterator[tuple[str, Field]]:
    if isinstance(rule, Shape):
        yield from rule.fields.items()
    elif isinstance(rule, ListOf) and isinstance(rule.item, Shape):
        yield from rule.item.fields.items()
    elif isinstance(rule, MapOf) and isinstance(rule.value, AgentOfKind):
        yield from rule.value.common.fields.items()


def _joined(found: Sequence[Explained]) -> list[Explained]:
    """Alike keys of several kinds are one."""
    joined = list[Explained]()
    for one in found:
        for index, other in enumerate(joined):
            if one.kinds and replace(other, kinds=()) == replace(one, kinds=()):
                joined[index] = replace(other, kinds=other.kinds + one.kinds)
                break
        else:
            joined.append(one)
    return joined


def _parts(key: str) -> tuple[str, ...]:
    """Split `agents/bob.want`, `tasks[0].needs`, `[agents.bob]` into parts."""
    text = re.sub(r"\[(\d+)\]", r".\1", key).strip("[] ")
    return tuple(part for part in re.split(r"[./]", text) if part)


def _fits(wanted: tuple[str, ...], at: tuple[str, ...]) -> bool:
    """The words `wanted` mean the key at `at`; a name may be any one, or left out."""
    if len(wanted) == len(at):
        return all(part in (word, "NAME") for word, part in zip(wanted, at, strict=True))
    return len(at) > 2 and at[1] == "NAME" and wanted == (at[0], *at[2:])


def _nearest(wanted: tuple[str, ...], known: Sequence[Explained]) -> str:
    import difflib

    names = {one.key: one.key for one in known} | {
        ".".join(one.at[2:]): one.key for one in known if one.at[2:]
    }
    names |= {one.at[-1]: one.key for one in known if one.at[-1] not in names}
    text = ".".join(wanted)
    near = difflib.get_close_matches(text, names, n=3, cutoff=0.6)
    near = near or difflib.get_close_matches(wanted[-1] if wanted else "", names, n=3, cutoff=0.6)
    near_keys = [*dict.fromkeys(names[name] for name in near)]
    return f"did you mean {listed(near_keys, last='or')}?" if near_keys else "maos-sup explain lists all"


def _example(known: Field) -> Any:
    """Make a value that the key may have, another than its default where that is easy."""
    if known.example is not ABSENT:
        return known.example
    rule = known.rule.rule if isinstance(known.rule, Nullable) else known.rule
    if known.default not in (ABSENT, None, "", [], {}) and not isinstance(rule, OneOf | Flag):
        return known.default
    return _example_of(rule, known.default)


def _example_of(rule: Rule, default: Any) -> Any:
    match rule:
        case OneOf():
            return next((word for word in rule.words if word != default), rule.words[0])
        case Flag():
            return default is not True
        case Number():
            return _number(rule)
        case Argv():
            return ["python3", "count.py"]
        case CallableName():
            return "reporter:main"
        case ListOf():
            _, _, example = rule.wish.partition(" like ")
            item = _example_of(rule.item, ABSENT)
            return json.loads(example) if example else ABSENT if item is ABSENT else [item]
        case Free() | MapOf() | Shape():
            return ABSENT
        case _:
            return _text_in(rule.wish)


def _number(rule: Number) -> float:
    low = rule.least if rule.least is not None else (rule.above or 0) + 1
    return min(max(low, 10), rule.most) if rule.whole else min(max(low, 1.5), rule.most)


def _text_in(wish: str) -> Any:
    """Take the example that a wish ends with: `..., like http://localhost:8080`."""
    _, like, example = wish.partition(" like ")
    return example if like else ABSENT
