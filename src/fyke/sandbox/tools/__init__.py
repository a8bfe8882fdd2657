"""Running our own tools (uv, npm, go, git) in sandboxes."""
