"""The agent process: one life of one agent, its kinds, and what programs use to speak with it."""
