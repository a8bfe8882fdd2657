"""Which regions a machine reaches."""

from __future__ import annotations

import pytest

from fyke.model.node import EgressPolicy
from fyke.runner.egress_rules import EgressRules


@pytest.mark.parametrize(
    ("upstreams", "own", "region", "reached"),
    [
        ({}, "", "DE", False),
        ({}, "DE", "DE", True),
        ({}, "DE", "US", False),
        ({"us": "http://p"}, "DE", "US", True),
        ({"us": "http://p"}, "DE", "FR", False),
        ({"*": "http://p"}, "", "FR", True),
    ],
)
def test_a_region_is_that_of_a_proxy_or_of_the_machine(
    upstreams: dict[str, str], own: str, region: str, reached: bool
) -> None:
    rules = EgressRules(EgressPolicy(upstreams=upstreams), region=own)
    assert rules.reaches(region) is reached
