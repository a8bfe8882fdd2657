"""Entries of the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class AuditAction(StrEnum):
    """The actions that are logged, by the names in the log."""

    SIGN_IN = "session.start"
    SIGN_IN_FAILED = "session.fail"
    SIGN_OUT = "session.end"
    SESSIONS_REVOKED = "session.revoke"
    CONFIRMED = "session.confirm"
    CONFIRM_FAILED = "session.confirm_fail"
    REFUSED = "request.refuse"
    PASSWORD = "user.password"  # noqa: S105  # the name of an action
    SECOND_FACTOR_ON = "user.second_factor_on"
    SECOND_FACTOR_OFF = "user.second_factor_off"
    SECOND_FACTOR_RESET = "user.second_factor_reset"
    RECOVERY_CODES = "user.recovery_codes"
    RECOVERY_CODE_USED = "user.recovery_code_used"
    ADDRESS_CONFIRMED = "user.confirm_address"
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
    BROWSER_TAKEN = "run.browser_take"
    BROWSER_GIVEN_BACK = "run.browser_give_back"
    PUBLISHED = "worker.publish"
    WITHDRAWN = "worker.withdraw"
    DEPRECATED = "worker.deprecate"
    RESTORED = "worker.restore"
    PROMOTED = "worker.promote"
    TAGGED = "worker.tag"
    UNTAGGED = "worker.untag"
    WORKER_CHANGED = "worker.change"
    WORKER_DELETED = "worker.delete"
    SECRET_SET = "secret.set"  # noqa: S105  # the name of an action
    SECRET_REMOVED = "secret.delete"  # noqa: S105  # the name of an action
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
    WEBHOOK_SECRET = "webhook.secret"  # noqa: S105  # the name of an action
    WEBHOOK_REMOVED = "webhook.delete"
    RULE_ADDED = "alert_rule.create"
    RULE_CHANGED = "alert_rule.change"
    RULE_REMOVED = "alert_rule.delete"
    INSTALLATION_SETTINGS = "installation.settings"
    NODE_TOKEN_CREATED = "node.token"  # noqa: S105  # the name of an action
    NODE_JOINED = "node.join"
    NODE_CORDONED = "node.cordon"
    NODE_UNCORDONED = "node.uncordon"
    NODE_DRAINED = "node.drain"
    NODE_FORGOTTEN = "node.forget"
    NODE_TOKEN_REVOKED = "node.revoke_token"  # noqa: S105  # the name of an action


@dataclass(frozen=True, slots=True)
class NewAudit:
    """An entry to be written to the log; the log gives it a number and the time.

    ``user_name`` is part of the entry, so that it can be shown after the user was deleted.
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
    """A stored entry; ``seq`` increases with time, ``at`` is in ms."""

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
