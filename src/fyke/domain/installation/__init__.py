"""What the operator sees of the installation as a whole."""
