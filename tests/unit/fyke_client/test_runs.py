"""Waiting for runs and following them, through broken connections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from fyke_client import ApiError, AsyncFyke, Fyke, RunFailed, Unreachable
from fyke_client._sync import runs as sync_runs

RUN = {
    **{"status": 3, "err_msg": "", "slug": "R1", "scraper_title": "", "scraper_slug": "W1"},
    **{"results": 2, "usage": "0", "started_at": 1, "finished_at": 2, "duration": 1},
    **{"origin": "api", "traffic": 0, "version": "v1.0.1"},
}
V2 = {**RUN, "run_slug": "R1", "worker_id": "W1", "worker_slug": "W1", "status": "succeeded"}
RUNNING = {**V2, "status": "running", "finished_at": 0}
BROKEN = object()


def page(*rows: dict[str, Any], cursor: str | None) -> dict[str, Any]:
    listed = [{"__coreclaw_data_id__": "x", **row} for row in rows]
    return {
        **{"count": 9, "headers": [], "list": listed, "page_index": 1, "page_size": 2},
        "next_cursor": cursor,
    }


class Server:
    """Answers each path in turn; the last answer of a path stays."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        [answers] = [each for name, each in self.answers.items() if name in _name(request)]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is BROKEN:
            raise httpx2.ReadError("", request=request)
        if isinstance(answer, httpx2.Response):
            return answer
        return httpx2.Response(200, json={"code": 0, "message": "success", "data": answer})

    def client(self, retries: int = 0) -> Fyke:
        transport = httpx2.MockTransport(self)
        return Fyke("http://fyke.test", "k", retries=retries, transport=transport)


def _name(request: httpx2.Request) -> str:
    return request.url.path.replace("/", "_").replace("-", "_")


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []

    async def pause(_: object, seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr("fyke_client._sync_http.time.sleep", found.append)
    monkeypatch.setattr("fyke_client._async_http.AsyncHttp.pause", pause)
    return found


def test_a_wait_survives_a_server_that_restarts(pauses: list[float]) -> None:
    away = httpx2.Response(503, json={"code": 10000, "message": "away", "data": None})
    server = Server(worker_runs=[RUNNING, BROKEN, away, BROKEN, V2], run_detail=[RUN])
    assert server.client().wait("R1").status_name == "succeeded"
    assert len(pauses) == 4  # also before the second question, because the first was brief
    assert 0.9 < pauses[0] <= 1
    assert [r.url.query for r in server.requests[:5]] == [b"wait=30"] * 5


def test_a_wait_ends_when_the_server_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_runs, "PATIENCE", -1.0)
    with pytest.raises(Unreachable):
        Server(worker_runs=[BROKEN]).client().wait("R1")


def test_a_wait_has_a_time_limit(pauses: list[float]) -> None:
    server = Server(worker_runs=[RUNNING])
    with pytest.raises(TimeoutError, match=r"run R1 is still running after 0 s"):
        server.client().wait("R1", 0)
    assert [r.url.query for r in server.requests] == [b"wait=0"]
    assert pauses == []


