"""What settings say of the egress, for roles that need no database."""

from __future__ import annotations

from fyke.domain.nodes.settings_versions import policy_of
from fyke.model.node import EgressPolicy
from fyke.settings import Settings
from fyke.settings.shared import shared_values


def own_policy(settings: Settings) -> EgressPolicy:
    """What these settings say of the egress."""
    return policy_of(shared_values(settings))
