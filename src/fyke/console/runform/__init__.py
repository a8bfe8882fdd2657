"""The run form: its controls, its submitted values, and the reply to a pressed button."""
