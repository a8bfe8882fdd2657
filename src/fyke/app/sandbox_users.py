"""The sandbox users that the launcher of a data folder has claimed."""

from __future__ import annotations

from pathlib import Path

from fyke.sandbox.process.user_claims import active_claims


def sandbox_users(home: Path) -> range | None:
    """The users of the launcher that serves ``home``, or None without a launcher. Only for root."""
    claims = active_claims()
    return next((claim.users for claim in claims if Path(claim.home) == home.absolute()), None)
