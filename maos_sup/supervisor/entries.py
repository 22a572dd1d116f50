"""Names what agents are started with; imports nothing, for who starts the zygote first of all."""

AGENT_ENTRY = "maos_sup.agents.runner:main"
PLACED_ENTRY = "maos_sup.agents.placed:main"  # on another machine
