"""The services that a server and a local run have in common."""

from __future__ import annotations

from fyke.app.folder import disk_shortage
from fyke.app.runtime import Runtime
from fyke.domain.callbacks.url import CallbackRules
from fyke.domain.runs.service import Runs
from fyke.domain.workers.service import Workers
from fyke.kit.addresses import AddressRules
from fyke.kit.clock import SystemClock
from fyke.kit.interfaces import own_addresses


def make_workers(runtime: Runtime) -> Workers:
    review = runtime.settings.review == "required"
    return Workers(runtime.storage, runtime.blobs, runtime.parsers, SystemClock(), review=review)


def make_runs(runtime: Runtime) -> Runs:
    return Runs(
        runtime.storage,
        runtime.results,
        make_workers(runtime),
        runtime.signals,
        runtime.rules,
        callback_rules(runtime),
        lambda: disk_shortage(runtime.settings),
    )


def callback_rules(runtime: Runtime) -> CallbackRules:
    return CallbackRules(AddressRules(runtime.settings.callback_allow, own_addresses()))
