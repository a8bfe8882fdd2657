"""Values that a Worker needs and nobody may read: kept sealed, given to runs, masked in what
comes out of them.
"""
