from __future__ import annotations

import pytest

from fyke.domain.accounts.plans import parse_plan
from fyke.errors import InvalidRequest
from fyke.model.account import Plan


def test_how_many_active_runs_each_plan_allows() -> None:
    assert {plan.value: plan.max_runs for plan in Plan} == {
        "free": 2,
        "starter": 5,
        "pro": 10,
        "business": 50,
        "unlimited": None,
    }


def test_how_large_a_device_each_plan_allows() -> None:
    assert {plan.value: (plan.max_cpus, plan.max_memory_mb) for plan in Plan} == {
        "free": (2, 4096),
        "starter": (4, 8192),
        "pro": (8, 16384),
        "business": (16, 16384),
        "unlimited": (64, 16384),
    }


@pytest.mark.parametrize("name", ["pro", "PRO", " Pro\n"])
def test_a_plan_is_named_in_upper_or_lower_case(name: str) -> None:
    assert parse_plan(name) is Plan.PRO


@pytest.mark.parametrize("name", ["", "professional", "free, pro", "x" * 1000])
def test_an_unknown_plan_is_refused_with_a_list_of_the_plans(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_plan(name)
    assert refused.value.message.startswith("plan: unknown plan ")
    assert refused.value.message.endswith("use one of free, starter, pro, business, unlimited")
    assert len(refused.value.message) < 150  # for a name of any length
