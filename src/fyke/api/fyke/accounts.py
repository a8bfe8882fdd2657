"""Accounts (for the operator), the caller's own account, and keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import delete, get, post, put
from fyke.domain.accounts.service import Accounts
from fyke.errors import Conflict, Forbidden, NotFound
from fyke.model.account import Scope
from fyke.wire.fields import Name
from fyke.wire.fyke import accounts as wire

ACCOUNTS = "/api/fyke/accounts"
KEYS = "/api/fyke/keys"


@dataclass(frozen=True, slots=True)
class AccountRoutes:
    tag: ClassVar[str] = "Account"

    accounts: Accounts
    webhook_secret: Callable[[str], str]

    @get("/api/fyke/account", scope=Scope.ADMIN)
    async def get_own_account(self, call: Call) -> wire.OwnAccount:
        """The caller's account, with the secret that signs its callbacks."""
        account = await self.accounts.get(call.caller)
        return wire.OwnAccount.with_secret(account, self.webhook_secret(account.id))

    @get(ACCOUNTS, scope=Scope.ADMIN, tag="Operator", errors=(Forbidden,))
    async def list_accounts(self, call: Call) -> wire.AccountList:
        """Every account of this installation.

        For the operator.
        """
        accounts = await self.accounts.list_accounts(call.caller)
        return wire.AccountList([wire.AccountItem.of(account) for account in accounts])

    @post(ACCOUNTS, scope=Scope.ADMIN, tag="Operator", errors=(Forbidden, Conflict))
    async def create_account(self, call: Call, body: wire.AccountToCreate) -> wire.CreatedAccount:
        """Create an account with a first key.

        For the operator. The name has 1 to 39 lower-case letters, digits and hyphens.
        """
        account, key = await self.accounts.add_account(call.caller, body.name)
        return wire.CreatedAccount(wire.AccountItem.of(account), wire.CreatedKey.of(key))

    @post(
        f"{ACCOUNTS}/{{name}}/credit",
        scope=Scope.ADMIN,
        tag="Operator",
        errors=(Forbidden, NotFound),
    )
    async def credit_account(self, call: Call, name: Name, body: wire.Credit) -> wire.AccountItem:
        """Add balance and traffic to an account.

        For the operator. Both numbers are at least 0, and one of them is greater.
        """
        account = await self.accounts.credit(
            call.caller, name, Decimal(body.usd), Decimal(body.traffic_mb)
        )
        return wire.AccountItem.of(account)

    @put(
        f"{ACCOUNTS}/{{name}}/plan",
        scope=Scope.ADMIN,
        tag="Operator",
        errors=(Forbidden, NotFound),
    )
    async def change_plan(self, call: Call, name: Name, body: wire.PlanChange) -> wire.AccountItem:
        """Change the plan of an account.

        For the operator. Active runs continue.
        """
        return wire.AccountItem.of(await self.accounts.set_plan(call.caller, name, body.plan))

    @get(KEYS, scope=Scope.ADMIN, errors=(Forbidden, NotFound))
    async def list_keys(self, call: Call, query: wire.AccountSelector) -> wire.KeyItems:
        """The account's keys, without their text."""
        keys = await self.accounts.list_keys(call.caller, account=query.account or None)
        return wire.KeyItems([wire.KeyItem.of(key) for key in keys])

    @post(KEYS, scope=Scope.ADMIN, errors=(Forbidden, NotFound, Conflict))
    async def create_key(self, call: Call, body: wire.KeyToCreate) -> wire.CreatedKey:
        """Create a key; its text is in this answer only.

        Names of active keys are unique. Only the operator may name another account, or a rate limit
        above that of the server.
        """
        key = await self.accounts.create_key(
            call.caller,
            body.name,
            account=body.account or None,
            expires_at=body.expires_at_ms,
            rate_limit=body.rate_limit,
            scopes=body.checked_scopes,
        )
        return wire.CreatedKey.of(key)

    @delete(f"{KEYS}/{{id}}", scope=Scope.ADMIN, errors=(Forbidden, NotFound))
    async def revoke_key(self, call: Call, id: Name, query: wire.AccountSelector) -> None:
        """Revoke a key, by its id or name."""
        await self.accounts.revoke_key(call.caller, id, account=query.account or None)
