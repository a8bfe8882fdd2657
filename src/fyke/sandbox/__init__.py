"""The sandbox of an attempt: isolation, processes, packages and tools."""
