"""The operating system's room: who runs, whose child it is, how a whole tree of processes ends."""
