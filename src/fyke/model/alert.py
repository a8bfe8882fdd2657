"""Rules, what they compare a run with, and alerts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fyke.reasons import Reason, ReasonCode

MAX_RULES = 50  # of one account
MAX_TARGETS = 10  # endpoints, and mail addresses, of one rule
MAX_NAME = 80
MAX_FIELD = 200
MAX_PREVIOUS_RUNS = 20  # the last succeeded runs that define what is usual
MIN_PREVIOUS_RUNS = 3  # with fewer no figure counts as usual, and there is no alert
KEPT_MS = 90 * 24 * 3600 * 1000  # how long an alert is listed
MAX_UNREAD_COUNT = 100  # unread alerts are counted up to this


class RuleKind(StrEnum):
    """What a rule looks for in a run that has ended."""

    FAILED = "failed"  # also a planned start that was refused, unless the rule is for some reasons
    ZERO_ROWS = "zero_rows"  # it succeeded without rows
    FEWER_ROWS = "fewer_rows"  # than usual
    MISSING_FIELD = "missing_field"
    SLOWER = "slower"  # than usual
    BUDGET = "budget"  # the usage of the calendar month exceeds an amount


@dataclass(frozen=True, slots=True)
class Rule:
    """When an account gets an alert. Times in ms since the epoch.

    Empty ``worker_id`` and ``task_id``: every run of the account. Members that do not belong to
    the kind are 0 or empty: ``factor`` is of ``fewer_rows`` (below 1) and ``slower`` (above 1),
    ``field`` and ``percent`` of ``missing_field``, ``usd_micros`` and ``traffic_bytes`` of
    ``budget`` (0 = no limit), ``reasons`` of ``failed`` (empty: every failure). The rule applies to
    runs that ended at ``since`` or later.
    """

    id: str
    account_id: str
    name: str
    kind: RuleKind
    worker_id: str
    task_id: str
    factor: float
    field: str
    percent: float
    usd_micros: int
    traffic_bytes: int
    endpoints: tuple[str, ...]  # ids; those subscribed to all alerts need not be listed
    emails: tuple[str, ...]
    enabled: bool
    since: int
    created_at: int
    updated_at: int
    reasons: tuple[ReasonCode, ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """What a rule found. It outlives rule and run; ``read_at`` 0 = unread. ``run_id`` is "" for a
    planned start that was refused.
    """

    id: str
    account_id: str
    rule_id: str
    rule_name: str
    kind: RuleKind
    run_id: str
    worker_id: str
    task_id: str
    sentence: str
    at: int
    read_at: int = 0
    reason: Reason | None = None  # of the run or the start, where the rule looks for failures


@dataclass(frozen=True, slots=True)
class AlertCheck:
    """A run that has ended and has not been evaluated yet. ``tries``: the evaluations that failed;
    ``not_before``: when the next one may take place.
    """

    seq: int
    run_id: str
    account_id: str
    tries: int = 0
    not_before: int = 0


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """The figures of an earlier run, from which the usual figures are computed."""

    run_id: str
    results: int
    duration_ms: int
    summary: str = ""  # of its input


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """How many of the ``checked_rows`` lack the field, of ``rows`` rows in total."""

    checked_rows: int
    missing: int
    rows: int


@dataclass(frozen=True, slots=True)
class MonthUsage:
    """The usage in a calendar month so far."""

    month: str  # YYYY-MM
    usd_micros: int
    traffic_bytes: int


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts to list; newest first."""

    unread: bool = False
    rule_id: str = ""
