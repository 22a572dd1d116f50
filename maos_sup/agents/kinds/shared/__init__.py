"""Says what kinds share. A kind imports these modules and none of another kind.

programs  how a program is started             needs     what is not there, told before a tree is made
opening   the first prompt of a task           prices    what a question costs
holds     waits that a provider asks of all    troubles  what went wrong, how long to wait (pure)
waiting   waits in the open: shown, with a time, and heard out of when something else is wanted

Of the kinds that run a program which keeps a session of its own (`claude`, `cli`):

running   one process: output to a file, input through a pipe, one per session
memory    what is on record of a run, as a fold of the journal (pure)
record    how things get on record: one line each, with the place in the output
spending  reserved before each question, settled after it
prompts   what a session is told when it goes on
events    where the reading of a program's output begins
story     what is on record, told to a session that begins in place of one that cannot go on
"""
