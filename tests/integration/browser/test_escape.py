"""A browser reaches nothing inside: not from a page, not for a client of the DevTools protocol, not
with arguments of its own, and not as a process that speaks any bytes. See ``escape_trials``.
"""

from __future__ import annotations

from typing import Any

import pytest

from fyke.contracts.browser import BrowserProgram
from integration.browser.browsers import FULL, KINDS, OTHERS, SHELL, program_of
from integration.sandbox.sandboxes import ROOT
from support.closed_network import closed
from support.internal_addresses import OUTSIDE

pytestmark = [
    pytest.mark.needs("bwrap", "chromium", "driver", "ip"),
    pytest.mark.skipif(not ROOT, reason="only root can start sandboxes in a closed network"),
    pytest.mark.timeout(900),
]


def trial(name: str, kind: str, module: str = "escape_trials", **options: object) -> Any:
    program_of(kind)
    return closed(
        f"integration.browser.{module}:{name}",
        800,
        own_users=False,
        program=str(kind),
        **options,
    )


def check_nothing_escaped(result: dict[str, Any]) -> None:
    for what in ("inside", "datagrams", "outside", "unexpected"):
        assert not result[what], (what, result)


@pytest.mark.parametrize(
    ("program", "step"),
    [
        (SHELL, 24),
        pytest.param(SHELL, 1, marks=pytest.mark.long),
        pytest.param(FULL, 3, marks=pytest.mark.long),
    ],
)
def test_no_encoding_of_an_internal_address_is_reached_by_a_page(
    program: BrowserProgram, step: int
) -> None:
    result = trial("encodings", program, step=step)
    check_nothing_escaped(result)
    assert result["tried"] > 5 * result["hosts"], result  # many are no URLs
    assert result["refused"] > 2 * result["hosts"], result


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "declared",
    [
        pytest.param(False, marks=pytest.mark.long, id="all public sites"),
        pytest.param(True, id="declared sites", marks=pytest.mark.long),
    ],
)
def test_no_way_of_connecting_leads_inside(kind: str, declared: bool) -> None:
    result = trial("ways", kind, declared=declared)
    check_nothing_escaped(result)
    assert result["tried"] > 300 and result["in service worker"] == 28, result
    for part in ("page", "service worker", "client", "arguments"):
        assert result[part] > 15, (part, result)
    if declared:
        assert result["asked"] == [OUTSIDE]  # no look-up tells a name server anything


# those of a page that are HTTP requests, by the last part of their path
REQUESTS = {
    "fetch", "tls", "image", "socket", "events", "beacon", "redirected", "prefetch", "frame",
    "script", "module", "style", "object", "sound", "form", "refresh", "worker", "in-worker",
    "ping",
}  # fmt: skip
# the full Chromium blocks windows that no user asked for
OF_PROGRAM = {SHELL: REQUESTS | {"popup"}, FULL: REQUESTS}


@pytest.mark.parametrize("program", [SHELL, OTHERS[0]])
def test_the_ways_of_a_page_do_lead_outside(program: BrowserProgram) -> None:
    """So that those that lead inside fail for another reason than that they do not work."""
    result = trial("outside", program, "escape_controls")
    check_nothing_escaped(result)
    expected = OF_PROGRAM[program] - ({"ping"} if program is FULL else set())  # --no-pings
    assert set(result["paths"]) >= expected


@pytest.mark.long
@pytest.mark.parametrize("program", [SHELL, OTHERS[0]])
def test_a_browser_without_our_arguments_escapes_in_the_ways_that_are_no_requests(
    program: BrowserProgram,
) -> None:
    result = trial("unprotected", program, "escape_controls")
    assert set(result["paths"]) >= OF_PROGRAM[program]
    if program is FULL:
        assert result["hinted"] == {"dns-prefetch": "asked", "preconnect": "dialled"}
    assert result["datagrams"] == ["stun by udp", "turn", "alternative service"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_whose_address_changes_leads_inside_at_no_time(kind: str) -> None:
    result = trial("rebinding", kind, rounds=8)
    check_nothing_escaped(result)
    assert result["dialled"] > 20, result
    assert result["lookups"] - result["dialled"] > 20, result  # every second one


@pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.long)])
def test_no_bytes_to_the_proxy_lead_inside(step: int) -> None:
    result = trial("native", SHELL, step=step)
    for what in ("inside", "datagrams", "outside"):
        assert not result[what], (what, result)
    statuses = result["statuses"]
    assert statuses["socks"] == result["hosts"], statuses  # which need a password
    assert statuses["403"] > result["hosts"] and statuses.get("200", 0) < 10, statuses
    dialled = result["dialled"]
    assert sum(dialled.values()) > 80, dialled
    assert not [name for name in dialled if name.startswith("sent")], dialled
    control = result["control"]  # what did escape, by other means
    assert control["inside"] == ["127.0.0.1", "10.0.0.1"]
    assert len(control["datagrams"]) == 1
    assert "a connection to port 8000" in control["unexpected"]
    assert len(control["unexpected"]) >= 2, control  # and a datagram
