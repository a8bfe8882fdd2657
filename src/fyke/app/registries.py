"""Which registries the dependencies of Workers come from."""

from __future__ import annotations

from collections.abc import Mapping

from fyke.app.runner import has_upstream
from fyke.sandbox.packages.registry_report import RegistryReport, report_registries
from fyke.settings import Settings


async def registries_of(settings: Settings, environ: Mapping[str, str]) -> list[RegistryReport]:
    """The registries by language; ``environ`` is the environment of the platform."""
    return await report_registries(environ, upstream=has_upstream(settings))
