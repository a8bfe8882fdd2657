"""Requests to prepare the environments of versions; ``runs.environments`` serves them."""

from __future__ import annotations

from fyke.contracts.signals import PREPARE
from fyke.contracts.state import Transaction


def request_environment(tx: Transaction, version_id: str) -> None:
    """Let a runner install the dependencies of a version, unless they are installed."""
    if tx.environments.request(version_id):
        tx.notify(PREPARE)
