"""Output and exit status of the tour; the e2e tests run it for real."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fyke.cli import tour
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.tour import WORKER, Tour, rows_in
from fyke.settings import Settings

KEY = "scraper_api_SECRET"


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Tour]:
    (tmp_path / "owner.key").write_text(f"{KEY}\n")

    def tour_with(*answers: Any, browser: bool = False, url: str | None = None) -> Tour:
        """A tour whose requests get these answers in order; the last one is repeated."""
        remaining = list(answers)

        def answer(request: httpx2.Request) -> httpx2.Response:
            data = remaining.pop(0) if len(remaining) > 1 else remaining[0]
            return httpx2.Response(200, json={"code": 0, "message": "ok", "data": data} | data)

        settings = Settings(home=tmp_path)
        new_tour = Tour(settings, "http://127.0.0.1:8100", url, browser=browser)
        new_tour._http.close()
        new_tour._http = httpx2.Client(
            base_url="http://127.0.0.1:8100", transport=httpx2.MockTransport(answer)
        )
        return new_tour

    return tour_with


def detail(status: int, **more: Any) -> dict[str, Any]:
    return {"status": status, "results": 0, "traffic": 0, "err_msg": ""} | more


@pytest.mark.parametrize(
    ("content", "format", "rows"),
    [
        ("[]", "json", 0),
        ('[{"a": 1}, {"a": 2}]', "json", 2),
        ("", "csv", 0),
        ("a,b\r\n", "csv", 0),
        ('a,b\r\n1,"two\r\nlines"\r\n3,4\r\n', "csv", 2),
    ],
)
def test_rows_of_an_export_are_counted(content: str, format: str, rows: int) -> None:
    assert rows_in(content, format) == rows


@pytest.mark.parametrize(
    ("status", "rows", "exported", "code"),
    [
        (3, 2, [2, 2], Exit.OK),
        (3, 0, [0, 0], Exit.FAILED),
        (3, 2, [2, 1], Exit.FAILED),
        (3, 2, [1, 2], Exit.FAILED),
        (4, 2, [2, 2], Exit.FAILED),
        (5, 2, [2, 2], Exit.FAILED),
    ],
)
def test_the_tour_succeeds_if_both_exports_have_all_rows(
    make: Callable[..., Tour], status: int, rows: int, exported: list[int], code: Exit
) -> None:
    assert make({})._verdict(status, rows, exported) == code


def subtask(*nodes: str) -> dict[str, Any]:
    return {"attempts": [{"node": node} for node in nodes]}


def test_the_tour_counts_the_subtasks_of_each_machine(make: Callable[..., Tour]) -> None:
    own = "this installation"
    subtasks = [subtask("n2", "n1"), subtask("n2"), subtask(own), subtask()]
    assert make({"list": subtasks})._machines("R") == {"n1": 1, "n2": 1, "this installation": 1}


def test_the_tour_waits_until_enough_nodes_take_runs(
    make: Callable[..., Tour], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tour, "POLL_SECONDS", 0)
    starting, ready = {"name": "n1", "availability": "starting"}, {"name": "n2"}
    ready |= {"availability": "operator_only"}
    waiting = make({"list": [starting]}, {"list": [starting, ready]}, {"list": [ready, ready]})
    waiting._nodes = 2
    waiting._wait_for_nodes()
    monkeypatch.setattr(tour, "NODE_SECONDS", 0)
    few = make({"list": [ready]})
    few._nodes = 2
    with pytest.raises(
        CommandFailed, match=r"Only 1 of 2 nodes take runs after 0 s \(n2: operator only\)"
    ):
        few._wait_for_nodes()


def test_with_nodes_the_job_has_a_subtask_for_each_start_page(make: Callable[..., Tour]) -> None:
    asked: list[Any] = []
    spread = make({})
    spread._nodes = 3
    spread._post = lambda path, body: asked.append(body) or {"run_slug": "R"}  # type: ignore[method-assign, func-returns-value]
    spread._start("w", "http://127.0.0.1:1/", ["127.0.0.1:1"])
    custom = asked[0]["input"]["parameters"]["custom"]
    pages = [page["url"] for page in custom["start_urls"]]
    assert len(set(pages)) == len(pages) == 9
    assert pages[1] == "http://127.0.0.1:1/csv.html"


RENDERED = {"url": "u", "status": 200, "title": "T", "rendered": True, "text": "First\n\n  second"}


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (RENDERED, Exit.OK),
        (RENDERED | {"rendered": False, "error": "not rendered: no browser"}, Exit.FAILED),
    ],
)
def test_with_a_browser_the_tour_needs_a_row_from_it(
    make: Callable[..., Tour],
    capsys: pytest.CaptureFixture[str],
    row: dict[str, Any],
    code: Exit,
) -> None:
    listed = {"count": 1, "list": [row]}
    new_tour = make(listed, browser=True)
    new_tour._page("R1")
    assert new_tour._verdict(3, 1, [1, 1]) == code
    printed = capsys.readouterr().out
    if code == Exit.OK:
        assert "    | First\n    | second\n" in printed
    else:
        assert "    not rendered: no browser\n" in printed
    of_the_user = make(listed, browser=True, url="https://a.example/")
    assert of_the_user._verdict(3, 1, [1, 1]) == Exit.OK


def test_the_row_from_a_browser_may_come_after_the_first_ones(
    make: Callable[..., Tour], capsys: pytest.CaptureFixture[str]
) -> None:
    plain = {"url": "http://127.0.0.1:1/csv.html", "status": 200, "title": "csv"}
    first, page = [plain] * 5, {"url": "http://127.0.0.1:2/javascript.html", "status": 200}
    rows = [*first, plain, page | RENDERED]
    found = make({"count": 7, "list": first}, {"count": 7, "list": rows}, browser=True)
    assert found._page("R1") == 7
    assert found._verdict(3, 7, [7, 7]) == Exit.OK
    assert "    | First\n" in capsys.readouterr().out
    rows[-1] = page | {"error": "not rendered: no browser"}
    failed = make({"count": 7, "list": first}, {"count": 7, "list": rows}, browser=True)
    failed._page("R1")
    assert failed._verdict(3, 7, [7, 7]) == Exit.FAILED
    assert "    not rendered: no browser\n" in capsys.readouterr().out


@pytest.mark.parametrize(("browser", "render"), [(True, "auto"), (False, None)])
def test_a_browser_is_used_only_if_wanted(
    make: Callable[..., Tour], browser: bool, render: str | None
) -> None:
    bodies: list[dict[str, Any]] = []
    new_tour = make({}, browser=browser)
    new_tour._post = lambda path, body: bodies.append(body) or {"run_slug": "R1"}  # type: ignore[method-assign,func-returns-value]
    new_tour._start("W1", "http://127.0.0.1:9/", [])
    assert bodies[0]["input"]["parameters"]["custom"].get("render") == render


def test_a_printed_request_does_not_contain_the_key(
    make: Callable[..., Tour], capsys: pytest.CaptureFixture[str]
) -> None:
    make({"count": 1, "list": [{"url": "u", "status": 200, "title": None}]})._page("R1")
    line = capsys.readouterr().out
    assert "$ curl -sS http://127.0.0.1:8100/api/v1/run/result/list" in line
    assert '\'{"run_slug": "R1", "page_index": 1, "page_size": 5}\'' in line
    assert "owner.key" in line and KEY not in line


def test_only_the_worker_of_the_tour_is_used(make: Callable[..., Tour]) -> None:
    other = {"slug": "W1", "path": "a/b", "title": "t", "name": f"{WORKER}-2"}
    with pytest.raises(CommandFailed, match="not in the catalog") as caught:
        make({"scraper": [other]})._find_worker()
    assert caught.value.code is Exit.NOT_FOUND
    right = other | {"slug": "W2", "name": WORKER}
    assert make({"scraper": [other, right]})._find_worker() == "W2"


def test_an_error_of_the_server_ends_the_tour(make: Callable[..., Tour]) -> None:
    error = {"code": 11000, "message": "invalid argument", "details": ["a", "b"], "data": None}
    with pytest.raises(CommandFailed, match="11000 invalid argument a; b"):
        make(error)._balance()


def test_only_the_documentation_server_is_allowed(make: Callable[..., Tour]) -> None:
    bodies: list[dict[str, Any]] = []
    new_tour = make({"run_slug": "R1"})
    new_tour._post = lambda path, body: bodies.append(body) or {"run_slug": "R1"}  # type: ignore[method-assign,func-returns-value]
    new_tour._start("W1", "http://127.0.0.1:9/", ["127.0.0.1:9"])
    new_tour._start("W1", "https://a.example/", [])
    systems = [body["input"]["parameters"]["system"] for body in bodies]
    assert systems[0]["egress_allow"] == ["127.0.0.1:9"]
    assert "egress_allow" not in systems[1]


def test_polling_ends_with_the_run(
    make: Callable[..., Tour],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tour, "POLL_SECONDS", 0)
    running = detail(2, results=1)
    assert make(detail(1), running, running, detail(4, err_msg="why"))._poll("R1") == 4
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[-4:] == [
        "waiting, 0 rows, 0 bytes of traffic",
        "running, 1 rows, 0 bytes of traffic",
        "failed, 0 rows, 0 bytes of traffic",
        "why",
    ]


def test_a_run_that_does_not_end_ends_the_tour(
    make: Callable[..., Tour], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tour, "RUN_SECONDS", -1)
    with pytest.raises(CommandFailed, match="did not end") as caught:
        make(detail(2))._poll("R1")
    assert caught.value.code is Exit.TIMEOUT
