"""Moments of a whole team: found by reading, written down, gone back to. Never talks to a process."""
