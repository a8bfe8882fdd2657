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
from fyke.settings import Settings

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
    host = urlsplit(settings.public_url).hostname or ""
    labels = [label for label in host.split(".") if len(label) >= _MIN_LABEL]
    return (*settings.password_words, *labels)


def callback_rules(settings: Settings) -> CallbackRules:
    """The rules for receivers, made once for each server: their neighbours change while it runs."""
    own = own_addresses()
    rules = AddressRules(settings.callback_allow, own)
    return CallbackRules(rules, {*own, *_installation_hosts(settings)})


def _installation_hosts(settings: Settings) -> set[str]:
    """Names and addresses of the installation, as far as the settings say."""
    urls = (settings.public_url, settings.database_url, settings.s3_endpoint)
    gateways = [f"//{address}" for address in settings.gateway_addresses]
    hosts = {urlsplit(url).hostname for url in (*urls, *gateways)}
    return {host for host in (*hosts, settings.host, settings.gateway_host) if host}
