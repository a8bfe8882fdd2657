"""The audit log: what is noted of an action."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class AuditAction(StrEnum):
    """What can be done, as the log names it."""

    SIGN_IN = "session.start"
    SIGN_IN_FAILED = "session.fail"
    SIGN_OUT = "session.end"
    SESSIONS_REVOKED = "session.revoke"
    PASSWORD = "user.password"  # noqa: S105  # the name of an act
    LINK = "user.link"
    INVITE = "user.invite"
    ROLE = "user.role"
    DISABLE = "user.disable"
    ENABLE = "user.enable"
    REMOVE = "user.remove"
    KEY_CREATED = "key.create"
    KEY_REVOKED = "key.revoke"
    RUN_STARTED = "run.start"
    RUN_QUEUED = "run.queue"
    RUN_ABORTED = "run.abort"
    RUN_DELETED = "run.delete"
    RUN_SHARED = "run.share"
    RUN_UNSHARED = "run.unshare"
    PUBLISHED = "worker.publish"
    WITHDRAWN = "worker.withdraw"
    DEPRECATED = "worker.deprecate"
    RESTORED = "worker.restore"
    WORKER_CHANGED = "worker.change"
    WORKER_DELETED = "worker.delete"
    SECRET_SET = "secret.set"  # noqa: S105  # the name of an act
    SECRET_REMOVED = "secret.delete"  # noqa: S105  # the name of an act
    REVIEWED = "worker.review"
    BUILDS_ALLOWED = "worker.allow_builds"
    BUILDS_FORBIDDEN = "worker.forbid_builds"
    ACCOUNT_CREATED = "account.create"
    CREDITED = "account.credit"
    PLAN = "account.plan"
    CAPS = "account.caps"
    SETTINGS = "account.settings"
    WEBHOOK_ADDED = "webhook.create"
    WEBHOOK_CHANGED = "webhook.change"
    WEBHOOK_SECRET = "webhook.secret"  # noqa: S105  # the name of an act
    WEBHOOK_REMOVED = "webhook.delete"
    RULE_ADDED = "alert_rule.create"
    RULE_CHANGED = "alert_rule.change"
    RULE_REMOVED = "alert_rule.delete"


@dataclass(frozen=True, slots=True)
class NewAudit:
    """An entry to be written to the log; the log gives it a number and the time.

    ``user_name`` is kept with the entry, because it must still be readable when the user has been
    deleted.
    """

    account_id: str
    user_id: str
    user_name: str
    key_id: str
    session_id: str
    address: str
    action: AuditAction
    target: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An entry as read; ``seq`` grows with time."""

    seq: int
    account_id: str
    at: int
    user_id: str
    user_name: str
    key_id: str
    session_id: str
    address: str
    action: AuditAction
    target: str
    detail: str
