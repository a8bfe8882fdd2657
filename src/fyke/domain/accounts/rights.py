"""Checks of roles, scopes and confirmations."""

from __future__ import annotations

from fyke.contracts.state import Transaction
from fyke.domain.accounts.codes import is_enabled
from fyke.domain.accounts.scopes import scope_text
from fyke.errors import ConfirmationNeeded, Forbidden, ScopeMissing
from fyke.model.account import Caller, Role, Scope

CONFIRMED_MS = 10 * 60_000  # validity of a sign-in or confirmation, see ``confirmation.py``


def require_operator(caller: Caller, action: str) -> None:
    """Raise ``Forbidden`` unless the caller's account runs this installation."""
    if not caller.operator:
        raise Forbidden(f"{action} is for the operator's account only")


def require_editor(caller: Caller, action: str) -> None:
    """Raise ``Forbidden`` for a user with the role viewer."""
    if caller.role is Role.VIEWER:
        raise Forbidden(f"{action} is not for users with the role viewer; ask the account's owner")


def require_owner(caller: Caller, action: str) -> None:
    """Raise ``Forbidden`` unless the user has the role owner in their account."""
    if caller.role is not Role.OWNER:
        raise Forbidden(f"{action} is for users with the role owner; ask one of them")


def require_scope(caller: Caller, *scopes: Scope) -> None:
    """Raise ``ScopeMissing`` when the caller's key lacks one of the scopes."""
    if missing := [scope for scope in scopes if scope not in caller.scopes]:
        noun, them = ("scope", "it") if len(missing) == 1 else ("scopes", "them")
        names = " and ".join(f'"{scope}"' for scope in missing)
        raise ScopeMissing(
            f"this needs a key with the {noun} {names}, and yours has: "
            f"{scope_text(caller.scopes)}; create another key, or use one that has {them}"
        )


def require_confirmed(tx: Transaction, caller: Caller) -> None:
    """Raise ``ConfirmationNeeded`` for a session that was not confirmed within ``CONFIRMED_MS``."""
    if caller.session_id and tx.now >= caller.verified_at + CONFIRMED_MS:
        raise ConfirmationNeeded(
            "Confirm your password at /settings/confirm first; this lasts for 10 minutes",
            code=is_enabled(tx, caller.user_id),
        )


def require_user(tx: Transaction, caller: Caller, action: str) -> None:
    """Like ``require_confirmed``, and refuse every key but the operator's own on this machine."""
    require_confirmed(tx, caller)
    if caller.key_id and not caller.local:
        raise Forbidden(
            f"{action} is not possible with an API key; use the console, or the fyke command on "
            "the machine itself with the key in owner.key"
        )
