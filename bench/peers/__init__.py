"""Other job runners, each installed into an environment of its own and driven by its own interface.

A peer runs a trivial job whose first line writes the monotonic clock of the machine into a file, so
that every peer is measured by the same clock and nothing is polled until then.
"""
