"""Installing the packages of Workers, in sandboxes."""
