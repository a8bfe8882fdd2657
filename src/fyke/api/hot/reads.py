"""All hot reads."""

from __future__ import annotations

from functools import partial

from fyke.api.hot.accounts import AccountV1, AccountV2
from fyke.api.hot.lists import RunListV1, WorkerRunListV2
from fyke.api.hot.results import ResultPageV1, ResultPageV2
from fyke.api.hot.route import HotRead
from fyke.api.hot.runs import (
    InlineDetails,
    RevisedDetails,
    RunDetailV1,
    RunDetailV2,
)
from fyke.contracts.revisions import RunRevisions
from fyke.domain.runs.service import Runs
from fyke.domain.services import InlineServices


def hot_reads(services: InlineServices, grace: int) -> list[HotRead]:
    """The operations that have a short path, see ``path``. ``grace``: milliseconds, see
    ``fyke.wire.v2.status.status_at``.
    """
    stores = services.stores
    return [
        RunDetailV1(partial(InlineDetails, services.runs, stores.state)),
        RunDetailV2(partial(InlineDetails, services.runs, stores.state)),
        ResultPageV1(services.results, stores),
        ResultPageV2(services.results, stores),
        RunListV1(services.runs, stores.state),
        WorkerRunListV2(services.runs, stores.state, grace),
        AccountV1(services.accounts),
        AccountV2(services.accounts),
    ]


def revised_reads(runs: Runs, revisions: RunRevisions) -> list[HotRead]:
    """Those where every read of a store waits, but changes are known sooner."""
    details = partial(RevisedDetails, runs, revisions)
    return [RunDetailV1(details), RunDetailV2(details)]
