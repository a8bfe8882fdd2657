"""Where state and data live."""
