"""Repeated tasks of the server, such as sending callbacks, starting schedules and retention."""
