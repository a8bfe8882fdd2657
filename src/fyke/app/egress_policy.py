"""What settings say of the egress, for roles that need no database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fyke.model.node import EgressPolicy

if TYPE_CHECKING:
    from fyke.settings import Settings


def own_policy(settings: Settings) -> EgressPolicy:
    """What these settings say of the egress."""
    return EgressPolicy(
        allow=tuple(settings.egress_allow),
        upstreams=dict(settings.egress_upstreams),
        default_region=settings.default_region,
        site_guard=settings.site_guard,
        site_rate=settings.site_rate,
        site_connections=settings.site_connections,
        site_pause_seconds=settings.site_pause_seconds,
    )
