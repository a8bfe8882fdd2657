"""The form of a run's input: described by a schema, and one path from any source to the input."""
