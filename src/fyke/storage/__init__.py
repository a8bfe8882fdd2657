"""Storage of state, results and bundles."""
