"""Says what `doctor` looks at on this host. A probe ends in time, leaves nothing behind, tells no secret."""
