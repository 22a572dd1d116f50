"""Where an agent works: its worktree, what is kept of it, and what its programs may touch there."""
