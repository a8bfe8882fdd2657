"""Ends before its first call or output."""
