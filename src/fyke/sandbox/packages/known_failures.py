"""What nodes get to know of installations that have failed on a machine of the installation.

A node that takes its packages from the same registries would fail in the same way, so it need not
try, and could not if it reaches none of them. With other registries it tries itself first.
"""

from __future__ import annotations

from typing import Protocol

from fyke.contracts.execution import EnvironmentFailed, RegistryAway, SandboxFault
from fyke.model.worker import OF_PACKAGES, InstallFailure
from fyke.reasons import ReasonCode
from fyke.sandbox.packages.package_client import PackageClient

# what another machine may not find: they also depend on a login, on speed and on limits
_KNOWN_TO_NODES = OF_PACKAGES | {
    ReasonCode.REGISTRY_LOGIN,
    ReasonCode.INSTALL_TIMEOUT,
    ReasonCode.INSTALL_LIMIT,
}


class HasClient(Protocol):
    """A recipe."""

    async def client(self) -> PackageClient: ...


async def failure_for_others(
    failed: EnvironmentFailed, key: str, recipe: HasClient
) -> InstallFailure | None:
    """What other machines get to know of a failure of this recipe, with this key of its archive;
    None if it says nothing about them, or may be over soon.
    """
    if isinstance(failed, RegistryAway) or failed.reason.code not in _KNOWN_TO_NODES:
        return None
    return InstallFailure(failed.reason, failed.log, key, await _sources(recipe))


async def applies_here(failure: InstallFailure, recipe: HasClient) -> bool:
    """Whether this machine would fail in the same way if it tried."""
    if failure.reason.code not in OF_PACKAGES or not failure.sources:
        return False
    return failure.sources == await _sources(recipe)


async def _sources(recipe: HasClient) -> str:
    """A digest of where the packages of a recipe come from; "" if the settings cannot be read."""
    try:
        return (await recipe.client()).sources
    except (EnvironmentFailed, SandboxFault):
        return ""
