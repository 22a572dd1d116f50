"""A Redis server as a mirror: streams to listen to, and how agents stand in keys that expire."""
