"""The agent process: one life of one agent, its kinds, and what programs use to speak with it.

Its rooms stand in a row, each of which imports only those before it (docs/architecture.md). Flat in here is
what is found by name from elsewhere, so these names stay: kinds of other packages, jobs in a queue and living
teams of an earlier build know them.
"""
