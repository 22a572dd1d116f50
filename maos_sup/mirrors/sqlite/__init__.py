"""A SQLite file as a mirror: one file to send, to open with anything, to query with SQL."""
