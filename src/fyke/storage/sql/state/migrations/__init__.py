"""The migrations of the state, and their helpers (``ddl``)."""
