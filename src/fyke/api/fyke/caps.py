"""The caps on the cost of a run and of a month."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import get, put
from fyke.domain.accounts.spending import CapChange, Spending
from fyke.errors import Forbidden, NotFound
from fyke.model.account import Scope
from fyke.wire.fields import Name
from fyke.wire.fyke import caps as wire

PATH = "/api/fyke/account/caps"


@dataclass(frozen=True, slots=True)
class CapRoutes:
    tag: ClassVar[str] = "Account"

    spending: Spending

    @get(PATH, scope=Scope.ADMIN)
    async def get_caps(self, call: Call) -> wire.CapsReport:
        """The caps of the account, and its cost this month."""
        return wire.CapsReport.of(await self.spending.status(call.caller))

    @put(PATH, scope=Scope.ADMIN, errors=(Forbidden,))
    async def change_caps(self, call: Call, body: wire.CapsToChange) -> wire.CapsReport:
        """Change the cost caps of a run and of a month.

        For users with the role owner. Caps apply to later starts; an active run is stopped
        when it exceeds them.
        """
        return wire.CapsReport.of(await self.spending.change(call.caller, _change(body)))

    @put(
        "/api/fyke/accounts/{name}/caps",
        scope=Scope.ADMIN,
        tag="Operator",
        errors=(Forbidden, NotFound),
    )
    async def change_caps_of_account(
        self, call: Call, name: Name, body: wire.CapsToChange
    ) -> wire.CapsReport:
        """Change the caps of any account.

        For the operator.
        """
        standing = await self.spending.change(call.caller, _change(body), account=name)
        return wire.CapsReport.of(standing)


def _change(body: wire.CapsToChange) -> CapChange:
    return CapChange(run=_amount(body.run_cap), month=_amount(body.month_cap))


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
