"""Notifies users' servers that a run ended: one HTTP POST, to the public internet only."""
