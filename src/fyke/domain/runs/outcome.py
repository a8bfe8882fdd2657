"""The outcome of an end, which follows from its reason.

Failures of the Worker and failures of the platform never have the same outcome.
"""

from __future__ import annotations

from collections.abc import Mapping

from fyke.model.run import End, Outcome, RunLimits
from fyke.reasons import Reason, ReasonCode, sentence

OUTCOMES: Mapping[ReasonCode, Outcome] = {
    ReasonCode.EXIT_CODE: Outcome.EXIT_CODE,
    ReasonCode.NO_BROWSER: Outcome.EXIT_CODE,
    ReasonCode.BROWSER_NOT_DECLARED: Outcome.EXIT_CODE,
    ReasonCode.BROWSER_BUSY: Outcome.EXIT_CODE,
    ReasonCode.BROWSER_FAILED: Outcome.EXIT_CODE,
    ReasonCode.BROWSER_OUT_OF_MEMORY: Outcome.EXIT_CODE,
    ReasonCode.SIGNAL: Outcome.SIGNAL,
    ReasonCode.OUT_OF_MEMORY: Outcome.OUT_OF_MEMORY,
    ReasonCode.TIMEOUT: Outcome.TIMEOUT,
    ReasonCode.ABORTED: Outcome.ABORTED,
    ReasonCode.TRAFFIC_CAP: Outcome.TRAFFIC_CAP,
    ReasonCode.ROW_CAP: Outcome.ROW_CAP,
    ReasonCode.DISK_CAP: Outcome.DISK_CAP,
    ReasonCode.CHARGE_ESTIMATE: Outcome.CHARGE_CAP,
    ReasonCode.RUN_CHARGE_CAP: Outcome.CHARGE_CAP,
    ReasonCode.BALANCE_USED_UP: Outcome.CHARGE_CAP,
    ReasonCode.ACCOUNT_RUN_CAP: Outcome.CHARGE_CAP,
    ReasonCode.ACCOUNT_MONTH_CAP: Outcome.CHARGE_CAP,
    ReasonCode.BUILDS_NOT_ALLOWED: Outcome.INSTALL_FAILED,
    ReasonCode.BAD_REQUIREMENT: Outcome.INSTALL_FAILED,
    ReasonCode.PACKAGES_FAILED: Outcome.INSTALL_FAILED,
    ReasonCode.NO_READY_PACKAGE: Outcome.INSTALL_FAILED,
    ReasonCode.PACKAGE_NOT_FOUND: Outcome.INSTALL_FAILED,
    ReasonCode.PACKAGES_REFUSED: Outcome.INSTALL_FAILED,
    ReasonCode.BUILD_FAILED: Outcome.INSTALL_FAILED,
    ReasonCode.INSTALLER_MISSING: Outcome.INSTALL_FAILED,
    ReasonCode.NPM_TOO_OLD: Outcome.INSTALL_FAILED,
    ReasonCode.REGISTRY_LOOPBACK: Outcome.INSTALL_FAILED,
    ReasonCode.REGISTRY_PROXY: Outcome.INSTALL_FAILED,
    ReasonCode.REGISTRY_CREDENTIALS: Outcome.INSTALL_FAILED,
    ReasonCode.REGISTRY_LOGIN: Outcome.INSTALL_FAILED,
    ReasonCode.REGISTRY_SETTINGS: Outcome.INSTALL_FAILED,
    ReasonCode.INSTALL_TIMEOUT: Outcome.INSTALL_FAILED,
    ReasonCode.INSTALL_LIMIT: Outcome.INSTALL_FAILED,
    ReasonCode.INSTALL_DISK_FULL: Outcome.INSTALL_FAILED,
    ReasonCode.ISOLATION_MISSING: Outcome.ISOLATION_REFUSED,
    ReasonCode.LIMITS_MISSING: Outcome.ISOLATION_REFUSED,
    ReasonCode.WORKER_DELETED: Outcome.WORKER_DELETED,
    ReasonCode.RUNNER_LOST: Outcome.RUNNER_LOST,
    ReasonCode.PLATFORM_STOPPED: Outcome.RUNNER_LOST,
    ReasonCode.NODE_DRAINED: Outcome.RUNNER_LOST,
    ReasonCode.INTERNAL: Outcome.INTERNAL,
    ReasonCode.NOT_STARTED: Outcome.INTERNAL,
    ReasonCode.VERSION_MISSING: Outcome.INTERNAL,
}

# The outcomes of attempts whose Worker itself has failed. An installation may hide the rows of
# these attempts; after every other end, acknowledged rows stay visible.
HIDING = frozenset({Outcome.EXIT_CODE.value, Outcome.SIGNAL.value})


def end_of(reason: Reason) -> End:
    """The end with this reason. Raise ``KeyError`` for a code that is not the reason of an end."""
    return End(OUTCOMES[reason.code], sentence(reason), reason)


def traffic_cap(limits: RunLimits) -> Reason:
    """The reason of a run that has reached its traffic limit."""
    return Reason.of(ReasonCode.TRAFFIC_CAP, traffic_bytes=limits.max_traffic_bytes)


def is_platform_fault(reason: Reason) -> bool:
    """Whether an installation failed because of the platform, not because of the version."""
    return reason.code is ReasonCode.INSTALL_DISK_FULL
