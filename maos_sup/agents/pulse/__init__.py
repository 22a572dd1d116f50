"""Runs the second thread of an agent: signs of life, wishes, limits, output; and says when it wakes."""
