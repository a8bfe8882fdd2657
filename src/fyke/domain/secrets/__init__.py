"""Secrets of Workers: stored encrypted, passed to runs, masked in their output. No user can read
their values.
"""
