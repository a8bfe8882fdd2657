"""Tasks: saved inputs for a worker."""
