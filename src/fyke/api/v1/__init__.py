"""API v1: the 13 operations."""
