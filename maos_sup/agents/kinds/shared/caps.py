"""Says what an agent may spend, as of now: the cap of all agents, and its own or that of several attempts."""

from __future__ import annotations

from maos_sup.agents.attempt.specs import WantedSpecs
from state_layout.ledger import ALL, together
from state_layout.records import AgentSpec, Budget


def caps_in_force(specs: WantedSpecs, begun: AgentSpec) -> dict[str, Budget]:
    """Find the caps by scope of the ledger; `begun` is the agent's spec as its work began, if it is gone
    since.

    Where several attempts have one budget, that is the budget of the agent that they are attempts of: who
    raises it raises it for all of them.
    """
    own = specs.agent or begun
    holder = specs.now.agents.get(own.budget_of, own) if own.budget_of is not None else own
    names = dict.fromkeys((holder.name, own.name, *holder.budget_with, *own.budget_with))
    budget = holder.settings.get("budget")
    cap = Budget(**budget) if isinstance(budget, dict) else Budget()
    return {ALL: specs.now.orchestration.budget, together(*names): cap}
