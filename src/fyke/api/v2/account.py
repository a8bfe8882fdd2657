"""The caller's account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from fyke.api.call import Call
from fyke.api.documents import Answer
from fyke.api.envelope import encode
from fyke.api.operations import Nothing, Operation
from fyke.api.v1.vocabulary import seconds
from fyke.domain.accounts.service import Accounts
from fyke.domain.billing.pricing import format_balance


class AccountBalance(Answer):
    balance: str = Field(description="US dollars", examples=["10.00"])
    balance_expiration_at: int = Field(description="Unix seconds; 0 = it does not expire")
    traffic: int = Field(description="bytes that remain")
    traffic_expiration_at: int = Field(description="Unix seconds; 0 = it does not expire")


@dataclass(frozen=True, slots=True)
class AccountOperations:
    accounts: Accounts

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/v2/users/account",
                id="getAccount",
                tag="Account",
                summary="Balance and traffic of the caller's account",
                fields=Nothing,
                handler=self.get,
                answer=AccountBalance,
            )
        ]

    async def get(self, call: Call, _wanted: Nothing) -> bytes:
        account = await self.accounts.get(call.caller)
        return encode(
            {
                "balance": format_balance(account.balance_micros),
                "balance_expiration_at": 0,  # a balance does not expire here
                "traffic": max(0, account.traffic_bytes),
                "traffic_expiration_at": seconds(account.traffic_expires_at),
            }
        )
