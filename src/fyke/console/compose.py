"""Builds the console from the services of the domain: the one list of its pages."""

from __future__ import annotations

from collections.abc import Mapping

from fyke.console.api_door import Api
from fyke.console.app import Console, ConsoleConfig
from fyke.console.docs.prefill import Prefill
from fyke.console.page import Page
from fyke.console.pages import access, assets, docs, run_lists, store
from fyke.console.statics import Statics
from fyke.domain.accounts.sessions import SignedIn
from fyke.domain.services import Services
from fyke.kit.clock import Clock


def build_console(
    services: Services, config: ConsoleConfig, api: Api, clock: Clock | None = None
) -> Console:
    """The console over these services, and beside ``api``, which it documents."""
    statics = Statics()
    return Console(
        services.sessions,
        all_pages(services, config, statics, api),
        config,
        statics,
        _tallies,
        clock,
    )


def all_pages(services: Services, config: ConsoleConfig, statics: Statics, api: Api) -> list[Page]:
    """Every page there is. A path that is spelled out stands before one with a parameter."""
    return [
        *access.AccessPages(services.sessions).pages(),
        *docs.DocsPages(api, Prefill(services.storage, services.catalog)).pages(),
        *store.StorePages(services.catalog).pages(),
        *run_lists.RunListPages(
            services.lists, services.list_following, services.bulk, services.profiles
        ).pages(),
        *assets.AssetPages(statics).pages(),
    ]


async def _tallies(signed_in: SignedIn) -> Mapping[str, int]:
    """The small figures of the side bar."""
    return {}
