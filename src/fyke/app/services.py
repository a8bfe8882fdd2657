"""The services that a server and a local run have in common."""

from __future__ import annotations

from urllib.parse import urlsplit

from fyke.app.blobs import place_check
from fyke.app.folder import disk_shortage
from fyke.app.runtime import Runtime
from fyke.domain.callbacks.url import CallbackRules
from fyke.domain.runs.last_pages import LastPages
from fyke.domain.runs.service import Runs
from fyke.domain.workers.service import Workers
from fyke.kit.addresses import AddressRules
from fyke.kit.assets import assets
from fyke.kit.clock import SystemClock
from fyke.kit.interfaces import own_addresses
from fyke.kit.resolver import Resolver
from fyke.settings import Settings
from fyke.storage.sql.dialects import server_hosts

_MIN_LABEL = 4  # characters; shorter parts of a host name are in many passwords


def make_workers(runtime: Runtime) -> Workers:
    review = runtime.settings.review == "required"
    shipped = frozenset(folder.name for folder in (assets() / "workers").iterdir())
    return Workers(
        runtime.storage,
        runtime.blobs,
        runtime.parsers,
        SystemClock(),
        review=review,
        shipped=shipped,
        check_place=place_check(runtime.settings, runtime.storage, runtime.blobs),
    )


def make_runs(runtime: Runtime, callbacks: CallbackRules | None = None) -> Runs:
    """``callbacks``: the rules of this server, None for those of its settings only."""
    return Runs(
        runtime.storage,
        runtime.results,
        make_workers(runtime),
        runtime.signals,
        runtime.rules,
        callbacks or callback_rules(runtime.settings),
        lambda: disk_shortage(runtime.settings),
        LastPages(runtime.storage, runtime.blobs),
        traces=bool(runtime.settings.otlp_endpoint),
    )


def password_words(settings: Settings) -> tuple[str, ...]:
    """The words of the setting, and the parts of the host name in the public URL."""
    host = _host_of(settings.public_url)
    labels = [label for label in host.split(".") if len(label) >= _MIN_LABEL]
    return (*settings.password_words, *labels)


def callback_rules(settings: Settings, names: Resolver | None = None) -> CallbackRules:
    """The rules for receivers, made once for each server: their neighbours change while it runs.
    ``names`` looks up the names of the installation; None where nothing is delivered.
    """
    own = own_addresses()
    rules = AddressRules(settings.callback_allow, own)
    hosts = {*own, *_installation_hosts(settings)}
    return CallbackRules(rules, hosts, None if names is None else names.resolve)


def own_names() -> Resolver:
    """A resolver for the names of the installation, used before deliveries to neighbours: with
    short waits, since most of these names answer at once or never. ``close`` it at the end.
    """
    return Resolver(threads=4, keep=10, keep_failure=10, timeout=2)


def _installation_hosts(settings: Settings) -> set[str]:
    """Names and addresses of the installation, as far as the settings say."""
    database = server_hosts(settings.database_url) if settings.database_url else set()
    urls = [settings.public_url, settings.s3_endpoint]
    gateways = [f"//{address}" for address in settings.gateway_addresses]
    hosts = {_host_of(url) for url in (*urls, *gateways)} | {settings.host, settings.gateway_host}
    return {host for host in hosts | database if host}


def _host_of(url: str) -> str:
    """The host; "" without one, and for what is no URL."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
