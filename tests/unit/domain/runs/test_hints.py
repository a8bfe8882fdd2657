from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.contracts.egress import SiteTraffic
from fyke.domain.runs.hints import hint
from fyke.domain.runs.sites import BlockedSite, SiteUsage
from fyke.model.run import Outcome, Run, RunState
from support.memory import a_run


def ended(outcome: Outcome, **changes: object) -> Run:
    good = outcome is Outcome.SUCCEEDED
    state = RunState.SUCCEEDED if good else RunState.FAILED
    return replace(a_run("acme"), state=state, outcome=outcome, **changes)  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.SUCCEEDED])
def test_every_bad_end_has_a_cause_and_a_next_step(outcome: Outcome) -> None:
    found = hint(ended(outcome), 3, [])
    assert found is not None
    assert found.code == outcome.value
    assert found.cause and found.next_step


def test_nothing_is_said_of_runs_that_are_well_or_under_way() -> None:
    assert hint(ended(Outcome.SUCCEEDED), 5, ["HTTP 403"]) is None
    assert hint(replace(a_run("acme"), state=RunState.RUNNING), 0, ["HTTP 403"]) is None


@pytest.mark.parametrize(
    "line, code",
    [
        ("HTTP 403 Forbidden for https://a.example", "blocked"),
        ("got status 429", "blocked"),
        ("socket.gaierror: [Errno -2] Name or service not known", "unknown_host"),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "unreachable"),
        ("GET /x -> 404", "page_missing"),
        ("AttributeError: 'NoneType' object has no attribute 'text'", "other_page"),
        ("nothing known", "no_rows"),
    ],
)
def test_a_run_without_rows_is_explained_by_its_error_lines(line: str, code: str) -> None:
    found = hint(ended(Outcome.SUCCEEDED), 0, [line])
    assert found is not None and found.code == code


def test_the_newest_line_that_says_something_counts() -> None:
    lines = ["No module named 'x'", "HTTP 404", "Traceback"]
    found = hint(ended(Outcome.EXIT_CODE), 0, lines)
    assert found is not None and found.code == "page_missing"
    # an outcome that is clear needs no guessing
    clear = hint(ended(Outcome.TIMEOUT), 0, lines)
    assert clear is not None and clear.code == "timeout"


def test_a_run_of_which_parts_failed_says_how_many() -> None:
    found = hint(ended(Outcome.SUCCEEDED, subtasks=5, subtasks_failed=2), 9, [])
    assert found is not None
    assert (found.code, found.cause[:15]) == ("partly_failed", "2 of 5 subtasks")


def seen(domain: str, barred: BlockedSite | None = None, **counts: int) -> SiteUsage:
    return SiteUsage(SiteTraffic(domain, **counts), barred)


def test_a_list_that_refuses_everything_is_named_before_what_looks_like_the_sites_fault() -> None:
    run = ended(Outcome.EXIT_CODE)
    sites = [seen(f"{name}.example", BlockedSite.UNDECLARED, refused=2) for name in "abcde"]
    for lines in ([], ["ProxyError: 403 Forbidden"], ["ECONNREFUSED"]):
        found = hint(run, 0, lines, sites)
        assert found is not None and found.code == "undeclared_sites"
        assert found.cause.startswith("All sites")
        assert found.cause.endswith("a.example, b.example, c.example and 2 more")
        assert "egress in fyke.json" in found.next_step
    clear = hint(run, 0, ["ModuleNotFoundError: No module named 'bs4'"], sites)
    assert clear is not None and clear.code == "module_missing"
    some = hint(ended(Outcome.SUCCEEDED), 0, [], [seen("x.example", requests=1), *sites[:1]])
    assert some is not None and some.cause.startswith("Some sites")


def test_sites_that_are_not_public_explain_a_run_that_reached_nothing() -> None:
    private = seen("10.0.0.1", BlockedSite.NOT_PUBLIC, refused=1)
    found = hint(ended(Outcome.SUCCEEDED), 0, ["connection refused"], [private])
    assert found is not None and found.code == "refused_sites"
    other = hint(ended(Outcome.SUCCEEDED), 0, [], [private, seen("a.example", requests=1)])
    assert other is not None and other.code == "no_rows"


def test_refusals_are_told_apart_by_their_reason() -> None:
    detail = 'Not run: the sandbox here is at level "{}": memory cannot be limited'
    for level, words in (("no-limits", "operator's own Workers"), ("none", "no Worker may run")):
        found = hint(ended(Outcome.ISOLATION_REFUSED, err_msg=detail.format(level)), 0, [])
        assert found is not None and found.code == "isolation_refused"
        assert words in found.cause and "fyke doctor" in found.next_step
    builds = "could not be installed: ... has not allowed that for this Worker. Ask for it"
    found = hint(ended(Outcome.INSTALL_FAILED, err_msg=builds), 0, [])
    assert found is not None and found.code == "builds_not_allowed"
    plain = hint(ended(Outcome.INSTALL_FAILED, err_msg="no such package"), 0, [])
    assert plain is not None and plain.code == "install_failed"
