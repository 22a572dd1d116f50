"""Says how things stand, told by files alone: of one agent, of the supervisor, of the whole team.

The one place that says it. Views, the supervisor, its notifier, agents who wait for others, people's commands
and every page to come ask here; so they agree on a living tree, on a dead one and on a copy. Nothing here
writes, and nothing here decides: phases are judged by `core`.

presence     whether a process lives, and whether the tree is at home on this host
agents       one agent: its process, last attempt, snapshot, the outcomes of its tasks
supervisors  the supervisor: its process, its life, what it remembers
team         all of them together, with the phase of each task, each agent and the orchestration
journals     the one fallback: what a snapshot would say, made anew from the agent's journals

A snapshot is asked first, for it is cheap. The journals are asked where there is no snapshot, and, by who
shows things to people, where an agent died without a word: its last lines may be in no snapshot.
"""
