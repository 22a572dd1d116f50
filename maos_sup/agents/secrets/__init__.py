"""What keeps secrets out of what an agent writes, and what looks for those that got in."""
