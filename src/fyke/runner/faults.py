"""Faults of the platform before the first instruction of a Worker, and their details."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import structlog

from fyke.contracts.egress import Egress
from fyke.contracts.execution import RegistryAway, Sandboxes, SandboxFault
from fyke.errors import BlobsAway, Unavailable
from fyke.reasons import Detail, DetailCode, detail_sentence
from fyke.runner.disk import RunnerDisk

log = structlog.get_logger()

_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class EgressAway(Exception):
    """The egress does not answer."""


def detail_of(error: Exception, mask: Callable[[str], str] = str) -> Detail:
    """What was wrong, with secrets masked by ``mask``."""
    if isinstance(error, SandboxFault):
        return error.detail.mapped(mask)
    if isinstance(error, RegistryAway):
        problem = str(error.reason.params.get("detail") or error)
        return Detail.of(DetailCode.REGISTRY_AWAY, problem=problem).mapped(mask)
    if isinstance(error, EgressAway):
        return Detail(DetailCode.EGRESS_AWAY)
    if isinstance(error, BlobsAway):
        return Detail(DetailCode.BLOBS_AWAY)
    if isinstance(error, Unavailable):
        return Detail(DetailCode.STORE_AWAY)
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return Detail(DetailCode.DISK_USED_UP)
    problem = str(error) or type(error).__name__
    return Detail.of(DetailCode.UNFORESEEN, problem=problem).mapped(mask)


def log_fault(event: str, error: Exception, fault: Detail, **fields: Any) -> None:
    """Log ``fault``, which is the detail of ``error``; only an unforeseen one has a traceback."""
    if fault.code is DetailCode.UNFORESEEN:
        log.error(event, exc_info=error, **fields)
    else:
        log.warning(event, fault=fault.code.value, detail=detail_sentence(fault), **fields)


async def find_trouble(
    sandboxes: Sandboxes, egress: Egress, disk: RunnerDisk | None = None
) -> Detail | None:
    """Why no Worker could be started now; None when one could."""
    try:
        await sandboxes.check()
        if disk is not None and (shortage := disk.shortage()):
            return shortage
    except (SandboxFault, OSError) as error:
        return detail_of(error)
    try:
        await egress.check()
    except Unavailable:
        return Detail(DetailCode.EGRESS_AWAY)
    return None
