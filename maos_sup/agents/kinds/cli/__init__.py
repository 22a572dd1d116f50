"""Kind `cli`: programs of others that keep a session of their own, each described by a profile."""
