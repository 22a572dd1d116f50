"""The supervisor: one process per tree that looks at the files, decides, acts, and looks again."""
