"""The form of a run's input, made from a schema, and the parsing of inputs from any source."""
