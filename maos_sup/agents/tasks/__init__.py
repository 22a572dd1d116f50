"""Chooses an agent's next task, works on one after the other, and settles what a life cut short left."""
