"""Kind `claude`: the real Claude Code command line, without a terminal, in a session that survives all of us.

    kind      what the runner calls           working     one task, from laying out to clearing up
    talk      one process of the CLI, watched gates       what it asks before and after each tool
    stream    its events, put on record       transcript  its own record: what the model has seen
    starting  arguments and environment       prompts     what it is told on standard input
    settings  the keys of its agents          post        messages, each told once
    leash     it dies with its agent

Its transcript lies in `agents/<agent>/session/` and is the conversation; our journal says what came of it.
A tool runs only when the transcript has the call and the journal its intent: so whoever dies, a call is
either not begun or known to have begun, and the next life tells the model which.
"""
