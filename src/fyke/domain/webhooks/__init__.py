"""Webhook endpoints for an account's events: addresses, secrets, messages, test calls."""
