"""The run queue: starts that wait until a user activates them."""
