"""The team's tools for programs that speak MCP: `maos-sup mcp DIR --agent NAME`.

Two halves that meet in two files. The bus (`server`, `relay`), a light process that the client starts,
appends each call to the control file of the agent's life and looks for its answer in the journal of that
life. The agent (`calls`, `verbs`) carries a call out and records answer and effects in one line. So the bus
holds nothing: whoever is killed, a repeated call has the answer that it had, and no second effect.
"""
