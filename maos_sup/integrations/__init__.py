"""Other people's interfaces on plain files: each package here is one framework's door to our journals.

Each is an extra (`pip install maos-sup[langgraph]`); nothing else of ours imports them, and they import only
`core` and `state_layout`. docs/integrations.md shows how they are used, each package's FORMAT.md says what
lies on disk.
"""
