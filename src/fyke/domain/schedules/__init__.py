"""Schedules: when a saved task is run automatically."""
