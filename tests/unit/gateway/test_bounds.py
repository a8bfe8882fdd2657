"""What a node says of itself, within bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.errors import InvalidRequest
from fyke.gateway.bounds import MAX_INFO_TEXT, MAX_MEMBERS, check_info
from fyke.model.browser import BrowserProgram
from fyke.model.runner import RunnerInfo
from fyke.reasons import Detail, DetailCode
from fyke.wire.nodes import RegisterNode, decode_request, encode

NAN, INF = float("nan"), float("inf")
INFO = RunnerInfo(
    "", "", "full", "", 8.0, 16_384, 0, (("seccomp", True, "loaded"),), browsers=4,
    browser_share=0.5, browser_programs=tuple(BrowserProgram),
)  # fmt: skip
BAD: list[dict[str, Any]] = [
    {"cpus": NAN}, {"cpus": INF}, {"cpus": -1.0}, {"cpus": 1e18}, {"browser_share": NAN},
    {"browser_share": INF}, {"browser_share": 1.5}, {"memory_mb": -1}, {"memory_mb": 2**62},
    {"browsers": -1}, {"browsers": 2**31}, {"idle_sandboxes": 2**62}, {"idle_memory": -1},
    {"idle_memory": 2**63}, {"isolation": "perfect"}, {"isolation": ""},
    {"reason": "x" * (MAX_INFO_TEXT + 1)}, {"browser_problem": "x" * (MAX_INFO_TEXT + 1)},
    {"checks": (("seccomp", True, ""),) * (MAX_MEMBERS + 1)},
    {"checks": (("seccomp", True, "x" * (MAX_INFO_TEXT + 1)),)},
    {"trouble": Detail(DetailCode.DISK_SHORT, {"x" * (MAX_INFO_TEXT + 1): 1})},
    {"trouble": Detail(DetailCode.DISK_SHORT, {"free_mb": NAN})},
    {"trouble": Detail(DetailCode.DISK_SHORT, {"free_mb": ["x" * (MAX_INFO_TEXT + 1)]})},
    {"browser_programs": (BrowserProgram.CHROMIUM,) * 3},
]  # fmt: skip


@pytest.mark.parametrize("change", BAD, ids=lambda change: str(change)[:40])
def test_what_no_runner_says_of_itself_is_refused(change: dict[str, Any]) -> None:
    request = decode_request(encode(RegisterNode(replace(INFO, **change))))  # as it arrives
    assert isinstance(request, RegisterNode)
    with pytest.raises(InvalidRequest):
        check_info(request.info)


@pytest.mark.parametrize("isolation", ["full", "no-limits", "none"])
def test_what_runners_say_of_themselves_is_accepted(isolation: str) -> None:
    check_info(replace(INFO, isolation=isolation, trouble=Detail(DetailCode.DISK_SHORT)))
    check_info(replace(INFO, isolation=isolation, browsers=0, browser_share=0.0))
