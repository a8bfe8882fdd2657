"""The process that runs attempts."""
