"""The records of every concept: plain values, no I/O. Imports ``fyke.kit`` only."""
