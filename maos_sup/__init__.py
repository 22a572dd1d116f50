"""maos-sup: a supervisor of LLM agents whose whole state is plain files.

This package holds the programs (agents, supervisor, command line); `state_layout` holds the files.
Importing it costs nothing: no submodule is imported here.
"""

__version__ = "0.1.0"
