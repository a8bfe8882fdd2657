"""What the audit log holds: who did what, when, to what, and from where."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fyke.domain.accounts.model import Caller, User

MOST_ADDRESS = 64  # characters


class Act(StrEnum):
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
    """An entry on its way into the log; the log gives it a number and the time.

    ``user_name`` is kept with the entry, because it must still be readable when the user is gone.
    """

    account_id: str
    user_id: str
    user_name: str
    key_id: str
    session_id: str
    address: str
    action: Act
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
    action: Act
    target: str
    detail: str


def act_of(
    caller: Caller, action: Act, target: str, detail: str = "", *, account_id: str = ""
) -> NewAudit:
    """What ``caller`` does, for the log of their account, or of the one that it is done to."""
    return NewAudit(
        account_id=account_id or caller.account_id,
        user_id=caller.user_id,
        user_name=caller.user_name,
        key_id=caller.key_id,
        session_id=caller.session_id,
        address=caller.address,
        action=action,
        target=target[:200],
        detail=detail[:500],
    )


def act_by(
    user: User, action: Act, address: str, session_id: str = "", detail: str = ""
) -> NewAudit:
    """What ``user`` does at the door, where there is no caller yet."""
    return NewAudit(
        account_id=user.account_id,
        user_id=user.id,
        user_name=user.name,
        key_id="",
        session_id=session_id,
        address=address[:MOST_ADDRESS],
        action=action,
        target=user.name,
        detail=detail,
    )


def failed_sign_in(account_id: str, address: str, user: User | None) -> NewAudit:
    """Somebody unknown tried to be ``user``. A name that nobody has is left out: it may well be a
    password.
    """
    return NewAudit(
        account_id=account_id,
        user_id="",
        user_name="",
        key_id="",
        session_id="",
        address=address[:MOST_ADDRESS],
        action=Act.SIGN_IN_FAILED,
        target=user.name if user else "",
        detail="" if user else "no user has this name",
    )
