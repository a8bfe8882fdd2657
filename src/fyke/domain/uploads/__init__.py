"""Uploads: projects that are checked step by step before they are published."""
