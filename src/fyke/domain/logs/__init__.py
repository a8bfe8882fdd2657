"""The log of a run: entries of the SDK, of its output and of the platform."""
