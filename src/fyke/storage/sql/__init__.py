"""State and results in SQLite or PostgreSQL."""
