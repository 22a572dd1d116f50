"""Orchestrations on their way: archives that carry one elsewhere."""
