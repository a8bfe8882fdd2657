"""The isolation of a sandbox: namespaces, system calls, limits, and checks of all three."""
