"""Uploads: projects on their way in, checked step by step before they are published."""
