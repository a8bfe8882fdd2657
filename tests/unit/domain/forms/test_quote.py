"""The preview of a start: its subtasks, what keeps it from being split, and what it may cost."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from fyke.domain.forms.model import RunForm
from fyke.domain.forms.normalise import GivenInput, normalise
from fyke.domain.forms.quote import Quote, SplitPreview, quote, split_preview
from fyke.domain.runs.transitions import Rules
from fyke.model.billing import Prices
from fyke.model.run import RunLimits, SpendingBound
from fyke.model.worker import SystemDefaults
from support import records
from support.forms import form, item

LINKS = {"name": "links", "title": "Links", "type": "array", "editor": "stringList"}
TERMS = {**LINKS, "name": "terms", "title": "Search terms"}
BOTH = form(LINKS, TERMS, concurrency={"fields": ["links", "terms"]})
ONE = form(LINKS, b="links")

LIMITS = RunLimits(
    cpus=2, memory_mb=1024, timeout_s=3600, max_charge_micros=0, max_traffic_bytes=10**9
)
PRICES = Prices(cpu_hour=Decimal("0.10"), memory_gb_hour=Decimal("0.01"), traffic_gb=Decimal(3))


def preview(made: RunForm, **custom: object) -> SplitPreview:
    value = normalise(made, GivenInput({"parameters": {"custom": custom}}))
    return split_preview(made, value, SystemDefaults(), 100)


def rules(prices: Prices = PRICES) -> Rules:
    return Rules(prices, frozenset(), 100, "", browser_cpus=1, browser_memory_mb=1024)


@pytest.mark.parametrize(
    ("made", "custom", "empty"),
    [
        (BOTH, {}, ("Links", "Search terms")),
        (BOTH, {"links": ["", " "], "terms": []}, ("Links", "Search terms")),
        (ONE, {}, ("Links",)),
        (ONE, {"links": []}, ("Links",)),
    ],
)
def test_the_fields_that_need_an_entry_are_named(
    made: RunForm, custom: dict[str, object], empty: tuple[str, ...]
) -> None:
    found = preview(made, **custom)
    assert (found.subtasks, found.empty) == (0, empty) and found.problem


def test_subtasks_are_counted_and_other_problems_name_no_field() -> None:
    assert preview(BOTH, links=["a", "b"], terms=["c"]).subtasks == 3
    many = preview(ONE, links=[str(number) for number in range(101)])
    assert (many.subtasks, many.empty) == (0, ()) and "100" in many.problem
    wrong = preview(form(item("number", "integer")), x="no number")
    assert (wrong.subtasks, wrong.problem) == (0, "the input has errors")


def test_a_quote_has_the_price_of_an_hour_and_the_most() -> None:
    account = records.account(balance_micros=1_000_000)
    found = quote(rules(), SplitPreview(2, limits=LIMITS), account)
    assert (found.hour, found.hour_with_browser) == (210_000, 320_000)
    assert (found.gigabyte, found.most, found.bound) == (3_000_000, 3_420_000, SpendingBound.MOST)
    assert found.shortfall == 2_420_000
    capped = replace(LIMITS, max_charge_micros=500_000)
    enough = quote(rules(), SplitPreview(2, limits=capped), account)
    assert (enough.most, enough.bound, enough.shortfall) == (500_000, SpendingBound.RUN, 0)


def test_without_prices_or_a_split_nothing_is_quoted() -> None:
    account = records.account()
    assert quote(rules(Prices()), SplitPreview(2, limits=LIMITS), account) == Quote()
    assert quote(rules(), SplitPreview(0, "cannot be split"), account) == Quote(priced=True)
