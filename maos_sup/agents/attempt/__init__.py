"""Holds what all parts of one life of an agent share, and the one way by which it records."""
