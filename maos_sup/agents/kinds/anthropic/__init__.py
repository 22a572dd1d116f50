"""Kind `anthropic`: a model with tools, in a conversation that survives whatever kills its process.

    kind      what the runner calls           conversation  the fold of the journal: what comes next (pure)
    loop      one move after the other        answer        a stream, journaled as it comes
    model     the only door to the SDK        spending      estimates and caps
    events    what a server said, checked
    working   one task, from laying out to clearing up; warm: for who forks agents
    asking    asks until there is an answer   prompts       what the model is told
    tools/    what it can do                  ../models     prices, troubles, holds, waits: of all such kinds

Every record is durable before what follows from it: the question before it is asked, the answer before its
tools run, a call before it acts, its result before it is told. FORMAT.md has the records.
"""
