"""Money in rows and sentences, as `cost` and reports print it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from maos_sup.projection.costs import Costs, Sums
from maos_sup.views.events import counted, duration_text
from maos_sup.views.money import money, shares, tokens_text

Row = tuple[str, ...]


def sum_rows(sums: Mapping[str, Sums], most: int) -> list[Row]:
    """Name, USD, tokens, calls; the dearest first where not all have room. Rows add up to their total."""
    named = [*sums.items()]
    if len(named) > most:
        named = sorted(named, key=lambda item: -item[1].cost_usd)
        rest = Sums()
        for _, one in named[most - 1 :]:
            rest.merge(one)
        named = [*named[: most - 1], (f"{len(named) - most + 1} more", rest)]
    costs = shares([one.cost_usd for _, one in named]) if named else []
    return [
        (name, cost, tokens_text(one.tokens), str(one.calls))
        for (name, one), cost in zip(named, costs, strict=True)
    ]


def money_lines(costs: Costs) -> list[str]:
    """Say what is to be said of money beside the tables: waste, unknown prices, what may come."""
    found = []
    if costs.broken.calls:
        found.append(
            f"{money(costs.broken.cost_usd)} USD and {tokens_text(costs.broken.tokens)} tokens of the total "
            f"went into {counted(costs.broken.calls, 'try')} without a whole answer."
        )
    if costs.void.calls:
        found.append(
            f"Beside the total: {money(costs.void.cost_usd)} USD and {tokens_text(costs.void.tokens)} tokens "
            "in records that do not count any more (taken back, or written by a life that was over)."
        )
    if costs.total.unpriced:
        found.append(
            f"The price of {counted(costs.total.unpriced, 'answer')} is not known; it is not in the total."
        )
    forecast = costs.forecast
    if forecast.at_end_usd is not None:
        found.append(
            "If the tasks that are left cost what those that ended did, all come to "
            f"{money(forecast.at_end_usd)} USD."
        )
    if forecast.runs_out_in_s is not None:
        found.append(f"At the rate so far the budget is used up in {duration_text(forecast.runs_out_in_s)}.")
    return found
