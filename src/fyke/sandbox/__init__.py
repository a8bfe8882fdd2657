"""The walls around one attempt."""
