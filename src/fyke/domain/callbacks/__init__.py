"""Notifying a user's server that a run changed: payload, signature, outbox."""
