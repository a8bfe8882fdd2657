"""Creates entries of the audit log."""

from __future__ import annotations

from dataclasses import replace

from fyke.model.account import Caller, User
from fyke.model.audit import AuditAction, NewAudit

MAX_ADDRESS_CHARS = 64
WRONG_CODE = "wrong code of the second factor"


def action_of(
    caller: Caller, action: AuditAction, target: str, detail: str = "", *, account_id: str = ""
) -> NewAudit:
    """An action of ``caller``, for the log of ``account_id``, by default the caller's account."""
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


def action_by(
    user: User, action: AuditAction, address: str, session_id: str = "", detail: str = ""
) -> NewAudit:
    """An action of ``user`` before or during the sign-in, when there is no caller yet."""
    return NewAudit(
        account_id=user.account_id,
        user_id=user.id,
        user_name=user.name,
        key_id="",
        session_id=session_id,
        address=address[:MAX_ADDRESS_CHARS],
        action=action,
        target=user.name,
        detail=detail,
    )


def refused_key(address: str, operation: str, why: str) -> NewAudit:
    """A request with a key that is not valid; the log of the operator's account gets it."""
    entry = failed_sign_in("", address, None)
    return replace(entry, action=AuditAction.REFUSED, target=operation[:200], detail=why[:500])


def failed_code(user: User, address: str) -> NewAudit:
    """A wrong code after the right password."""
    return failed_sign_in(user.account_id, address, user, WRONG_CODE)


def failed_sign_in(account_id: str, address: str, user: User | None, detail: str = "") -> NewAudit:
    """A failed sign-in as ``user``, by default for a wrong password. The name of an unknown user is
    left out, because it may be a password typed into the wrong field.
    """
    return NewAudit(
        account_id=account_id,
        user_id="",
        user_name="",
        key_id="",
        session_id="",
        address=address[:MAX_ADDRESS_CHARS],
        action=AuditAction.SIGN_IN_FAILED,
        target=user.name if user else "",
        detail=detail if user else "no user has this name",
    )
