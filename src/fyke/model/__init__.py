"""The records of the domain: immutable values without I/O."""
