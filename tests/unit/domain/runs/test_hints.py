from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.domain.logs import system
from fyke.domain.runs.hints import BY_REASON, hint
from fyke.domain.runs.outcome import end_of
from fyke.domain.runs.returns import fault_of
from fyke.domain.runs.sites import SiteUsage
from fyke.model.attempt import SiteTraffic
from fyke.model.run import BlockedSite, Outcome, Run, RunState
from fyke.reasons import Detail, DetailCode, Hint, HintCode, Reason, ReasonCode, cause, next_step
from fyke.reasons.codes import ENDS
from support.memory import a_run


def ended(code: ReasonCode | None, **changes: object) -> Run:
    if code is None:
        good = {"state": RunState.SUCCEEDED, "outcome": Outcome.SUCCEEDED}
        return replace(a_run("acme"), **(good | changes))  # type: ignore[arg-type]  # by name
    end = end_of(Reason(code))
    return replace(
        a_run("acme"), state=RunState.FAILED, outcome=end.outcome, reason=end.reason, **changes
    )  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize("code", ENDS)
def test_every_reason_of_a_failure_has_a_hint(code: ReasonCode) -> None:
    found = hint(ended(code), 3, [])
    assert found == Hint(BY_REASON[code])


def test_a_registry_that_could_not_be_reached_has_a_hint_of_its_own() -> None:
    away = Detail.of(DetailCode.REGISTRY_AWAY, problem="timed out")
    run = replace(ended(ReasonCode.NOT_STARTED), reason=fault_of(away))
    assert hint(run, 0, []) == Hint(HintCode.REGISTRY_AWAY)
    assert "fyke doctor" in next_step(Hint(HintCode.REGISTRY_AWAY))


@pytest.mark.parametrize(
    ("signal", "code"),
    [
        (6, HintCode.CRASHED),
        (9, HintCode.KILLED),
        (11, HintCode.CRASHED),
        (15, HintCode.SIGNAL),
    ],
)
def test_signals_have_different_hints(signal: int, code: HintCode) -> None:
    run = replace(ended(ReasonCode.SIGNAL), reason=Reason(ReasonCode.SIGNAL, {"signal": signal}))
    assert hint(run, 0, []) == Hint(code)


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.SUCCEEDED])
def test_an_end_without_a_reason_code_has_no_hint_by_code(outcome: Outcome) -> None:
    words = "could not be installed: ... has not allowed that for this Worker"
    old = replace(ended(ReasonCode.INTERNAL), outcome=outcome, reason=None, err_msg=words)
    assert hint(old, 3, []) is None


@pytest.mark.parametrize(
    "code", ["no_browser", "browser_busy", "browser_failed", "browser_out_of_memory"]
)
def test_a_missing_browser_explains_more_than_the_lines_of_the_log(code: str) -> None:
    found = hint(ended(ReasonCode(code)), 0, ["Error: connect ECONNREFUSED", "HTTP 403"])
    assert found == Hint(HintCode(code))


def test_a_browser_without_memory_of_the_machine_is_explained_by_that() -> None:
    places = hint(ended(ReasonCode.BROWSER_BUSY), 0, [])
    reason = Reason.of(ReasonCode.BROWSER_BUSY, seconds=55, free_mb=300, needed_mb=400)
    memory = hint(replace(ended(ReasonCode.BROWSER_BUSY), reason=reason), 0, [])
    assert places is not None and memory is not None
    assert "runner_browsers" in next_step(places)
    assert "the 400 MB of free memory" in cause(memory)
    assert "runner_browsers" not in next_step(memory)


def test_successful_and_active_runs_have_no_hint() -> None:
    assert hint(ended(None), 5, ["HTTP 403"]) is None
    assert hint(replace(a_run("acme"), state=RunState.RUNNING), 0, ["HTTP 403"]) is None


@pytest.mark.parametrize(
    "line, code",
    [
        ("HTTP 403 Forbidden for https://a.example", "blocked"),
        ("got status 429", "blocked"),
        ("socket.gaierror: [Errno -2] Name or service not known", "unknown_host"),
        (
            "httpx.ProxyError: 502 Bad Gateway: a.example port 443: the name does not exist or has "
            "no address on the public internet",
            "unknown_host",
        ),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "unreachable"),
        ("Error: net::ERR_TUNNEL_CONNECTION_FAILED at https://a.example/", "unreachable"),
        ("Page.goto: Timeout 30000ms exceeded.", "unreachable"),
        ("page.waitForURL: Timeout 30000ms exceeded.", "unreachable"),
        ("Page.click: Timeout 1000ms exceeded.", "element_missing"),
        ("TimeoutError: locator.fill: Timeout 1000ms exceeded.", "element_missing"),
        ("Page.wait_for_selector: Timeout 5ms exceeded.", "element_missing"),
        ("Timeout 1ms exceeded.\nCall log:\n  - waiting for locator('#x')", "element_missing"),
        ("TimeoutError: Waiting for selector `.price` failed", "element_missing"),
        ("Error: No element found for selector: #login", "element_missing"),
        ("NoSuchElementException: Message: no such element: Unable to …", "element_missing"),
        ("selenium.common.exceptions.TimeoutException: Message: \nStacktrace:", "element_missing"),
        ("TimeoutException: Message: timeout: Timed out receiving message", "unreachable"),
        ("GET /x -> 404", "page_missing"),
        ("AttributeError: 'NoneType' object has no attribute 'text'", "other_page"),
        ("nothing known", "no_rows"),
        (system.rows_not_pushed("7", ["items.csv"], 0).content, "rows_not_pushed"),
    ],
)
def test_a_run_without_rows_is_explained_by_its_error_lines(line: str, code: str) -> None:
    found = hint(ended(None), 0, [line])
    assert found is not None and found.code == code


