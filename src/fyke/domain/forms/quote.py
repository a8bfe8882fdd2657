"""A preview of a start: the number of subtasks and the possible cost."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fyke.domain.billing.caps import SpendingMonth
from fyke.domain.billing.pricing import Hold, charge, hold, start_price
from fyke.domain.forms.model import RunForm
from fyke.domain.forms.normalise import NormalisedInput
from fyke.domain.runs.split import NothingToSplit, split
from fyke.domain.runs.transitions import Rules
from fyke.domain.workers.parameters import ParsedInput, read_input
from fyke.errors import InvalidRequest
from fyke.model.account import Account
from fyke.model.run import RunLimits, SpendingBound
from fyke.model.worker import SystemDefaults

_HOUR_MS = 3_600_000
_GB = 10**9


@dataclass(frozen=True, slots=True)
class SplitPreview:
    """The split of an input; ``problem`` is why it cannot be split, with 0 ``subtasks``; ``empty``
    are the labels of the fields of which one needs an entry for that. ``limits`` are those of
    ``parsed``, or of its run.
    """

    subtasks: int
    problem: str = ""
    empty: tuple[str, ...] = ()
    limits: RunLimits | None = None
    parsed: ParsedInput | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """The possible cost of a run, in millionths of a US dollar. Without prices all amounts are 0
    and ``priced`` is false.

    ``hour`` is the price of one hour of one subtask, ``gigabyte`` that of 1 GB of traffic. ``most``
    is the maximum cost of the run, None when unlimited, and ``bound`` the limit that sets it. Those
    ``with_browser`` are the same of a run whose subtasks have a browser all the time.
    ``shortfall`` is the amount by which the balance is below the hold. ``cap_reached``: the
    account's monthly cap leaves too little for a start. ``cap_too_low``: the least that
    ``max_total_charge`` and the account's cap for one run must be, 0 where they are.
    """

    priced: bool = False
    hour: int = 0
    gigabyte: int = 0
    most: int | None = 0
    shortfall: int = 0
    bound: SpendingBound = SpendingBound.MOST
    cap_reached: bool = False
    cap_too_low: int = 0
    hour_with_browser: int = 0
    most_with_browser: int | None = 0


def split_preview(
    form: RunForm, value: NormalisedInput, defaults: SystemDefaults, max_subtasks: int
) -> SplitPreview:
    """Return the split of an input; one with errors is not split."""
    if value.errors:
        return SplitPreview(0, "the input has errors")
    try:
        parsed = read_input(value.input, defaults)
        parts = split(form.schema, value.custom, limit=max_subtasks)
    except NothingToSplit as error:
        empty = tuple(form.fields[name].title for name in error.fields if name in form.fields)
        return SplitPreview(0, error.message, empty)
    except InvalidRequest as error:
        return SplitPreview(0, error.message)
    return SplitPreview(len(parts), limits=parsed.limits, parsed=parsed)


def quote(
    rules: Rules, preview: SplitPreview, account: Account, month: SpendingMonth | None = None
) -> Quote:
    """Return the possible cost of a run; ``month`` is None without a monthly cap."""
    prices, limits = rules.prices, preview.limits
    if not prices.any() or limits is None:
        return Quote(priced=prices.any())
    available = account.balance_micros - account.held_micros

    def held_for(limits: RunLimits) -> Hold:
        return hold(
            prices,
            limits,
            subtasks=preview.subtasks,
            available=available,
            run_cap=account.run_cap_micros,
            month_left=month.left if month else None,
        )

    with_browser = rules.with_browser(limits)
    held = held_for(limits)
    lowest = start_price(prices, limits, subtasks=preview.subtasks)
    too_low = held.micros < lowest and held.bound in (SpendingBound.RUN, SpendingBound.ACCOUNT)
    traffic_prices = replace(
        prices, cpu_hour=prices.cpu_hour * 0, memory_gb_hour=prices.memory_gb_hour * 0
    )
    return Quote(
        priced=True,
        hour=charge(prices, limits, milliseconds=_HOUR_MS, traffic_bytes=0),
        gigabyte=charge(traffic_prices, limits, milliseconds=0, traffic_bytes=_GB),
        most=_most(held),
        shortfall=max(0, held.micros - available),
        bound=held.bound,
        cap_reached=month is not None and month.left < lowest,
        cap_too_low=lowest if too_low else 0,
        hour_with_browser=charge(
            prices, with_browser, milliseconds=_HOUR_MS, traffic_bytes=0, browser_ms=_HOUR_MS
        ),
        most_with_browser=_most(held_for(with_browser)),
    )


def _most(held: Hold) -> int | None:
    return None if held.bound is SpendingBound.BALANCE else held.micros
