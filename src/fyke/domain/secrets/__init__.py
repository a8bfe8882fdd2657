"""Values that a Worker needs and no user can read: stored encrypted, passed to runs, masked in
their output.
"""
