"""Says what a tree comes to for pages, reports, metrics and traces: values that all of them share.

`reading` alone opens files; every other module folds what it read. Nothing here writes, prints or draws.
"""
