"""Our own operations, ``/api/fyke``: what the console and the commands need beyond v1 and v2."""
