"""The run queue: starts that are held until somebody activates them."""
