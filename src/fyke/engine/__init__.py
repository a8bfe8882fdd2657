"""Where and when attempts go."""
