"""Gives an agent its place: a worktree, snapshots of it, and bounds for what its programs may touch."""
