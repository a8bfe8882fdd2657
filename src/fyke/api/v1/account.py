"""Balance and remaining traffic of the caller's account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import post
from fyke.domain.accounts.service import Accounts
from fyke.model.account import Scope
from fyke.wire import v1


@dataclass(frozen=True, slots=True)
class AccountRoutes:
    tag: ClassVar[str] = "Account"

    accounts: Accounts

    @post("/api/v1/account/info", scope=Scope.READ)
    async def get_account_v1(self, call: Call) -> v1.AccountInfo:
        """Balance and remaining traffic."""
        return v1.AccountInfo.of(await self.accounts.get(call.caller))
