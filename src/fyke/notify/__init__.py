"""Sends messages to users: HTTP POST requests to public servers, and email."""
