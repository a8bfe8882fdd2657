"""Typed REST client, used by the commands and by end-to-end tests."""
