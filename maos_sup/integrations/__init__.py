"""Other people's interfaces on plain files: each package here is one framework's door to our journals.

Each needs its framework's package, and says which (`pip install langgraph-checkpoint`); nothing else of ours
imports them, and they import only `core` and `state_layout`. docs/integrations.md shows how
they are used, each package's FORMAT.md says what lies on disk.
"""
