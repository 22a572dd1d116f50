"""What other programs left on this machine, made into orchestrations; their files are only read."""
