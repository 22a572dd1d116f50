"""Programs that run in the peers' own virtual environment: they import nothing of ours but `race`."""
