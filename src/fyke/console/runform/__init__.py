"""The run form: its controls and the requests of its page."""
