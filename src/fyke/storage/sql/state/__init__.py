"""The state: its stores, the transaction that combines them, and its schema."""
