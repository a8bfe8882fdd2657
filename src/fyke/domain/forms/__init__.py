"""The form of a run's input: what a schema shows, and one way from any source to the input."""
