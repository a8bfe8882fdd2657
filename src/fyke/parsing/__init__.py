"""Parsers of strangers' texts in processes of their own."""
