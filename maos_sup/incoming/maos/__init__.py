"""Databases of MAOS, made into orchestrations: `bringing` is the way in."""
