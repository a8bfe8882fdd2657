"""The caps on the cost of a run and of a month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from fyke.kit.decimals import millionths
from fyke.wire.fields import Answer, Decimal, Request
from fyke.wire.fyke.accounts import Cap

if TYPE_CHECKING:
    from fyke.domain.accounts.spending import SpendingStatus


class CapsToChange(Request):
    """Absent members stay as they are."""

    run_cap: Annotated[Decimal, Meta(description="US dollars, 0 = no cap")] | None = None
    month_cap: Annotated[Decimal, Meta(description="US dollars, 0 = no cap")] | None = None


class CapsReport(Answer):
    run_cap: Annotated[Cap, Meta(description="US dollars that one run may cost; 0 = no cap")]
    month_cap: Annotated[Cap, Meta(description="US dollars for a calendar month; 0 = no cap")]
    month: Annotated[
        str, Meta(description="the current month, YYYY-MM, in the account's time zone")
    ]
    time_zone: str
    spent: Annotated[Cap, Meta(description="US dollars, of runs that have ended in this month")]
    held: Annotated[Cap, Meta(description="US dollars on hold for active runs")]
    left: Annotated[
        Cap | None, Meta(description="US dollars that may still be put on hold; null: no cap")
    ]
    priced: Annotated[bool, Meta(description="whether any price is set")]

    @classmethod
    def of(cls, status: SpendingStatus) -> CapsReport:
        month = status.month
        return cls(
            run_cap=millionths(status.account.run_cap_micros),
            month_cap=millionths(month.cap),
            month=f"{month.first:%Y-%m}",
            time_zone=month.zone,
            spent=millionths(month.spent),
            held=millionths(month.held),
            left=millionths(max(0, month.left)) if month.cap else None,
            priced=status.priced,
        )
