"""Reads what a program wrote, whole line by whole line, and makes records of it."""
