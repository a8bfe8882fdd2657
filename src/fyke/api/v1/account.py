"""What the account has left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fyke.api.envelope import encode
from fyke.api.operations import Call, Nothing, Operation
from fyke.api.v1 import answers, views
from fyke.domain.accounts.service import Accounts


@dataclass(frozen=True, slots=True)
class AccountOperations:
    accounts: Accounts

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "POST",
                "/api/v1/account/info",
                id="getAccountV1",
                tag="Account",
                summary="Balance and remaining traffic",
                fields=Nothing,
                handler=self.info,
                answer=answers.AccountInfo,
            )
        ]

    async def info(self, call: Call, _wanted: Nothing) -> bytes:
        return encode(views.account_info(await self.accounts.get(call.caller)))
