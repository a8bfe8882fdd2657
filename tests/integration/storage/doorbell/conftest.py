"""A real PostgreSQL for what only a real one can show."""

from support.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]
