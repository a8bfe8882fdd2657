"""Decides where and when attempts run."""
