"""Makes orchestrations of what other programs left on this machine; their files are only read."""
