"""Review: what is looked at before everybody may run it."""
