"""The shapes of our own operations, ``/api/fyke``. Times end in ``_at``: Unix seconds."""