@pytest.mark.parametrize("path", ["/api/v2/worker-runs/R1", "/api/v1/run/detail"])
def test_a_wait_keeps_its_limit_without_answers(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(sync_runs, "time", clock)

    def silent(request: httpx2.Request) -> httpx2.Response:
        if request.url.path != path:
            return httpx2.Response(200, json={"code": 0, "message": "success", "data": V2})
        clock.now += request.extensions["timeout"]["read"]
        raise httpx2.ReadTimeout("", request=request)

    client = Fyke("http://fyke.test", "k", transport=httpx2.MockTransport(silent))
    with pytest.raises(TimeoutError, match=r"nothing is known of run R1 after 1 s") as caught:
        client.wait("R1", 1)
    assert isinstance(caught.value.__cause__, Unreachable)
    assert "within 2 s" in str(caught.value.__cause__)
    assert clock.now == 1002


def test_the_start_counts_for_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(sync_runs, "time", clock)
    monkeypatch.setattr("fyke_client._sync.client.time", clock, raising=False)

    def start(_: object) -> httpx2.Response:
        clock.now += 7
        started = {"code": 0, "message": "success", "data": {"run_slug": "R1"}}
        return httpx2.Response(200, json=started)

    server = Server(worker_runs=[V2], run_detail=[RUN], result_list=[page(cursor=None)])
    transport = httpx2.MockTransport(lambda r: start(r) if "scraper" in r.url.path else server(r))
    assert (
        Fyke("http://fyke.test", "k", transport=transport).run_and_collect("a/b", timeout=10) == []
    )
    assert server.requests[0].url.query == b"wait=3"


def test_a_wait_reads_the_detail_again() -> None:
    server = Server(worker_runs=[V2], run_detail=[BROKEN, RUN])
    assert server.client().wait("R1", 5).slug == "R1"


def test_a_failed_run_has_its_reason() -> None:
    failed = {**RUN, "status": 4, "err_msg": "it is out of memory"}
    server = Server(scraper_run=[{"run_slug": "R1"}], worker_runs=[V2], run_detail=[failed])
    with pytest.raises(RunFailed, match="run R1 is failed: it is out of memory") as caught:
        server.client().run_and_collect("owner/hello")
    assert caught.value.run.status == 4


def test_rows_are_requested_in_pages_without_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fyke_client._sync.rows.ROWS_PAGE", 2)
    big = 2**100
    pages = [page({"n": 1}, {"n": big}, cursor="c"), page({"n": 3}, cursor="d")]
    server = Server(
        scraper_run=[{"run_slug": "R1"}], worker_runs=[V2], run_detail=[RUN], result_list=pages
    )
    rows = server.client().run_and_collect("owner/hello", {"a": 1}, system={"memory": 512})
    assert rows == [{"n": 1}, {"n": big}, {"n": 3}]
    start = json.loads(server.requests[0].content)
    assert start["scraper_slug"] == "owner/hello"
    assert start["input"] == {"parameters": {"system": {"memory": 512}, "custom": {"a": 1}}}
    cursors = [json.loads(r.content)["cursor"] for r in server.requests[-2:]]
    assert cursors == ["*", "c"]


def test_a_selection_of_rows_is_sent() -> None:
    server = Server(result_list=[page({"n": 1}, cursor=None)])
    selection: dict[str, Any] = {"fields": ["n", "a.b"], "sort": "-n", "filter": ["n:gt:0"]}
    assert list(server.client().rows("R1", clean=True, **selection)) == [{"n": 1}]
    sent = json.loads(server.requests[0].content)
    assert sent == {"run_slug": "R1", "clean": True, "cursor": "*", "page_size": 1000, **selection}


def test_an_export_has_the_same_selection(tmp_path: Path) -> None:
    file = httpx2.Response(200, content=b"x")
    server = Server(result_export=[{"download_url": "http://fyke.test/file"}], _file=[file])
    selection: dict[str, Any] = {"fields": ["n"], "sort": "-n", "filter": ["n:gt:0"]}
    server.client().export_to("R1", tmp_path / "a.csv", clean=True, flatten=True, **selection)
    sent = json.loads(server.requests[0].content)
    options = {"run_slug": "R1", "format": "csv", "clean": True, "flatten": True}
    assert sent == options | selection


def test_a_download_starts_again_after_a_broken_connection(
    tmp_path: Path, pauses: list[float]
) -> None:
    def half() -> Iterator[bytes]:
        yield b"a very long beginning"
        raise httpx2.ReadError("")

    parts = [httpx2.Response(200, content=half()), httpx2.Response(200, content=b"short")]
    server = Server(result_export=[{"download_url": "http://fyke.test/file"}], _file=parts)
    path = server.client(retries=1).export_to("R1", tmp_path / "a.csv")
    assert (path.read_bytes(), len(pauses)) == (b"short", 1)


def test_a_task_has_device_and_limits() -> None:
    server = Server(worker_tasks=[{"slug": "T1"}])
    client = server.client()
    client.create_task("owner/hello", {"n": 1}, system={"memory": 512})
    client.create_task("owner/hello", {"parameters": {"custom": {"n": 1}}})
    inputs = [json.loads(request.content)["input"] for request in server.requests]
    assert inputs == [
        {"parameters": {"system": {"memory": 512}, "custom": {"n": 1}}},
        {"parameters": {"custom": {"n": 1}}},
    ]


def stream(*events: tuple[str, str, Any]) -> httpx2.Response:
    lines = (f"event: {k}\nid: {i}\ndata: {json.dumps(data)}\n\n" for k, i, data in events)
    return httpx2.Response(200, text=": hello\n\n" + "".join(lines))


def rows_event(id: str, *numbers: int) -> tuple[str, str, Any]:
    return "rows", id, {"list": [{"position": n, "row": {"n": n}} for n in numbers]}


def test_rows_are_followed_through_broken_connections(pauses: list[float]) -> None:
    parts = [
        stream(rows_event("1", 1, 2)),
        BROKEN,
        stream(rows_event("2", 3), ("end", "3", {"status": "succeeded"})),
    ]
    server = Server(worker_runs_R1_events=parts)
    assert [row["n"] for row in server.client().follow_rows("R1")] == [1, 2, 3]
    assert [r.headers.get("last-event-id") for r in server.requests] == [None, "1", "1"]
    assert server.requests[0].url.query == b"kinds=rows"
    assert len(pauses) == 2


def test_a_quiet_stream_is_followed_after_a_broken_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Comments show that the server is there, however long there is no event."""
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(sync_runs, "time", clock)

    def comments() -> Iterator[bytes]:
        for _ in range(3):
            clock.now += 200
            yield b": still there\n"

    quiet = httpx2.Response(200, content=comments())
    server = Server(worker_runs_R1_events=[quiet, BROKEN, stream(("end", "1", {}))])
    assert [event.kind for event in server.client().follow("R1")] == ["end"]


ROW = {"text": "a\u2028b\u2029c\x85d\x0b\x0c\x1c\x1d\x1e\u00e9"}
AWKWARD = (
    b'event: rows\r\nid: 1\r\ndata: {"list":\r\ndata: [{"row":'
    + json.dumps(ROW, ensure_ascii=False).encode()
    + b"}]}\r\n\r\nevent: end\ndata: {}\n\n"
)


def one_by_one() -> Iterator[bytes]:
    for number in AWKWARD:
        yield bytes([number])


def test_characters_that_separate_lines_elsewhere_are_part_of_a_row() -> None:
    answers = [httpx2.Response(200, content=AWKWARD), httpx2.Response(200, content=one_by_one())]
    server = Server(worker_runs_R1_events=answers)
    client = server.client()
    for _ in range(2):
        rows, end = client.follow("R1")
        assert (rows.id, rows.data, end.kind) == ("1", {"list": [{"row": ROW}]}, "end")


async def test_the_asynchronous_half_splits_lines_in_the_same_way() -> None:
    server = Server(worker_runs_R1_events=[httpx2.Response(200, content=AWKWARD)])
    transport = httpx2.MockTransport(server)
    async with AsyncFyke("http://fyke.test", "k", transport=transport) as fyke:
        assert [row async for row in fyke.follow_rows("R1")] == [ROW]


def test_an_event_that_is_no_json_is_an_error(pauses: list[float]) -> None:
    server = Server(worker_runs_R1_events=[httpx2.Response(200, text="data: {\n\n")])
    with pytest.raises(Unreachable, match="not JSON"):
        list(server.client().follow("R1"))
    assert pauses == []


def test_nothing_follows_the_end() -> None:
    server = Server(worker_runs_R1_events=[httpx2.Response(204)])
    assert list(server.client().follow("R1", after="3")) == []


def test_a_stream_without_a_line_is_not_the_end(pauses: list[float]) -> None:
    empty = httpx2.Response(200, content=b"")
    server = Server(worker_runs_R1_events=[empty, stream(rows_event("1", 1), ("end", "2", {}))])
    assert list(server.client().follow_rows("R1")) == [{"n": 1}]
    assert len(pauses) == 1


def test_streams_without_a_line_are_not_followed_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_runs, "PATIENCE", -1.0)
    server = Server(worker_runs_R1_events=[httpx2.Response(200, content=b"")])
    with pytest.raises(Unreachable, match="ended early"):
        list(server.client().follow("R1"))


def test_a_server_that_wants_a_long_pause_is_left_alone(pauses: list[float]) -> None:
    refusal = {"code": 4290, "message": "later", "data": None}
    later = httpx2.Response(429, json=refusal, headers={"retry-after": "61"})
    server = Server(worker_runs_R1_events=[later, stream(("end", "1", {}))])
    with pytest.raises(ApiError, match="later"):
        list(server.client().follow("R1"))
    assert pauses == []


def test_a_caller_may_take_long_for_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(sync_runs, "time", clock)
    parts = [stream(rows_event("1", 1)), BROKEN, stream(("end", "2", {}))]
    kinds = []
    for event in Server(worker_runs_R1_events=parts).client().follow("R1"):
        kinds.append(event.kind)
        clock.now += 1000
    assert kinds == ["rows", "end"]


def test_followed_rows_have_no_ids() -> None:
    rows = {"list": [{"position": 1, "row": {"__coreclaw_data_id__": "x", "n": 1}}]}
    server = Server(worker_runs_R1_events=[stream(("rows", "1", rows), ("end", "2", {}))])
    assert list(server.client().follow_rows("R1")) == [{"n": 1}]


def test_the_rows_that_are_collected_can_be_chosen() -> None:
    server = Server(
        scraper_run=[{"run_slug": "R1"}],
        worker_runs=[V2],
        run_detail=[RUN],
        result_list=[page({"n": 1}, cursor=None)],
    )
    started: list[str] = []
    rows = server.client().run_and_collect(
        "owner/hello", callback_url="https://a.example/", on_start=started.append, fields=["n"]
    )
    assert (rows, started) == ([{"n": 1}], ["R1"])
    assert json.loads(server.requests[0].content)["callback_url"] == "https://a.example/"
    assert json.loads(server.requests[-1].content)["fields"] == ["n"]


def entry(position: int) -> dict[str, Any]:
    return {"position": position, "type": 2, "group": "1", "content": "read", "timestamp": 5}


def test_the_log_is_read_to_its_end_and_followed() -> None:
    parts = [{"list": [entry(1), entry(2)]}, {"list": [entry(3)]}, {"list": []}]
    server = Server(runs_R1_log=parts)
    assert [item.position for item in server.client().logs("R1")] == [1, 2, 3]
    assert [r.url.params["after"] for r in server.requests] == ["0", "2", "3"]
    events = [stream(("log", "1", {"list": [entry(1)]}), ("end", "2", {}))]
    followed = Server(worker_runs_R1_events=events).client().follow_logs("R1")
    assert [item.content for item in followed] == ["read"]


def test_tasks_are_listed_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fyke_client._sync.tasks.TASKS_PAGE", 1)
    texts = ("title", "description", "version", "worker_id", "worker_slug", "worker_path")
    numbers = ("run_times", "last_modified_at", "created_at", "updated_at", "schedule_enabled")
    task = dict.fromkeys(texts, "") | dict.fromkeys(numbers, 0)
    task |= {"slug": "T", "worker_title": "", "input": {}, "last_run_slug": "", "schedule_type": 0}
    about = {"count": 1, "page_index": 1, "page_size": 1}
    pages = [{**about, "list": [task]}, {**about, "list": []}]
    server = Server(worker_tasks=pages)
    assert [item.slug for item in server.client().tasks(worker="o/w")] == ["T"]
    assert [r.url.params["offset"] for r in server.requests] == ["1", "2"]
    assert server.requests[0].url.params["worker_id"] == "o~w"


def test_runs_are_listed_to_the_end() -> None:
    empty = {"count": None, "count_is_minimum": False, "page_size": 100, "previous_cursor": ""}
    pages = [
        {**empty, "list": [], "next_cursor": "c", "looked_back_to": 5},
        {**empty, "list": [], "next_cursor": "", "looked_back_to": 0},
    ]
    server = Server(api_fyke_runs=pages)
    assert list(server.client().runs(state="failed")) == []
    assert [r.url.params.get("cursor") for r in server.requests] == [None, "c"]


async def test_the_asynchronous_half_does_the_same() -> None:
    server = Server(
        scraper_run=[{"run_slug": "R1"}],
        worker_runs_R1_events=[stream(rows_event("1", 7), ("end", "2", {}))],
        run_detail=[RUN],
        result_list=[page({"n": 1}, cursor=None)],
    )
    async with AsyncFyke(
        "http://fyke.test", "k", retries=0, transport=httpx2.MockTransport(server)
    ) as fyke:
        assert [row async for row in fyke.follow_rows("R1")] == [{"n": 7}]
        del server.answers["worker_runs_R1_events"]
        server.answers["worker_runs"] = [RUNNING, BROKEN, V2]
        assert await fyke.run_and_collect("owner/hello") == [{"n": 1}]
