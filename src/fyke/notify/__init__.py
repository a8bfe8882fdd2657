"""Sends messages: HTTP POST requests to servers of users, email, and traces to a collector."""
