"""The full-screen view: what it shows is computed by pure functions over frozen values; `app` only draws.

spans     pieces of lines and how they look         rows      which agents, in which order, in which columns
state     what is looked at, and what was chosen    picture   the whole screen as lines
keys      what a key does                           app       draws the lines and hands keys on (Textual)
figures   CPU and memory, sampled while somebody looks
"""
