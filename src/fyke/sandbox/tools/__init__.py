"""Runs the tools of the platform (uv, npm, go, git) in sandboxes."""
