"""`cost`: where the money went, over one orchestration, several, or all of the home."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from maos_sup.cli import options
from maos_sup.cli.places import all_trees, name_of, tree_or_default, trees_at
from maos_sup.cli.says import say, say_aside, say_json
from maos_sup.projection.cost_reader import CostReader, SeveralCosts, Tell
from maos_sup.projection.costs import Costs, Sums
from maos_sup.projection.money_rows import money_lines
from maos_sup.projection.reading import Reading
from maos_sup.views.events import counted
from maos_sup.views.money import money, shares
from maos_sup.views.render import folded, table, terminal_width, total_text
from state_layout.errors import LayoutError
from state_layout.paths import Tree
from state_layout.tree.elsewhere import id_of

if TYPE_CHECKING:
    from maos_sup.views.shapes import BudgetShown, Status

_WORDS = ("agent", "task", "model", "day")
_OF_ONE, _OF_MANY = ("agent", "task", "model"), ("model",)
_NO_CAPS: BudgetShown = {"max_cost_usd": None, "max_tokens": None}
_OF_ALL = ("total", "models", "days", "waste")
Named = Mapping[tuple[str, ...], Sums]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeMoney:
    """Tells what one orchestration cost; `name` is what a command line calls it."""

    name: str
    tree: Tree
    status: Status
    costs: Costs

    def part(self, word: str) -> Mapping[str, Sums]:
        """The sums by agent, task, model or day; agents that cost nothing are there, too."""
        if word == "agent":
            return {
                agent["name"]: self.costs.agents.get(agent["name"], Sums()) for agent in self.status["agents"]
            }
        return {"task": self.costs.tasks, "model": self.costs.models, "day": self.costs.days}[word]

    def to_json(self) -> dict[str, object]:
        """As `cost --json` prints one orchestration."""
        agents = {name: sums.to_json() for name, sums in self.part("agent").items()}
        return {**self.costs.to_json(), "agents": agents, "budget": self.status["budget"]}


@click.command("cost")
@click.argument("directories", metavar="[DIR|ID]...", nargs=-1)
@click.option("--home", "of_home", is_flag=True, help="Over all orchestrations in the home.")
@click.option(
    "--by", "words", type=options.Word(_WORDS), multiple=True, help="Only by this; may be repeated."
)
@options.as_json
def command(directories: tuple[str, ...], *, of_home: bool, words: tuple[str, ...], as_json: bool) -> None:
    """Print what was spent, by agent, task and model, and of how much. Rows add up to the total.

    Said below: what went into tries without a whole answer, what was taken back later, and how many answers
    have a price that nobody knows.
    """
    if of_home and directories:
        raise click.UsageError("--home is all orchestrations; name some, or leave --home")
    trees = all_trees() if of_home else trees_at(directories) or [tree_or_default(None)]
    if not of_home and len(trees) == 1:
        _print_one(_money_of(trees[0]), words, as_json=as_json)
        return
    found, left_out, several = list[TreeMoney](), dict[str, str](), SeveralCosts()
    for tree in trees:
        try:
            found.append(_money_of(tree, tell=several.take))
        except LayoutError as trouble:
            left_out[name_of(tree)] = str(trouble)
    for name, why in left_out.items():
        say_aside(f"{name}: left out: {why}")
    _print_many(found, several, left_out, words=words, as_json=as_json)


def _money_of(tree: Tree, *, tell: Tell | None = None) -> TreeMoney:
    """Add up `tree`. Raises LayoutError."""
    reading = Reading(tree)
    status = reading.status()
    costs = CostReader(reading, tell=tell).costs(status, now_s=time.time())
    return TreeMoney(name=name_of(tree), tree=tree, status=status, costs=costs)


def _print_one(found: TreeMoney, words: Iterable[str], *, as_json: bool) -> None:
    if as_json:
        say_json(found.to_json())
        return
    parts = [
        _lines((word,), {(name,): one for name, one in found.part(word).items()}) for word in words or _OF_ONE
    ]
    _say(parts, found.costs, total=_total(found.costs, found.status["budget"]))


def _print_many(
    found: list[TreeMoney],
    several: SeveralCosts,
    left_out: Mapping[str, str],
    *,
    words: Iterable[str],
    as_json: bool,
) -> None:
    whole, shared = several.costs(), several.shared
    if as_json:
        rows = [{"id": id_of(one.tree), "directory": str(one.tree.root), **one.to_json()} for one in found]
        told = whole.to_json()
        all_of_them = {key: told[key] for key in _OF_ALL} | {"shared": shared.to_json()}
        say_json({"orchestrations": rows, "left_out": dict(left_out), **all_of_them})
        return
    costly = [one for one in found if one.costs.total.calls or one.costs.void.calls]
    parts = [_lines(("orchestration",), {(one.name,): one.costs.total for one in costly})]
    for word in words or _OF_MANY:
        parts.append(_of_many(word, costly, whole))
    where = f"in {counted(len(costly), 'orchestration')}"
    if len(costly) < len(found):
        where += f"; {len(found) - len(costly)} more cost nothing"
    if shared.calls:
        text = f"{money(shared.cost_usd)} USD stand in copies or forks as well; the total has them once."
        parts.append(folded(text, terminal_width()))
    _say(parts, whole, total=f"{_total(whole, _NO_CAPS)} {where}")


def _of_many(word: str, found: Iterable[TreeMoney], whole: Costs) -> list[str]:
    """Make the table by `word`: names of agents and tasks mean something in one orchestration only."""
    if word in ("agent", "task"):
        named = {
            (one.name, name): sums for one in found for name, sums in one.part(word).items() if sums.calls
        }
        return _lines(
            ("orchestration", word), dict(sorted(named.items(), key=lambda item: -item[1].cost_usd))
        )
    return _lines(
        (word,), {(name,): sums for name, sums in (whole.models if word == "model" else whole.days).items()}
    )


def _say(parts: Iterable[list[str]], costs: Costs, *, total: str) -> None:
    width = terminal_width()
    lines = [line for part in parts if part for line in (*part, "")]
    lines += [part for line in money_lines(costs) for part in folded(line, width)]
    say("\n".join([*lines, f"total: {total}"]))


def _total(costs: Costs, budget: BudgetShown) -> str:
    """Say how much was spent of what may be."""
    return total_text(budget, cost=costs.total.cost_usd, tokens=costs.total.tokens) or f"{money(0)} USD"


def _lines(words: tuple[str, ...], named: Named) -> list[str]:
    """Make a table; answers without a known price have a column where there are any."""
    has_unpriced = any(one.unpriced for one in named.values())
    costs = shares([one.cost_usd for one in named.values()]) if named else []
    rows = [
        (*name, cost, str(one.tokens), str(one.calls), *([str(one.unpriced)] if has_unpriced else []))
        for (name, one), cost in zip(named.items(), costs, strict=True)
    ]
    heads = (*map(str.upper, words), "USD", "TOKENS", "CALLS", *(["UNPRICED"] if has_unpriced else []))
    return table(heads, rows, width=terminal_width())
