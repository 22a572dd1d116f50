"""Writes and understands control lines, by which a program asks its agent for something."""
