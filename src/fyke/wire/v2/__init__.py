"""The shapes of version 2."""
