"""The settings that must agree on all machines."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from fyke.errors import Conflict
from fyke.settings import Settings
from fyke.settings.shared import (
    MARKS,
    NOT_OF_NODES,
    SECRET,
    differing,
    for_node,
    shared_values,
    with_values,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path,
        price_cpu_hour="0.05",
        egress_allow="10.0.0.5:80,10.1.0.0/16",
        egress_upstreams={"US": ["rotating", "http://a.example:1", "http://b.example:1"]},
        runner_slots=3,
        lease_seconds=20,
    )


def test_values_survive_json(settings: Settings, tmp_path: Path) -> None:
    values = json.loads(json.dumps(shared_values(settings)))
    assert "runner_slots" not in values and values.keys() == MARKS.keys()
    found = with_values(Settings(home=tmp_path / "other"), values)
    assert (found.home, found.runner_slots) == (tmp_path / "other", 64)
    assert {name: getattr(found, name) for name in MARKS} == {
        name: getattr(settings, name) for name in MARKS
    }


def test_values_are_compared_by_their_meaning(settings: Settings) -> None:
    values = shared_values(settings)
    assert not differing(settings, values | {"price_cpu_hour": "0.0500", "of_later_release": 1})
    assert not differing(settings, {})
    changed = values | {"price_cpu_hour": "0.051", "egress_allow": ["10.0.0.5:80"]}
    assert differing(settings, changed) == ["egress_allow", "price_cpu_hour"]
    later = values | {"review": "by two", "keep_days": 3}
    assert differing(settings, later) == ["keep_days", "review"]
    with pytest.raises(Conflict, match="does not accept: review; use the same release"):
        with_values(settings, later)


def test_errors_have_no_values(settings: Settings, tmp_path: Path) -> None:
    """Some are passwords."""
    values = {"egress_upstreams": ["http://user:hunter2@a.example"]}
    with pytest.raises(Conflict, match="egress_upstreams") as refused:
        with_values(settings, shared_values(settings) | values)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__suppress_context__, "nor does a traceback"
    with pytest.raises(ValidationError) as failed:
        Settings(home=tmp_path, keep_days="hunter2")
    assert "hunter2" not in str(failed.value)


def test_values_come_from_no_other_source(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text("keep_days = 7\n")
    monkeypatch.setenv("FYKE_PRICE_CPU_HOUR", "9")
    found = with_values(settings, {"keep_days": 3, "price_cpu_hour": "1"})
    assert (found.keep_days, found.price_cpu_hour, found.site_rate) == (3, Decimal(1), 50.0)


def test_a_node_has_its_own_sizes_only(settings: Settings) -> None:
    found = for_node(settings)
    assert (found.egress_allow, found.egress_upstreams, found.price_cpu_hour) == ((), {}, 0)
    assert (found.runner_slots, found.lease_seconds) == (3, 20)
    assert "lease_seconds" not in NOT_OF_NODES and "site_rate" in NOT_OF_NODES


def test_every_setting_that_may_have_a_password_is_sealed() -> None:
    ends = ("_url", "_upstreams", "_secret")
    with_passwords = {name for name in MARKS if name.endswith(ends)} - {"require_callback_url"}
    assert with_passwords == SECRET
