"""Command lines of others as agents: what kinds `claude` and `cli` share, and the generic kind `cli`.

running   one process: output to a file, input through a pipe, one per session
memory    what is on record of a run, as a fold of the journal (pure)
record    how things get on record: one line each, with the place in the output
spending  reserved before each question, settled after it
"""
