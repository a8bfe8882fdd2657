"""The caller's account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from fyke.domain.billing.pricing import format_balance
from fyke.wire.common import Count
from fyke.wire.fields import Answer
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from fyke.model.account import Account


class AccountBalance(Answer):
    balance: Annotated[str, Meta(description="US dollars", examples=["10.00"])]
    balance_expiration_at: Annotated[Count, Meta(description="Unix seconds; 0: does not expire")]
    traffic: Annotated[Count, Meta(description="bytes that remain")]
    traffic_expiration_at: Annotated[Count, Meta(description="Unix seconds; 0: does not expire")]

    @classmethod
    def of(cls, account: Account) -> AccountBalance:
        return cls(
            balance=format_balance(account.balance_micros),
            balance_expiration_at=0,  # a balance does not expire here
            traffic=max(0, account.traffic_bytes),
            traffic_expiration_at=seconds(account.traffic_expires_at),
        )
