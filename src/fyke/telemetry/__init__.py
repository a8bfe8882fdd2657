"""The log of the platform."""
