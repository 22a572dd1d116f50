"""The kinds of agents that come along. Each is imported only by who uses it."""
