"""The on-disk tree of an orchestration: paths, records and the only code that writes them.

Importable alone: it knows nothing of `maos_sup`. `FORMAT.md` beside this file is the specification.
"""
