"""Runs: start, split into subtasks, lifecycle and end."""
