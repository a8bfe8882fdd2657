"""The caller's account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import get
from fyke.domain.accounts.service import Accounts
from fyke.model.account import Scope
from fyke.wire.v2.account import AccountBalance


@dataclass(frozen=True, slots=True)
class AccountRoutes:
    tag: ClassVar[str] = "Account"

    accounts: Accounts

    @get("/api/v2/users/account", scope=Scope.READ)
    async def get_account(self, call: Call) -> AccountBalance:
        """Balance and traffic of the caller's account."""
        return AccountBalance.of(await self.accounts.get(call.caller))
