"""Parsers of untrusted text in separate processes."""
