"""One life of an agent: what all parts of its process share, and the one way by which it records."""
