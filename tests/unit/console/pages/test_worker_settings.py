"""Run options as the fields of a form."""

from __future__ import annotations

from fyke.console.pages.worker_settings import _form_values
from fyke.domain.workers.run_options import option_errors
from fyke.model.worker import SystemDefaults


def test_a_missing_limit_is_an_empty_field() -> None:
    shown = _form_values(SystemDefaults(memory_mb=512, timeout_s=90))
    assert shown == {
        "memory": "512", "execute_limit_time_seconds": "90",
        "max_total_charge": "", "max_total_traffic": "", "max_retries": "",
    }  # fmt: skip


def test_limits_are_dollars_and_megabytes_in_plain_digits() -> None:
    shown = _form_values(
        SystemDefaults(max_charge_micros=1_000_000_000, max_traffic_bytes=12_500_000)
    )
    assert (shown["max_total_charge"], shown["max_total_traffic"]) == ("1000", "12.5")


def test_the_shown_values_can_be_saved_unchanged() -> None:
    for defaults in (
        SystemDefaults(), SystemDefaults(max_charge_micros=1, max_traffic_bytes=10_000_000),
        SystemDefaults(max_retries=10),
    ):  # fmt: skip
        assert option_errors(_form_values(defaults)) == {}
