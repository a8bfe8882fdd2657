"""Alert rules as the fields of a form: typed values, saved values, errors."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from fyke.console.pages.alert_rules import _faults, _fields, _typed, _values, fields_of
from fyke.domain.alerts.rules import RuleFields
from fyke.domain.alerts.service import RuleView
from fyke.errors import InvalidRequest, Problem
from fyke.model.alert import Rule, RuleKind
from fyke.reasons import ReasonCode
from support.views import view_of

RULE = Rule(
    "rule", "account", "Night", RuleKind.FAILED, "01WORKER", "", 0.0, "", 0.0, 0, 0, ("e1", "e2"),
    ("a@example.org", "b@example.org"), True, 1, 2, 3, (ReasonCode.EXIT_CODE,),
)  # fmt: skip


def typed(*more: tuple[str, str], kind: str = "failed") -> tuple[RuleFields, dict[str, str]]:
    return _fields(view_of("/alerts/rules/new", form=(("kind", kind), *more)))


@pytest.mark.parametrize(
    "rule",
    [
        RULE,
        replace(RULE, kind=RuleKind.FEWER_ROWS, factor=0.25, reasons=(), enabled=False),
        replace(RULE, kind=RuleKind.SLOWER, factor=2.5, reasons=()),
        replace(RULE, kind=RuleKind.MISSING_FIELD, field="price", percent=12.5, reasons=()),
        replace(RULE, kind=RuleKind.BUDGET, usd_micros=1_500_000, traffic_bytes=2_500_000),
        replace(RULE, kind=RuleKind.BUDGET, usd_micros=100_000_000, task_id="01TASK"),
    ],
)
def test_a_rule_survives_a_round_trip_through_its_form(rule: Rule) -> None:
    values = _values(RuleView(rule, "", ""))
    pairs = [
        (name, str(item))
        for name, value in values.items()
        if name != "enabled"
        for item in (value if isinstance(value, list) else [value])
    ]
    pairs += [("enabled", "on")] * rule.enabled
    fields, faults = _fields(view_of(form=pairs))
    assert faults == {}
    assert fields == fields_of(rule)


def test_a_worker_is_shown_by_its_path_if_it_exists() -> None:
    assert _values(RuleView(RULE, "acme/prices", ""))["worker"] == "acme/prices"
    assert _values(RuleView(RULE, "", ""))["worker"] == "01WORKER"


def test_amounts_are_plain_digits_and_a_missing_amount_is_empty() -> None:
    rule = replace(RULE, kind=RuleKind.BUDGET, usd_micros=1000 * 10**6)
    values = _values(RuleView(rule, "", ""))
    assert (values["usd"], values["megabytes"]) == ("1000", "")


def test_numbers_are_read_only_for_the_kinds_that_use_them() -> None:
    numbers = (("share", "50"), ("multiple", "x"), ("percent", "y"), ("usd", "z"))
    fields, faults = typed(*numbers, kind="fewer_rows")
    assert (fields.factor, fields.percent, fields.budget_usd) == (0.5, 0, 0)
    assert faults == {}
    assert typed(*numbers, kind="failed") == (RuleFields("", "failed", enabled=False), {})
    assert typed(("multiple", "2,5"), kind="slower")[0].factor == 2.5


@pytest.mark.parametrize("text", ["x", "NaN", "Infinity", "1e16", "1..2"])
def test_an_invalid_amount_is_an_error_of_its_field(text: str) -> None:
    fields, faults = typed(("usd", text), ("megabytes", " 1,5 "), kind="budget")
    assert faults == {"usd": "Enter a number such as 2.5."}
    assert (fields.budget_usd, fields.budget_traffic_mb) == (0, Decimal("1.5"))


def test_channels_and_addresses_are_those_that_are_chosen() -> None:
    chosen = [("endpoints", "1"), ("endpoints", "2"), ("emails", "a@x.org"), ("emails", "b@x.org")]
    fields, _ = typed(*chosen)
    assert (fields.endpoints, fields.emails) == (("1", "2"), ("a@x.org", "b@x.org"))


def test_typed_values_are_kept_and_others_have_their_initial_value() -> None:
    found = _typed(view_of(form=(("name", "N"), ("reasons", "a"), ("reasons", "b"))))
    assert (found["name"], found["reasons"], found["endpoints"]) == ("N", ["a", "b"], [])
    assert (found["share"], found["enabled"]) == ("50", False)


def faults(kind: str, *problems: Problem) -> dict[str, str]:
    return _faults(view_of(form=(("kind", kind),)), InvalidRequest.of(problems))


def test_errors_are_assigned_to_fields_of_the_form() -> None:
    found = faults(
        "budget",
        Problem("must be above 0", "budget_usd"),
        Problem("must be above 0", "budget_traffic_mb"),
        Problem("must have 1 to 80 characters", "name"),
    )
    assert found == {
        "usd": "Must be above 0",
        "megabytes": "Must be above 0",
        "name": "Must have 1 to 80 characters",
    }


def test_the_kind_decides_whether_a_factor_is_a_share_or_a_multiple() -> None:
    wrong = Problem("must be above 0 and below 1", "factor")
    assert faults("fewer_rows", wrong) == {"share": "Enter a number above 0 and at most 100."}
    assert faults("slower", wrong) == {"multiple": "Must be above 0 and below 1"}
    assert list(faults("failed", wrong)) == ["kind"]
