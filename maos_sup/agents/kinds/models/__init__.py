"""What all kinds that use a model share.

opening  the first prompt of a task            prices    what a question costs
holds    waits that a provider asks of all     troubles  what went wrong, how long to wait (pure)
waiting  waits in the open: shown, with a time, and heard out of when something else is wanted
"""
