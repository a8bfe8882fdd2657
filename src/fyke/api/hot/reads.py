"""All hot reads."""

from __future__ import annotations

from fyke.api.hot.route import HotRead
from fyke.api.hot.runs import RunDetailV1, RunDetailV2
from fyke.domain.services import InlineServices


def hot_reads(services: InlineServices) -> list[HotRead]:
    """The operations that have a short path, see ``path``."""
    return [
        RunDetailV1(services.runs, services.version),
        RunDetailV2(services.runs, services.version),
    ]
