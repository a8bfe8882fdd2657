"""What an account lets itself spend, for one run and in a month."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import Field

from fyke.api.call import Call
from fyke.api.decode import Wire, WireName, WireNumber
from fyke.api.envelope import encode
from fyke.api.operations import Nothing, Operation
from fyke.api.own import usage_answers as answers
from fyke.api.v1.errors import TABLE, UNKNOWN_PATH
from fyke.domain.accounts.spending import CapChange, Spending, SpendingStatus
from fyke.errors import Forbidden
from fyke.kit.decimals import millionths

_AMOUNT = "US dollars; 0 = no cap; left out = as it is"


class CapFields(Wire):
    run_cap: WireNumber | None = Field(None, description=_AMOUNT)
    month_cap: WireNumber | None = Field(None, description=_AMOUNT)


class CapsOfAccount(CapFields):
    name: WireName


@dataclass(frozen=True, slots=True)
class CapOperations:
    spending: Spending

    def operations(self) -> list[Operation[Any]]:
        denied = TABLE[Forbidden]
        return [
            Operation(
                "GET",
                "/api/fyke/account/caps",
                id="getCaps",
                tag="Account",
                summary="What the account lets itself spend, and where the month stands",
                fields=Nothing,
                handler=self.show,
                answer=answers.CapsReport,
            ),
            Operation(
                "PUT",
                "/api/fyke/account/caps",
                id="changeCaps",
                tag="Account",
                summary="Change what a run may cost and what a month may",
                fields=CapFields,
                handler=self.change,
                answer=answers.CapsReport,
                errors=(denied,),
            ),
            Operation(
                "PUT",
                "/api/fyke/accounts/{name}/caps",
                id="changeCapsOfAccount",
                tag="Operator",
                summary="The same for any account",
                fields=CapsOfAccount,
                handler=self.change_of,
                answer=answers.CapsReport,
                errors=(denied, UNKNOWN_PATH),
                path_fields=("name",),
            ),
        ]

    async def show(self, call: Call, _wanted: Nothing) -> bytes:
        return encode(_report(await self.spending.standing(call.caller)))

    async def change(self, call: Call, wanted: CapFields) -> bytes:
        return encode(_report(await self.spending.change(call.caller, _change(wanted))))

    async def change_of(self, call: Call, wanted: CapsOfAccount) -> bytes:
        found = await self.spending.change(call.caller, _change(wanted), account=wanted.name)
        return encode(_report(found))


def _change(wanted: CapFields) -> CapChange:
    run, month = wanted.run_cap, wanted.month_cap
    return CapChange(
        run=None if run is None else Decimal(run), month=None if month is None else Decimal(month)
    )


def _report(found: SpendingStatus) -> dict[str, Any]:
    month = found.month
    return {
        "run_cap": millionths(found.account.run_cap_micros),
        "month_cap": millionths(month.cap),
        "month": f"{month.first:%Y-%m}",
        "time_zone": month.zone,
        "spent": millionths(month.spent),
        "held": millionths(month.held),
        "left": millionths(max(0, month.left)) if month.cap else None,
        "priced": found.priced,
    }
