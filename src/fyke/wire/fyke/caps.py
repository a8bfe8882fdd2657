"""What an account may spend, for one run and in a month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from fyke.kit.decimals import millionths
from fyke.wire.fields import Answer, Decimal, Request
from fyke.wire.fyke.accounts import Cap

if TYPE_CHECKING:
    from fyke.domain.accounts.spending import SpendingStatus


class CapsToChange(Request):
    """A member that is absent does not change."""

    run_cap: Annotated[Decimal, Meta(description="US dollars, 0 = no cap")] | None = None
    month_cap: Annotated[Decimal, Meta(description="US dollars, 0 = no cap")] | None = None


class CapsReport(Answer):
    run_cap: Annotated[Cap, Meta(description="US dollars that one run may cost; 0 = no cap")]
    month_cap: Annotated[Cap, Meta(description="US dollars for a calendar month; 0 = no cap")]
    month: Annotated[str, Meta(description="the current one, 2026-11, in the account's zone")]
    time_zone: str
    spent: Annotated[Cap, Meta(description="US dollars, by runs that have ended in it")]
    held: Annotated[Cap, Meta(description="US dollars on hold for active runs")]
    left: Annotated[
        Cap | None, Meta(description="US dollars that may still be put on hold; null: no cap")
    ]
    priced: Annotated[bool, Meta(description="whether anything costs money here")]

    @classmethod
    def of(cls, found: SpendingStatus) -> CapsReport:
        month = found.month
        return cls(
            run_cap=millionths(found.account.run_cap_micros),
            month_cap=millionths(month.cap),
            month=f"{month.first:%Y-%m}",
            time_zone=month.zone,
            spent=millionths(month.spent),
            held=millionths(month.held),
            left=millionths(max(0, month.left)) if month.cap else None,
            priced=found.priced,
        )
