"""Agents as jobs of Slurm, by its commands: `commands` are their faces, `clerk` calls, `launcher` asks it."""
