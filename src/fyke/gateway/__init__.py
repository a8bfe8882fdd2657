"""The gateway: the only way from nodes to their installation."""
