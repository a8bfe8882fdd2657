"""The results of a run: storing headers and rows, and reading them (pages, exports)."""
