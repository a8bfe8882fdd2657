"""Logs of the platform itself."""
