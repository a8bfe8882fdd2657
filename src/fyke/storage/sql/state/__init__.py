"""The state: its stores, the transaction over them, and its tables from release to release."""
