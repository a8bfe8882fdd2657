"""Every error that crosses a package border, as one class tree, independent of HTTP and gRPC.

::

    FykeError
    ├── InvalidRequest            the request breaks a rule (field, rule, remedy)
    │   ├── InvalidFields         a field is missing, of the wrong type or out of range
    │   │   └── UnknownFilter     a filter names a worker that does not exist
    │   ├── TooComplex            a text cannot be read within the limits of time and memory
    │   └── UnknownVersion        the worker never had a version of this number
    ├── Unauthenticated
    │   ├── MissingKey
    │   ├── InvalidKey
    │   ├── ExpiredKey
    │   ├── UserMissing
    │   ├── UserDisabled
    │   ├── SignInFailed          the name or the password is wrong
    │   │   └── CodeWrong         the code of the second factor is wrong
    │   └── SessionEnded
    ├── Forbidden                 a known caller without the right
    │   ├── ScopeMissing          the key lacks a scope
    │   └── ConfirmationNeeded    the user must enter the password again
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
    │   │   └── CapReached        a cap of the account leaves too little
    │   ├── InsufficientTraffic
    │   ├── PlanLimitReached      as many runs as the plan allows; ``retry_after``
    │   └── Conflict
    ├── RateLimited               try again after ``retry_after`` seconds
    ├── Unavailable               a part of Fyke is down (storage, disk full); nothing was changed
    │   ├── OutcomeUnknown        the connection was lost during the commit; it may be changed
    │   └── BlobsAway             the storage of blobs does not answer, or refuses access
    ├── NotStorable               the database refuses rows, and always will
    ├── StaleLease                an attempt wrote with a token that is no longer valid
    └── NodeEnded                 this node must not go on, or was idle for too long

Each class has a stable ``key`` for logs and tests. HTTP statuses, codes on the wire and published
messages are assigned only in ``api/v1/errors.py`` and ``api/v2/errors.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from fyke.reasons import Reason, sentence

_VERBS = ("must ", "is ", "has ", "holds ")


@dataclass(frozen=True, slots=True)
class Problem:
    """One rule that a request breaks. ``field`` is the name on the wire, ``""`` for the request as
    a whole. The rule is worded to follow that name; ``remedy`` is empty where the rule implies it.
    """

    rule: str
    field: str = ""
    remedy: str = ""

    @property
    def text(self) -> str:
        """Rule and remedy, without the field."""
        return f"{self.rule}; {self.remedy}" if self.remedy else self.rule

    @property
    def sentence(self) -> str:
        """Field and text: ``title must have ...``, or ``name: there is no ...``."""
        if not self.field:
            return self.text
        separator = " " if self.rule.startswith(_VERBS) else ": "
        return f"{self.field}{separator}{self.text}"


class FykeError(Exception):
    """Root of the tree.

    ``why`` is a ``Reason``, a sentence where there is no code for it, or the rule that ``field``
    breaks. ``detail`` is the sentence in English, empty when only the class is known; ``message``
    is then its ``default``. ``details`` has one sentence for each of several problems.
    """

    key = "error"
    default = "Internal error"
    logged = True  # when it is answered with a status of 500 or above

    def __init__(
        self,
        why: str | Reason | None = None,
        *,
        details: list[str] | None = None,
        field: str = "",
        remedy: str = "",
    ) -> None:
        self.reason = why if isinstance(why, Reason) else None
        rule = sentence(why) if isinstance(why, Reason) else why or ""
        self.detail = Problem(rule, field, remedy).sentence
        self.message = self.detail or self.default
        self.details = details or []
        self.problems: Sequence[Problem] = (Problem(rule or self.default, field, remedy),)
        super().__init__(self.message)


class InvalidRequest(FykeError):
    """The request breaks a rule; the message names the field, the rule and the remedy."""

    key = "invalid_request"
    default = "The request is not valid"

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> Self:
        """One error for several problems, in their order."""
        sentences = [problem.sentence for problem in problems]
        error = cls("; ".join(sentences), details=sentences)
        error.problems = tuple(problems)
        return error


class InvalidFields(InvalidRequest):
    """The request does not match its schema."""

    key = "invalid_fields"


class UnknownFilter(InvalidFields):
    """A filter names something that does not exist."""

    key = "unknown_filter"


class TooComplex(InvalidRequest):
    """Reading the text exceeds a limit of processor time or memory."""

    key = "too_complex"
    default = "Reading this takes too much time or memory; make it smaller or simpler"


class UnknownVersion(InvalidRequest):
    """The worker never had a version of this number; the message names its newest one."""

    key = "unknown_version"


class Unauthenticated(FykeError):
    """No credential, or one that is not valid."""

    key = "unauthenticated"
    default = "The API key is not valid"


class MissingKey(Unauthenticated):
    """The request came without any credential."""

    key = "missing_key"


class InvalidKey(Unauthenticated):
    key = "invalid_key"


class ExpiredKey(Unauthenticated):
    key = "expired_key"
    default = "The API key has expired"


class UserMissing(Unauthenticated):
    key = "user_missing"
    default = "The user does not exist"


class UserDisabled(Unauthenticated):
    key = "user_disabled"
    default = "The user is disabled"


class SignInFailed(Unauthenticated):
    """The user name or the password is wrong; the message does not reveal which."""

    key = "sign_in_failed"
    default = "The user name or the password is wrong"


class CodeWrong(SignInFailed):
    """The code is wrong, or was used before."""

    key = "code_wrong"
    default = "The code is wrong or has been used; enter the next one, or a recovery code"


class SessionEnded(Unauthenticated):
    """The session of the caller has ended."""

    key = "session_ended"
    default = "Your session has ended; sign in again"


class Forbidden(FykeError):
    """The caller is known, but may not do this."""

    key = "forbidden"
    default = "This is not allowed"


class ScopeMissing(Forbidden):
    """The user may do this, but the key lacks the scope."""

    key = "scope_missing"


class ConfirmationNeeded(Forbidden):
    """The session is valid, but the user has not entered the password for a while."""

    key = "confirmation_needed"
    default = "The password must be confirmed first"

    def __init__(self, why: str | None = None, *, code: bool = False) -> None:
        """``code``: whether the user also needs a code of the second factor."""
        super().__init__(why)
        self.code = code


class NotFound(FykeError):
    key = "not_found"
    default = "This does not exist"


class LinkSpent(NotFound):
    """The one-time link was used, was replaced by a newer one, or has expired."""

    key = "link_spent"
    default = "This link was used already or has expired; ask for a new one"


class SecretNotFound(NotFound):
    key = "secret_not_found"
    default = "The secret does not exist"


class WorkerNotFound(NotFound):
    key = "worker_not_found"
    default = "The Worker does not exist"


class TaskNotFound(NotFound):
    key = "task_not_found"
    default = "The task does not exist"


class RunNotFound(NotFound):
    key = "run_not_found"
    default = "The run does not exist"


class DeliveryNotFound(NotFound):
    default = "The callback does not exist"


class Refused(FykeError):
    """The request is valid, but cannot be fulfilled in the current state."""

    key = "refused"
    default = "This cannot be done now"


class VersionUnavailable(Refused):
    key = "version_unavailable"
    default = "The version of the Worker is not available"


class RunNotAbortable(Refused):
    key = "run_not_abortable"
    default = "The run cannot be aborted"


class RunRefused(Refused):
    """The run could not be started; nothing was charged."""

    key = "run_refused"
    default = "The run cannot be started"


class InsufficientBalance(Refused):
    key = "insufficient_balance"
    default = "The balance of the account is too low"


class CapReached(InsufficientBalance):
    """A cap of the account leaves too little for the start; nothing was started or charged."""

    key = "cap_reached"
    default = "The account's cap for this month is used up"


class InsufficientTraffic(Refused):
    key = "insufficient_traffic"
    default = "The traffic quota of the account is used up"


class PlanLimitReached(Refused):
    """The account has as many active runs as its plan allows; nothing was started or charged.

    ``retry_after`` is in whole seconds, an estimate of when one of them may have ended.
    """

    key = "plan_limit_reached"
    default = "The account has as many active runs as its plan allows"

    def __init__(self, why: str | Reason | None = None, *, retry_after: int = 10) -> None:
        super().__init__(why)
        self.retry_after = max(1, retry_after)


class Conflict(Refused):
    """The name is taken, or another request changed the same record at the same time."""

    key = "conflict"
    default = "Another request has changed this"


class RateLimited(FykeError):
    """Too many requests; ``retry_after`` is in whole seconds, at least 1."""

    key = "rate_limited"
    default = "Too many requests; try again later"

    def __init__(self, retry_after: int, message: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = max(1, retry_after)


class Unavailable(FykeError):
    """A part of the platform is down or full; nothing was changed, try again later."""

    key = "unavailable"
    default = "A part of the platform is not available; try again later"


class OutcomeUnknown(Unavailable):
    """The connection was lost during a commit and could not be restored in time. The change may
    have taken place: check before repeating it, or repeat it with the same ``Idempotency-Key``.
    """

    key = "outcome_unknown"
    default = (
        "The connection to the database was lost while the change was stored, so the change may "
        "have taken place. Check before you repeat it"
    )


class NodeEnded(FykeError):
    """The installation does not serve this node any more, and connecting again changes nothing; or
    the node ``was_idle`` for as long as it may be, and has stopped by itself.
    """

    key = "node_ended"

    def __init__(self, why: str | None = None, *, was_idle: bool = False) -> None:
        super().__init__(why)
        self.was_idle = was_idle


class BlobsAway(Unavailable):
    """The storage of blobs does not answer, or refuses access."""

    key = "blobs_away"


class NotStorable(FykeError):
    """The database refuses rows or log lines, and would refuse them again; nothing was stored."""

    key = "not_storable"
    default = "The database cannot store this"


class StaleLease(FykeError):
    """An attempt wrote with a fencing token that is no longer valid; nothing was changed."""

    key = "stale_lease"
    default = "The lease of this attempt has ended"
