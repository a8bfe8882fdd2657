"""The settings that must agree, with their version: sealed, opened, and what nodes get of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from fyke.contracts.state import Transaction
from fyke.kit.sealing import Sealer, UnsealError
from fyke.model.node import EgressPolicy
from fyke.model.settings_version import SettingsVersion

_LOCATION = ("settings", "", "config")


def opened(version: SettingsVersion, sealer: Sealer) -> dict[str, Any]:
    """All values of a version by name; without the secret ones if ``secret.key`` was replaced."""
    if not version.sealed:
        return dict(version.config)
    try:
        secrets = json.loads(sealer.open(_LOCATION, version.sealed))
    except UnsealError:
        return dict(version.config)
    return {**version.config, **secrets}


def sealed(
    values: Mapping[str, Any], secret: Collection[str], sealer: Sealer
) -> tuple[dict[str, Any], str]:
    """``config`` and ``sealed`` of a version with these values. Empty ones are not secret."""
    secrets = {name: value for name, value in values.items() if name in secret and value}
    config = {name: value for name, value in values.items() if name not in secrets}
    return config, sealer.seal(_LOCATION, json.dumps(secrets)) if secrets else ""


def for_nodes(
    tx: Transaction, sealer: Sealer
) -> tuple[int, EgressPolicy | None, tuple[str, ...] | None]:
    """The number of the newest version, and what it says of the egress and of gateways; 0 and None
    without any.
    """
    version = tx.settings.newest()
    if version is None:
        return 0, None, None
    values = opened(version, sealer)
    return version.number, policy_of(values), tuple(values.get("gateway_addresses", ()))


def policy_of(values: Mapping[str, Any]) -> EgressPolicy:
    """The part of the egress, by the names of the settings."""
    default = EgressPolicy()
    return EgressPolicy(
        allow=tuple(values.get("egress_allow", default.allow)),
        upstreams=dict(values.get("egress_upstreams", default.upstreams)),
        default_region=values.get("default_region", default.default_region),
        site_guard=values.get("site_guard", default.site_guard),
        site_rate=values.get("site_rate", default.site_rate),
        site_connections=values.get("site_connections", default.site_connections),
        site_pause_seconds=values.get("site_pause_seconds", default.site_pause_seconds),
    )
