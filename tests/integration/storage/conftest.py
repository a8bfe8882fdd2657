"""Fixtures of the tests of storage."""

from __future__ import annotations

from support.postgres_relay import relay

__all__ = ["relay"]
