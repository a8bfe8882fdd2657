"""Our own routes under ``/api/fyke/``: publishing, tasks, accounts, keys, and looking around.

The original platform does these on its web pages only, so there is no wire to be compatible with;
envelope, credentials and errors are the same as everywhere.
"""
