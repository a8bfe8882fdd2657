"""Bundles by digest."""
