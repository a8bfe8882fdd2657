"""Programs in six languages that start a run with a given input."""
