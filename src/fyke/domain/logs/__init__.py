"""What a run said: entries of the SDK, of its output and of the platform."""
