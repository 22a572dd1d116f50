"""Says where agents work on one project without treading on each other: a worktree each.

Nothing here obeys configuration that lies in a workspace, and nothing of the project that its user has
checked out is written: no index, no HEAD, no stash, no configuration, no ref but `refs/heads/maos/*`.
"""
