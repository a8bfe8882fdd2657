"""What a node says of itself, within bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.domain.runs.site_sums import MAX_SITES
from fyke.errors import InvalidRequest
from fyke.gateway.bounds import (
    MAX_COUNT,
    MAX_INFO_TEXT,
    MAX_MEMBERS,
    MAX_TEXT,
    ImpossibleRequest,
    check_end,
    check_info,
    check_report,
    check_said,
    check_site_use,
)
from fyke.kit.hostports import MAX_NAME, parse_host
from fyke.model.attempt import OTHER_SITES, AttemptEnd, AttemptReport, SiteTraffic
from fyke.model.browser import (
    MAX_LINE,
    MAX_LINES,
    MAX_URL,
    MAX_URLS,
    BrowserActivity,
    BrowserProgram,
    BrowserReport,
    ConsoleLevel,
    ConsoleLine,
)
from fyke.model.progress import MAX_PROGRESS, MAX_PROGRESS_TEXT, WorkerProgress
from fyke.model.run import SUCCESS, AttemptKey, End, Outcome
from fyke.model.runner import AttemptUsage, RunnerInfo
from fyke.model.sites import (
    MAX_OWN_PAUSES,
    MAX_PAUSE_NUMBER,
    MAX_SHARED_SITES,
    SitePause,
    SiteUse,
)
from fyke.model.usage_marks import UsageMark
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode
from fyke.wire.nodes import RegisterNode, decode_request, encode

NAN, INF = float("nan"), float("inf")
INFO = RunnerInfo(
    "", "", "full", "", 8.0, 16_384, 0, (("seccomp", True, "loaded"),), browsers=4,
    browser_share=0.5, browser_programs=tuple(BrowserProgram), environments=("0f" * 16,) * 64,
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
    {"browser_programs": (BrowserProgram.CHROMIUM,) * 3}, {"disk_free": -1}, {"disk_total": 2**63},
    {"disk_floor": -1}, {"cache_bytes": 2**62}, {"cache_bytes": -2}, {"clock_ms": -1},
    {"clock_ms": 2**62},
    {"environments": ("0f" * 16,) * 65}, {"environments": ("0F" * 16,)}, {"environments": ("a b",)},
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


# --- what attempts report ----------------------------------------------------------------------

KEY = AttemptKey("A1", "R1", 0, "1", 7)
LINE = ConsoleLine(5, ConsoleLevel.ERROR, "x" * MAX_LINE, "y" * MAX_URL)
STATUSES = {**{str(n): MAX_COUNT for n in range(200, 212)}, "other": 1}
SITES = tuple(SiteTraffic(f"{n}.example", 5, 6, 7, 8, 9, STATUSES) for n in range(MAX_SITES))
ACTIVITY = BrowserActivity(
    {"document": 5}, {"document": MAX_COUNT}, {"2xx": 1}, {"error": 9}, 1, 2,
    ("u" * MAX_URL,) * MAX_URLS, (LINE,) * MAX_LINES,
)  # fmt: skip
LARGEST = AttemptReport(
    KEY,
    AttemptUsage(MAX_COUNT, browser_version="chromium 140"),
    (*SITES, SiteTraffic(OTHER_SITES)),
    BrowserReport(ACTIVITY, 3),
    (UsageMark("answers_403", 1, 2, MAX_COUNT),) * 128,
    WorkerProgress(MAX_PROGRESS, MAX_PROGRESS, "x" * MAX_PROGRESS_TEXT),
)
BAD_USAGES: list[dict[str, Any]] = [
    {"traffic_bytes": -1}, {"cpu_ms": MAX_COUNT + 1}, {"browser_version": "x" * 1001},
]  # fmt: skip
BAD_SITES = [
    (*SITES, SiteTraffic(OTHER_SITES), SiteTraffic("a")),
    (SiteTraffic("a"), SiteTraffic("a")),
    (SiteTraffic("x" * 256),),
    (SiteTraffic("a", failures=2**62),),
    (SiteTraffic("a", statuses={str(n): 1 for n in range(200, 214)}),),
    (SiteTraffic("a", statuses={"teapot": 1}),),
    (SiteTraffic("a", statuses={"200": -1}),),
]
BAD_ACTIVITIES: list[dict[str, Any]] = [
    {"urls": ("u",) * (MAX_URLS + 1)}, {"urls": ("u" * (MAX_URL + 1),)},
    {"lines": (LINE,) * (MAX_LINES + 1)}, {"lines": (replace(LINE, text="x" * (MAX_LINE + 1)),)},
    {"lines": (replace(LINE, source="x" * (MAX_URL + 1)),)}, {"lines": (replace(LINE, at=2**62),)},
    {"requests": {str(n): 1 for n in range(65)}}, {"console": {"x" * 65: 1}},
    {"sites": {"a.example": {"200": 1}}},
    {"blocked": {"image": -1}}, {"cached": {"image": 2**62}}, {"pages": -1}, {"crashes": 2**62},
]  # fmt: skip
BAD_MARKS = [
    (UsageMark("answers_403", 1, 2, 3),) * 129,
    (UsageMark("x" * 65, 1, 2, 3),),
    (UsageMark("answers_403", -1, 2, 3),),
    (UsageMark("answers_403", 1, 2, 2**62),),
]
BAD_REPORTS = [
    *(replace(LARGEST, usage=replace(LARGEST.usage, **change)) for change in BAD_USAGES),
    *(replace(LARGEST, sites=sites) for sites in BAD_SITES),
    *(
        replace(LARGEST, browser=BrowserReport(replace(ACTIVITY, **change)))
        for change in BAD_ACTIVITIES
    ),
    replace(LARGEST, browser=BrowserReport(starts=-1)),
    *(replace(LARGEST, marks=marks) for marks in BAD_MARKS),
]


def test_the_largest_report_of_a_runner_is_accepted() -> None:
    check_report(LARGEST)
    check_end(AttemptEnd(SUCCESS, LARGEST.usage, LARGEST.sites, LARGEST.browser))


@pytest.mark.parametrize(
    "progress",
    [
        WorkerProgress(-1),
        WorkerProgress(0, MAX_PROGRESS + 1),
        WorkerProgress(text="x" * (MAX_PROGRESS_TEXT + 1)),
    ],
)
def test_progress_that_no_runner_reports_is_refused(progress: WorkerProgress) -> None:
    with pytest.raises(ImpossibleRequest):
        check_report(replace(LARGEST, progress=progress))


@pytest.mark.parametrize("report", BAD_REPORTS, ids=range(len(BAD_REPORTS)))
def test_what_no_runner_reports_is_refused(report: AttemptReport) -> None:
    ended = AttemptEnd(SUCCESS, report.usage, report.sites, report.browser, marks=report.marks)
    with pytest.raises(ImpossibleRequest):
        check_report(report)
    with pytest.raises(ImpossibleRequest):
        check_end(ended)


def test_sums_of_the_largest_counters_fit_into_a_column() -> None:
    assert 30_000 * MAX_COUNT < 2**63


OUTPUT = "x" * 128 * 1024  # of a tool that installs packages
REASON = Reason(ReasonCode.INTERNAL, {"detail": OUTPUT})
BAD_SAID: list[Any] = [
    End(Outcome.EXIT_CODE, "x" * (MAX_TEXT + 1)),
    End(Outcome.EXIT_CODE, "", Reason(ReasonCode.INTERNAL, {"detail": "x" * (MAX_TEXT + 1)})),
    Reason(ReasonCode.INTERNAL, {"exit_code": INF}),
    Reason(ReasonCode.INTERNAL, {"exit_code": 2**63}),
    Reason(ReasonCode.INTERNAL, {"packages": ["x"] * (MAX_MEMBERS + 1)}),
    Detail(DetailCode.UNFORESEEN, {str(n): 1 for n in range(MAX_MEMBERS + 1)}),
    Detail(DetailCode.UNFORESEEN, {str(n): OUTPUT for n in range(17)}),
]


@pytest.mark.parametrize("said", BAD_SAID, ids=range(len(BAD_SAID)))
def test_reasons_that_no_runner_gives_are_refused(said: Any) -> None:
    with pytest.raises(ImpossibleRequest):
        check_said(said)


LONGEST = "x" * MAX_NAME
BAD_NAMES = [
    "",
    "x" * (MAX_NAME + 1),
    "a\x01",
    'a"',
    "a\\",
    "\xe4.example",
    "a b",
    "a\n",
    "A.example",
]
BAD_USES = [
    *(SiteUse((name,)) for name in BAD_NAMES),
    *(SiteUse(pauses=(SitePause(name, 1),)) for name in BAD_NAMES),
    SiteUse(("x", "x")),
    SiteUse(tuple(map(str, range(MAX_SHARED_SITES + 1)))),
    SiteUse(pauses=(SitePause("x", -1),)),
    SiteUse(pauses=(SitePause("x", NAN),)),
    SiteUse(pauses=(SitePause("x", INF),)),
    SiteUse(pauses=(SitePause("x", 1, MAX_PAUSE_NUMBER + 1),)),
    SiteUse(pauses=(SitePause("x", 1, -1),)),
    SiteUse(pauses=(SitePause("x", 1, status=200),)),
    SiteUse(pauses=(SitePause("x", 1), SitePause("x", 2))),
    SiteUse(pauses=tuple(SitePause(str(n), 1) for n in range(MAX_OWN_PAUSES + 1))),
]


@pytest.mark.parametrize("use", BAD_USES, ids=range(len(BAD_USES)))
def test_sites_that_no_runner_names_are_refused(use: SiteUse) -> None:
    with pytest.raises(ImpossibleRequest):
        check_site_use(use)


def test_the_largest_use_of_sites_is_accepted() -> None:
    sites = tuple(f"{n:03}{LONGEST}"[:MAX_NAME] for n in range(MAX_SHARED_SITES))
    pauses = tuple(SitePause(site, 30.0, MAX_PAUSE_NUMBER, 503) for site in sites[:MAX_OWN_PAUSES])
    check_site_use(SiteUse(sites, True, pauses))


@pytest.mark.parametrize("host", ["A.Example.", "10.0.0.1", "[2001:DB8::1]", "b\xfccher.example"])
def test_a_host_of_the_proxy_is_accepted_as_a_site(host: str) -> None:
    check_site_use(SiteUse((str(parse_host(host)),)))


def test_the_output_of_a_tool_is_accepted_as_a_reason() -> None:
    check_said(End(Outcome.INTERNAL, "failed: " + OUTPUT, REASON), None, REASON)
