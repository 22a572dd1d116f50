"""Backups: what a tree holds, kept elsewhere, piece by piece; only what is not there yet is brought."""
