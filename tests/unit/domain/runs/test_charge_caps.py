"""When the charge of a run ends it, to the millionth and to the millisecond."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.billing.days import add_run_usage
from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.charge_caps import REASON_BY_BOUND, ChargeCaps
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.transitions import Rules
from fyke.model.billing import EntryKind, Prices
from fyke.model.run import Run, RunLimits, RunState, SpendingBound
from fyke.model.runner import AttemptUsage, Renewal
from fyke.reasons import Reason, ReasonCode
from support import records
from support.stores import Stores

pytestmark = pytest.mark.anyio
USD = 1_000_000
RULES = Rules(Prices(cpu_hour=Decimal(3600)), HIDING, 1000, "")  # a dollar a second and core
FREE = Rules(Prices(), HIDING, 1000, "")
LIMITS = RunLimits(1, 512, 1800, 0, 0)


async def start_run(
    stores: Stores, parts: int = 1, hold: int = 100 * USD, **changes: object
) -> Run:
    """Start a run with a reserved amount, which costs money from now on."""
    changes = {"limits": LIMITS, "hold_micros": hold} | changes
    run = await stores.run(parts, **changes)
    await stores.write(
        lambda tx: tx.ledger.append(records.entry(stores.account, EntryKind.HOLD, -hold))
    )
    for lease in await stores.lease():
        await Attempts(stores.storage, stores.results, RULES).started(
            lease.attempt.key, lease.attempt.runner_id
        )
    return await stores.stored(run)


async def work(stores: Stores, seconds: float) -> None:
    """All active Workers run for that long, and their runner reports it."""
    stores.clock.advance(seconds)

    def report(tx: Transaction) -> None:
        for a in tx.runs.active_attempts():
            if a.started_at:
                usage = AttemptUsage(busy_ms=a.busy_ms + round(seconds * 1000))
                tx.runs.renew([Renewal(a.id, a.token, usage)], 60_000)

    await stores.write(report)


async def charge_cap(stores: Stores, run: Run, rules: Rules = RULES) -> Reason | None:
    return await stores.read(lambda tx: ChargeCaps(tx, rules, [run]).reached(run))


async def until_used_up(stores: Stores, run: Run, rules: Rules = RULES) -> int | None:
    return await stores.read(lambda tx: ChargeCaps(tx, rules, [run]).until_used_up(run))


async def caps(stores: Stores, *, run: int = 0, month: int = 0) -> None:
    await stores.write(
        lambda tx: tx.accounts.set_caps(stores.account, run_cap_micros=run, month_cap_micros=month)
    )


@pytest.mark.parametrize("bound", list(SpendingBound))
async def test_the_reason_names_the_limit_of_the_reserved_amount(
    stores: Stores, bound: SpendingBound
) -> None:
    run = await start_run(stores, hold=10 * USD, bound=bound)
    await work(stores, 9.999)
    assert await charge_cap(stores, run) is None
    await work(stores, 0.001)
    assert await charge_cap(stores, run) == Reason.of(REASON_BY_BOUND[bound], limit_micros=10 * USD)


async def test_a_run_without_a_reserved_amount_is_never_ended(stores: Stores) -> None:
    run = await start_run(stores, hold=0)
    await caps(stores, run=1, month=1)
    await work(stores, 1000)
    assert await charge_cap(stores, run) is None
    assert await until_used_up(stores, run) is None


async def test_a_lowered_run_cap_ends_a_run_that_has_reached_it(
    stores: Stores,
) -> None:
    run = await start_run(stores)
    await work(stores, 7)
    await caps(stores, run=7 * USD + 1)
    assert await charge_cap(stores, run) is None
    await caps(stores, run=7 * USD)
    assert await charge_cap(stores, run) == Reason.of(
        ReasonCode.ACCOUNT_RUN_CAP, lowered_to_micros=7 * USD
    )


async def test_a_month_cap_counts_spent_amounts_and_the_cost_of_active_runs(
    stores: Stores,
) -> None:
    past = records.run(
        stores.account, stores.worker, state=RunState.SUCCEEDED, usage_micros=5 * USD
    )
    await stores.write(lambda tx: add_run_usage(tx, past))
    run, _ = await start_run(stores), await start_run(stores, hold=2 * USD)
    await work(stores, 10)  # the first costs 10, the second 2, its reserved amount
    await caps(stores, month=17 * USD + 1)
    assert await charge_cap(stores, run) is None
    await caps(stores, month=17 * USD)
    assert await charge_cap(stores, run) == Reason.of(
        ReasonCode.ACCOUNT_MONTH_CAP, lowered_to_micros=17 * USD
    )


async def test_a_month_cap_above_all_reserved_amounts_ends_no_run(stores: Stores) -> None:
    run = await start_run(stores, hold=20 * USD)
    await caps(stores, month=20 * USD)
    await work(stores, 19.999)
    assert await charge_cap(stores, run) is None


async def test_only_running_attempts_use_up_the_reserved_amount(
    stores: Stores,
) -> None:
    run = await start_run(stores, 3, hold=90 * USD)
    assert await until_used_up(stores, run) == 30_000
    await work(stores, 10)
    assert await until_used_up(stores, run) == 20_000
    await work(stores, 50)
    assert await until_used_up(stores, run) == 0
    waiting = await stores.run(hold_micros=USD, limits=LIMITS)
    assert await until_used_up(stores, waiting) is None


async def test_free_time_does_not_use_up_the_reserved_amount(stores: Stores) -> None:
    run = await start_run(stores)
    traffic_only = Rules(Prices(traffic_gb=Decimal(1)), HIDING, 1000, "")
    for rules in (FREE, traffic_only):
        assert await until_used_up(stores, run, rules) is None


async def test_a_part_of_a_millisecond_is_rounded_up(stores: Stores) -> None:
    run = await start_run(stores, hold=1)
    assert await until_used_up(stores, run) == 1
