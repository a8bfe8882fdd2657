"""Reports about the installation for its operator."""
