"""SQL over the files themselves, by DuckDB."""
