"""Ends before it has said anything."""