def test_the_newest_line_with_a_known_cause_counts() -> None:
    lines = ["No module named 'x'", "HTTP 404", "Traceback"]
    found = hint(ended(ReasonCode.EXIT_CODE), 0, lines)
    assert found is not None and found.code == "page_missing"
    # the log is not searched when the reason is clear
    clear = hint(ended(ReasonCode.TIMEOUT), 0, lines)
    assert clear is not None and clear.code == "timeout"


def test_a_partly_failed_run_has_a_hint_with_the_number_of_subtasks() -> None:
    found = hint(ended(None, subtasks=5, subtasks_failed=2), 9, [])
    assert found is not None
    assert found == Hint(HintCode.PARTLY_FAILED, {"failed": 2, "subtasks": 5})
    assert cause(found).startswith("2 of 5 subtasks failed; ")
    busy = hint(ended(None, subtasks=5, subtasks_failed=2), 9, [], browser_busy=1)
    assert busy is not None
    assert "failed, 1 of them because no browser was free in time (browser_busy);" in cause(busy)
    assert "runner_browsers" in next_step(busy)
    short = hint(
        ended(None, subtasks=5, subtasks_failed=4), 9, [], browser_busy=3, short_of_memory=2
    )
    assert short is not None
    assert "(browser_busy), 2 of these for want of memory of the machine;" in cause(short)
    assert "for 2 of them the machine had too little" in next_step(short)
    assert "runner_browsers" not in next_step(short)  # more of them would take more memory


def site_usage(domain: str, block_reason: BlockedSite | None = None, **counts: int) -> SiteUsage:
    return SiteUsage(SiteTraffic(domain, **counts), block_reason)


def test_undeclared_sites_take_precedence_over_errors_of_sites() -> None:
    run = ended(ReasonCode.EXIT_CODE)
    sites = [site_usage(f"{name}.example", BlockedSite.UNDECLARED, refused=2) for name in "abcde"]
    for lines in ([], ["ProxyError: 403 Forbidden"], ["ECONNREFUSED"]):
        found = hint(run, 0, lines, sites)
        assert found is not None and found.code == "undeclared_sites"
        assert cause(found).startswith("All sites")
        assert cause(found).endswith("a.example, b.example, c.example and 2 more")
        assert "egress in fyke.json" in next_step(found)
    clear = hint(run, 0, ["ModuleNotFoundError: No module named 'bs4'"], sites)
    assert clear is not None and clear.code == "module_missing"
    some = hint(ended(None), 0, [], [site_usage("x.example", requests=1), *sites[:1]])
    assert some is not None and cause(some).startswith("Some sites")


@pytest.mark.parametrize(
    ("statuses", "unseen", "lines", "code"),
    [
        ({"403": 5, "200": 5}, 0, [], HintCode.BLOCKED),
        ({"429": 2, "403": 1, "200": 2}, 1, [], HintCode.BLOCKED),
        ({"403": 4, "200": 5}, 0, [], HintCode.NO_ROWS),
        ({"403": 1}, 999, [], HintCode.NO_ROWS),
        ({"500": 9}, 0, [], HintCode.NO_ROWS),
        ({}, 0, [], HintCode.NO_ROWS),
        ({"403": 9}, 0, ["ModuleNotFoundError: No module named 'bs4'"], HintCode.MODULE_MISSING),
    ],
)
def test_sites_that_refuse_most_requests_are_the_hint_if_the_log_says_nothing(
    statuses: dict[str, int], unseen: int, lines: list[str], code: HintCode
) -> None:
    refusing = SiteTraffic("shop.example", requests=9, statuses=statuses)
    other = SiteTraffic("other.example", requests=unseen, unseen=unseen)
    found = hint(ended(None), 0, lines, [SiteUsage(refusing, None), SiteUsage(other, None)])
    assert found is not None and found.code is code


def test_non_public_sites_are_the_hint_for_a_run_that_reached_no_site() -> None:
    private = site_usage("10.0.0.1", BlockedSite.NOT_PUBLIC, refused=1)
    found = hint(ended(None), 0, ["connection refused"], [private])
    assert found is not None and found.code == "refused_sites"
    assert cause(found).endswith("their addresses are not public: 10.0.0.1")
    assert next_step(found) == (
        "Use a public address, or ask the operator to allow 10.0.0.1 with the setting egress_allow"
    )
    throttled = site_usage("a.example", BlockedSite.RULE, refused=1)
    mixed = hint(ended(None), 0, [], [private, throttled])
    assert mixed is not None and "throttled will respond again later" in next_step(mixed)
    assert cause(mixed).endswith("were refused: 10.0.0.1, a.example")
    other = hint(ended(None), 0, [], [private, site_usage("a.example", requests=1)])
    assert other is not None and other.code == "no_rows"


def test_a_last_page_is_only_named_where_one_is_kept() -> None:
    run, lines = ended(ReasonCode.EXIT_CODE), ["Page.click: Timeout 1000ms exceeded."]
    without, kept = hint(run, 0, lines), hint(run, 0, lines, has_last_page=True)
    assert without == Hint(HintCode.ELEMENT_MISSING)
    assert kept == Hint(HintCode.ELEMENT_MISSING, {"run": run.id})
    assert "the tab Browser" not in next_step(without)
    assert f"in fyke run browser {run.id}. Then" in next_step(kept)
    assert hint(run, 0, ["HTTP 404"], has_last_page=True) == Hint(HintCode.PAGE_MISSING)


def test_the_hint_for_an_unknown_name_says_that_it_may_be_internal() -> None:
    found = Hint(HintCode.UNKNOWN_HOST)
    assert "internal" in cause(found) and "egress_allow" in next_step(found)
