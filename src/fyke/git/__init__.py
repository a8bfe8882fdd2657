"""Fetches projects with the system's git, in a sandbox without access to this machine."""
