"""A PostgreSQL database as a mirror: many runs in one place, joins, Grafana."""
