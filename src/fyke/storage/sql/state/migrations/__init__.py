"""The migrations of the state; what they share is in ``ddl``."""
