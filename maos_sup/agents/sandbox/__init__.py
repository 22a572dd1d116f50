"""Confines what a model runs: `landlock` (the kernel's own), `bubblewrap` (where installed), or nothing.

`confine` chooses and says what may be read and written; `beneath` opens files for our own process so that no
link leads out of a folder.
"""
