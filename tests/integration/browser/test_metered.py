"""The bytes of a browser are counted exactly: as many as the packets on the wire carry."""

from __future__ import annotations

import pytest

from fyke.contracts.browser import BrowserProgram
from fyke.sandbox.installed_browser import find_programs
from integration.sandbox.sandboxes import ROOT
from support.closed_network import closed


@pytest.mark.needs("bwrap", "chromium", "driver", "ip")
@pytest.mark.skipif(not ROOT, reason="only root can start sandboxes in a closed network")
@pytest.mark.parametrize(
    "program",
    [
        BrowserProgram.HEADLESS_SHELL,
        pytest.param(BrowserProgram.CHROMIUM, marks=pytest.mark.long),
    ],
)
def test_metered_bytes_are_those_on_the_wire(program: BrowserProgram) -> None:
    if program.value not in find_programs():
        pytest.skip(f"this machine has no {program.value}")
    trial = "integration.browser.metered_trials:metered"
    result = closed(trial, own_users=False, program=program.value)
    assert result["title"] == result["expected"]
    assert result["dropped"] == 0
    assert result["metered"] == result["wire"]
    assert result["connections"][0] == result["connections"][1] > 30
    assert result["metered"][1] > 900_000
