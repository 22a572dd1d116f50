"""Shared state: values under keys, in scopes that several writers share; nobody's change is lost.

    names     scopes and keys: what they are called, and in which files they lie
    values    what may be kept, and where in a value the fault is
    lines     one line of a writer's file, and the fold of all files
    scope_lock, writer_file    the short lock, and one writer's file
    store     reads, and writes under the lock by compare-and-set
    hooks, schemas             what a change meets, and what values look like
    telling   every version of a key, who wrote it and why
    people    the readable snapshot, and what people write into `spec/state/`

One chained file per writer, as `budget/` is kept. What belongs to one agent (scopes agent, task, session) is
in that agent's journal instead; only the names of its keys are made here.
"""
