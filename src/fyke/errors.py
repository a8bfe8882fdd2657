"""Every error that crosses a package border, as one tree. It knows no HTTP and no gRPC.

::

    FykeError
    ├── InvalidRequest            the request breaks a rule (field, rule, remedy)
    │   ├── InvalidFields         a field is missing, of the wrong type or out of range
    │   └── UnknownVersion        the worker never had a version of this number
    ├── Unauthenticated
    │   ├── MissingKey
    │   ├── InvalidKey
    │   ├── ExpiredKey
    │   ├── UserMissing
    │   ├── UserDisabled
    │   ├── SignInFailed          the name or the password is wrong
    │   └── SessionEnded
    ├── Forbidden                 a known caller without the right
    │   └── ScopeMissing          the key lacks a scope
    ├── NotFound
    │   ├── LinkSpent             a one-time link that is used up or has expired
    │   ├── WorkerNotFound
    │   ├── TaskNotFound
    │   ├── RunNotFound
    │   └── DeliveryNotFound
    ├── Refused                   understood and well formed, but cannot be done now
    │   ├── VersionUnavailable
    │   ├── RunNotAbortable
    │   ├── RunRefused
    │   ├── InsufficientBalance
    │   │   └── CapReached        the account may not spend more this month
    │   ├── InsufficientTraffic
    │   ├── PlanLimitReached      as many runs as the plan allows; ``retry_after``
    │   └── Conflict
    ├── RateLimited               come back after ``retry_after`` seconds
    ├── Unavailable               a part of ours is down (storage, disk full); nothing was changed
    └── StaleLease                an attempt wrote with a token that is no longer valid

Each class carries a stable ``key`` for logs and tests. HTTP statuses and wire codes are
assigned in ``api/errors.py`` and nowhere else.
"""

from __future__ import annotations


class FykeError(Exception):
    """Root of the tree; ``details`` are further sentences for people, one per problem."""

    key = "error"
    default = "Internal error"

    def __init__(self, message: str | None = None, *, details: list[str] | None = None) -> None:
        self.message = message or self.default
        self.details = details or []
        super().__init__(self.message)


class InvalidRequest(FykeError):
    """The request breaks a rule; the message names the field, the rule and the way out."""

    key = "invalid_request"
    default = "Invalid request parameters"


class InvalidFields(InvalidRequest):
    """The request's shape is wrong, before its meaning is looked at."""

    key = "invalid_fields"


class UnknownVersion(InvalidRequest):
    """The worker never had a version of this number; the message names its newest one."""

    key = "unknown_version"


class Unauthenticated(FykeError):
    """No credential, or one that does not open anything."""

    key = "unauthenticated"
    default = "Invalid API key"


class MissingKey(Unauthenticated):
    """The request came without any credential."""

    key = "missing_key"


class InvalidKey(Unauthenticated):
    key = "invalid_key"


class ExpiredKey(Unauthenticated):
    key = "expired_key"
    default = "API key expired"


class UserMissing(Unauthenticated):
    key = "user_missing"
    default = "User does not exist"


class UserDisabled(Unauthenticated):
    key = "user_disabled"
    default = "User is disabled"


class SignInFailed(Unauthenticated):
    """The user name or the password is wrong; which of them is not said."""

    key = "sign_in_failed"
    default = "The user name or the password is wrong"


class SessionEnded(Unauthenticated):
    """Whoever was signed in no longer is."""

    key = "session_ended"
    default = "Your session has ended; sign in again"


class Forbidden(FykeError):
    """The caller is known, but this is not theirs to do."""

    key = "forbidden"
    default = "Unauthorized access"


class ScopeMissing(Forbidden):
    """The key's user may do this, but the key was made for other things."""

    key = "scope_missing"


class NotFound(FykeError):
    key = "not_found"
    default = "Resource not found"


class LinkSpent(NotFound):
    """A one-time link that was used, was replaced by a newer one, or has expired."""

    key = "link_spent"
    default = "This link was used already or has expired; ask for a new one"


class WorkerNotFound(NotFound):
    key = "worker_not_found"
    default = "Worker does not exist"


class TaskNotFound(NotFound):
    key = "task_not_found"
    default = "Task does not exist"


class RunNotFound(NotFound):
    key = "run_not_found"
    default = "Run record does not exist"


class DeliveryNotFound(NotFound):
    default = "Callback does not exist"


class Refused(FykeError):
    """Well formed, but it cannot be done in the present state."""

    key = "refused"
    default = "Request refused"


class VersionUnavailable(Refused):
    key = "version_unavailable"
    default = "Worker version unavailable"


class RunNotAbortable(Refused):
    key = "run_not_abortable"
    default = "Run abort failed"


class RunRefused(Refused):
    """The run could not be started; nothing was charged."""

    key = "run_refused"
    default = "Worker execution failed"


class InsufficientBalance(Refused):
    key = "insufficient_balance"
    default = "Insufficient balance"


class CapReached(InsufficientBalance):
    """The account has a cap on what it may spend in a month, and all of it is spent or set aside;
    nothing was started or charged.
    """

    key = "cap_reached"
    default = "The account's cap for this month is used up"


class InsufficientTraffic(Refused):
    key = "insufficient_traffic"
    default = "Insufficient traffic quota"


class PlanLimitReached(Refused):
    """The account has as many runs under way as its plan allows; nothing was started or charged.

    ``retry_after`` is in whole seconds, a guess at when one of them may be over.
    """

    key = "plan_limit_reached"
    default = "Plan limit reached"

    def __init__(self, message: str | None = None, *, retry_after: int = 10) -> None:
        super().__init__(message)
        self.retry_after = max(1, retry_after)


class Conflict(Refused):
    """The name is taken, or somebody else changed the same thing at the same time."""

    key = "conflict"
    default = "Conflict"


class RateLimited(FykeError):
    """Too many requests; ``retry_after`` is in whole seconds, at least 1."""

    key = "rate_limited"
    default = "Too many requests, please try again later"

    def __init__(self, retry_after: int, message: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = max(1, retry_after)


class Unavailable(FykeError):
    """A part of the platform is down or full; nothing was changed, try again later."""

    key = "unavailable"
    default = "Service temporarily unavailable"


class StaleLease(FykeError):
    """An attempt wrote with a fencing token that no longer holds; nothing was changed."""

    key = "stale_lease"
    default = "The lease of this attempt has ended"
