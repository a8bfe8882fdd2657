"""Fetching projects with the system's git, which gets to see nothing of this machine."""
