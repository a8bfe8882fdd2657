"""Review: versions are approved by the operator before all accounts may run them."""
