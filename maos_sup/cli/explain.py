"""`explain [KEY]`: what a key of plans and specs is for, and when a change of it is in force."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click

from maos_sup.agents.registry import kind_shapes
from maos_sup.cli import options
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.planner.explain import EFFECTS, Explained, every_key, explain
from maos_sup.planner.toml_text import plan_text
from maos_sup.views.cells import wrapped
from maos_sup.views.render import table, terminal_width
from state_layout.files import codec
from state_layout.shapes.shape import ABSENT, Effect

_MARGIN = 10


@click.command("explain")
@click.argument("key", metavar="[KEY]", required=False)
@options.as_json
def command(key: str | None, *, as_json: bool) -> None:
    """Say what KEY of a plan or of spec/ is for: type, default, when a change is in force, an example.

    KEY is dotted: limits.max_agents, agents.NAME.restart.max, tasks.NAME.needs. NAME may be any name, or left
    out. Without KEY all keys are listed.
    """
    kinds = kind_shapes(say_aside)
    found = every_key(kinds) if key is None else explain(key, kinds)
    if as_json:
        say_json({"keys": [_told(one) for one in found]})
        return
    if key is None:
        rows = [(one.key + (f" ({', '.join(one.kinds)})" if one.kinds else ""), one.doc) for one in found]
        say("\n".join(table(("KEY", "WHAT IT IS FOR"), rows, width=terminal_width())))
        return
    say("\n\n".join("\n".join(_lines(one)) for one in found))


def _lines(one: Explained) -> Iterator[str]:
    yield one.key + (f" (kind {' and '.join(one.kinds)})" if one.kinds else "")
    parts = {
        "is": one.doc,
        "type": one.type,
        "default": _default(one),
        "change": EFFECTS[one.effect],
    }
    for word, text in parts.items():
        if text:
            first, *rest = wrapped(text, max(terminal_width() - _MARGIN - 2, 30))
            yield f"  {word:<{_MARGIN - 2}}{first}"
            yield from (" " * _MARGIN + line for line in rest)
    if one.example is not ABSENT:
        first, *rest = _plan_lines(one)
        yield f"  {'plan':<{_MARGIN - 2}}{first}"
        yield from (" " * _MARGIN + line for line in rest)
        if one.effect is not Effect.FIXED:
            value = one.example if isinstance(one.example, str) else codec.encode(one.example).decode()
            yield f"  {'set':<{_MARGIN - 2}}maos-sup set {one.set_key} {shlex.quote(value)}"
    if one.keys:
        yield "  keys"
        width = max(len(key) for key, _ in one.keys)
        for key, doc in one.keys:
            first, *rest = wrapped(doc, max(terminal_width() - width - 6, 30))
            yield f"    {key:<{width}}  {first}".rstrip()
            yield from (" " * (width + 6) + line for line in rest)


def _default(one: Explained) -> str:
    if one.is_required:
        return "none: it must be there"
    if one.default is ABSENT or one.default is None:
        return ""
    return codec.encode(one.default).decode()


def _plan_lines(one: Explained) -> list[str]:
    """The example as a plan has it: the heading of its table, then the line."""
    *tables, key = one.at
    if one.at[0] == "tasks" and len(one.at) > 2:
        tables = [*one.at[2:-1]]
        heading = ["[[tasks]]"]
    else:
        heading = [f"[{'.'.join(tables)}]"] if tables else []
    return [*heading, plan_text({key: one.example}).strip()]


def _told(one: Explained) -> dict[str, object]:
    told: dict[str, object] = {"key": one.key, "doc": one.doc, "type": one.type, "effect": str(one.effect)}
    told |= {"required": one.is_required, "kinds": list(one.kinds)}
    for name, value in (("default", one.default), ("example", one.example)):
        if value is not ABSENT:
            told[name] = value
    return told
