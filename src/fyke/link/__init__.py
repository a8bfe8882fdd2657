"""The way of a node to the gateway of its installation."""
