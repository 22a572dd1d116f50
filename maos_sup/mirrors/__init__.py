"""Databases that follow a tree: they may be lost and can be made again; the files stay the only truth."""
