"""Callbacks over HTTP, never to a private address."""
