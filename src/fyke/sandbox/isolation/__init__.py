"""The isolation of one sandbox: namespaces, system calls, limits, and the checks of all three."""
