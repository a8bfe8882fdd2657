"""Runs: how one is cut into subtasks, how it lives and ends."""
