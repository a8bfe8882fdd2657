"""Who may do what, beyond owning it: two questions that several services ask."""

from __future__ import annotations

from fyke.domain.accounts.model import Caller, Role
from fyke.errors import Forbidden


def require_operator(caller: Caller, what: str) -> None:
    """Raise ``Forbidden`` unless the caller's account runs this installation."""
    if not caller.operator:
        raise Forbidden(f"{what} is for the operator's account only")


def require_editor(caller: Caller, what: str) -> None:
    """Raise ``Forbidden`` for a user who may only look."""
    if caller.role is Role.VIEWER:
        raise Forbidden(f"{what} is not for users with the role viewer; ask the account's owner")
