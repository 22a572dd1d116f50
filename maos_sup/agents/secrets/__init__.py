"""Keeps secrets out of what an agent writes, and looks for those that got in."""
