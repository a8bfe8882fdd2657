"""Accounts, users, API keys, and the caller of a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Scope(StrEnum):
    """Kinds of operations. None of them includes another."""

    READ = "read"
    RUN = "run"
    WRITE = "write"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)


class Plan(StrEnum):
    """The plans, smallest first."""

    FREE = "free"
    STARTER = "starter"
    PRO = "pro"
    BUSINESS = "business"
    UNLIMITED = "unlimited"

    @property
    def max_runs(self) -> int | None:
        """How many runs may run at the same time; None = no limit."""
        return _PLANS[self].runs

    @property
    def max_cpus(self) -> float:
        """How many cores one subtask may ask for."""
        return _PLANS[self].cpus

    @property
    def max_memory_mb(self) -> int:
        """How much memory one subtask may ask for, in MiB."""
        return _PLANS[self].memory_mb


@dataclass(frozen=True, slots=True)
class _PlanLimits:
    runs: int | None
    cpus: float
    memory_mb: int


_PLANS = {
    Plan.FREE: _PlanLimits(2, 2, 4096),
    Plan.STARTER: _PlanLimits(5, 4, 8192),
    Plan.PRO: _PlanLimits(10, 8, 16384),
    Plan.BUSINESS: _PlanLimits(50, 16, 16384),
    Plan.UNLIMITED: _PlanLimits(None, 64, 16384),
}


KEY_PREFIX = "scraper_api_"


class Role(StrEnum):
    """What a user may do inside one account."""

    OWNER = "owner"
    MEMBER = "member"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant. ``operator`` is true for the one account that runs this installation.

    Money is in millionths of a US dollar, traffic in bytes, times in milliseconds.
    """

    id: str
    name: str
    operator: bool
    balance_micros: int
    held_micros: int
    traffic_bytes: int
    traffic_expires_at: int
    created_at: int
    time_zone: str = "UTC"  # IANA name, for schedules without a time zone
    plan: Plan = Plan.UNLIMITED
    run_cap_micros: int = 0  # the most that one run may cost, 0 = no cap; see billing/caps.py
    month_cap_micros: int = 0  # the most that a calendar month may cost, 0 = no cap


@dataclass(frozen=True, slots=True)
class User:
    """A person with a role in one account; ``password_hash`` is empty until one is set."""

    id: str
    account_id: str
    name: str
    role: Role
    disabled: bool
    password_hash: str = field(repr=False)
    created_at: int
    confirmed_at: int = 0  # when a link mailed to the name was opened, 0 = not confirmed


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as stored: only its SHA-256 (``digest``); users recognise it by ``prefix``."""

    id: str
    account_id: str
    user_id: str
    name: str
    prefix: str
    digest: str
    created_at: int
    expires_at: int  # 0 = never
    revoked_at: int  # 0 = not
    last_used_at: int
    rate_limit: int = 0  # requests a second, 0 = the installation's default
    scopes: frozenset[Scope] = ALL_SCOPES


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated caller: user, account, and whether the account operates the installation.

    Either ``key_id`` or ``session_id`` is set. ``address`` is for the audit log.
    """

    account_id: str
    account_name: str
    operator: bool
    user_id: str
    key_id: str
    role: Role = Role.OWNER
    rate_limit: int = 0  # of the key, see ``ApiKey``
    scopes: frozenset[Scope] = ALL_SCOPES  # a session has all
    user_name: str = ""
    session_id: str = ""
    address: str = ""
    verified_at: int = 0  # when the user of the session last entered the password
    local: bool = False  # the key is the operator's own on this machine, in ``owner.key``

    @property
    def runs_installation(self) -> bool:
        """Whether the console shows the installation: to the operator's owners and members."""
        return self.operator and self.role is not Role.VIEWER
