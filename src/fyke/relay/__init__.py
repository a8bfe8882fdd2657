"""Live views over the stream between two machines: the end that asks, and the end that serves."""
