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


def make_runs(runtime: Runtime) -> Runs:
    return Runs(
        runtime.storage,
        runtime.results,
        make_workers(runtime),
        runtime.signals,
        runtime.rules,
        callback_rules(runtime),
        lambda: disk_shortage(runtime.settings),
        LastPages(runtime.storage, runtime.blobs),
        traces=bool(runtime.settings.otlp_endpoint),
    )


def password_words(settings: Settings) -> tuple[str, ...]:
    """The words of the setting, and the parts of the host name in the public URL."""
    host = urlsplit(settings.public_url).hostname or ""
    labels = [label for label in host.split(".") if len(label) >= _MIN_LABEL]
    return (*settings.password_words, *labels)


def callback_rules(runtime: Runtime) -> CallbackRules:
    return CallbackRules(AddressRules(runtime.settings.callback_allow, own_addresses()))
