"""Checks of roles and scopes."""

from __future__ import annotations

from fyke.domain.accounts.scopes import scope_text
from fyke.errors import Forbidden, ScopeMissing
from fyke.model.account import Caller, Role, Scope


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


def require_scope(caller: Caller, scope: Scope) -> None:
    """Raise ``ScopeMissing`` when the caller's key does not have the scope."""
    if scope not in caller.scopes:
        raise ScopeMissing(
            f'this needs a key with the scope "{scope}", and yours has: '
            f"{scope_text(caller.scopes)}; create another key, or use one that has it"
        )
