"""Nodes: machines that join an installation and run attempts for it."""
