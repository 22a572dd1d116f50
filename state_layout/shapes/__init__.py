"""Shapes of JSON objects as tables: one source for validation, error texts and JSON Schema."""
