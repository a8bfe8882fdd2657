"""Starts, monitors and ends the processes of a sandbox."""
