"""The owner's first password, if the operator gives one to the start instead of using a link."""

from __future__ import annotations

from dataclasses import replace

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit_actions import action_by
from fyke.domain.accounts.passwords import Passwords
from fyke.model.account import Account, Role, User
from fyke.model.audit import AuditAction

DETAIL = "from the file of owner_password_file"


async def needs_first_password(storage: Storage) -> bool:
    """Whether no user of the operator's account has a password yet."""
    return await storage.read(_owner_without) is not None


async def set_first_password(storage: Storage, passwords: Passwords, password: str) -> bool:
    """Set the password of the owner, and remove the owner's link. Once a user of the operator's
    account has a password, change nothing and return False.

    Raises ``InvalidRequest`` for a weak password.
    """
    found = await storage.read(_owner_without)
    if found is None:
        return False
    account, owner = found
    passwords.check_new(password, owner.name, account.name)
    password_hash = await passwords.hash(password)

    def work(tx: Transaction) -> bool:
        tx.accounts.lock(account.id)  # servers that start at the same time take turns
        current = _owner_without(tx)
        if current is None:  # another server was faster
            return False
        user = current[1]
        tx.accounts.change_user(replace(user, password_hash=password_hash))
        tx.links.remove_of_user(user.id)
        tx.audit.add(action_by(user, AuditAction.PASSWORD, "", detail=DETAIL))
        return True

    return await storage.write(work)


def _owner_without(tx: Transaction) -> tuple[Account, User] | None:
    """The operator's account and its first owner, None once a user of it has a password."""
    account = tx.accounts.operator()
    users = tx.accounts.users(account.id) if account else []
    owners = [user for user in users if user.role is Role.OWNER and not user.disabled]
    if account is None or not owners or any(user.password_hash for user in users):
        return None
    return account, owners[0]
