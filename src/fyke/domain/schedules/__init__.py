"""Schedules: when a saved task runs by itself."""
