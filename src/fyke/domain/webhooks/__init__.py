"""Endpoints that are told of an account's events: addresses, secrets, messages, test calls."""
