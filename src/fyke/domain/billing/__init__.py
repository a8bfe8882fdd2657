"""Prices, holds and the append-only ledger."""
