"""The stream of a run's page, read without a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from fyke.console.pages import run_live, run_rows
from fyke.domain.runs.service import StartRequest
from fyke.model.attempt import AttemptReport, SiteTraffic
from fyke.model.browser import BrowserActivity, BrowserReport
from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch
from fyke.model.run import Origin
from fyke.model.runner import AttemptUsage, Lease
from support.pages import sign_in
from support.served import Served, served

LINE = re.compile(r'<li id="l-(\d+)"')
ROW = re.compile(r'id="r-(\d+)"')
ANNOUNCED = re.compile(r"</svg> Show \d+ new row")


class LiveRun:
    """An active run and a signed-in user."""

    def __init__(self, server: Served) -> None:
        self.server = server
        app = server.app
        token = server.do(sign_in(app.services.sessions, app))
        self.http = httpx2.Client(
            base_url=server.base_url, cookies={"fyke_session": token}, timeout=20
        )
        self.worker = server.do(app.publish()).id

    def begin(self) -> tuple[str, Lease]:
        app = self.server.app
        body = {"parameters": {"custom": {"urls": [{"url": "https://a.example"}]}}}
        request = StartRequest(self.worker, None, body, "", Origin.WEB)
        run = self.server.do(app.services.runs.start(app.owner, request))
        [lease] = self.server.do(app.begin())
        return run.id, lease

    def say(self, lease: Lease, *texts: str) -> None:
        self.server.do(self.server.app.push(lease, [], log=texts))

    def flood(self, lease: Lease, count: int) -> None:
        lines = [NewLogEntry(2, lease.attempt.number, f"n {n}", 5) for n in range(count)]
        batch = AttemptBatch(lease.run.id, lease.attempt.id, log=lines)
        self.server.do(self.server.app.results.commit([batch]))

    def messages(self, path: str, place: str = "") -> Iterator[str]:
        headers = {"last-event-id": place} if place else {}
        with self.http.stream("GET", path, headers=headers) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            text = ""
            for piece in answer.iter_text():
                text += piece
                while "\n\n" in text:
                    message, text = text.split("\n\n", 1)
                    yield message


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[LiveRun]:
    with served(tmp_path_factory.mktemp("stream"), templates, rate_limit=0) as server:
        live = LiveRun(server)
        yield live
        live.http.close()


def parse_cursor(message: str) -> str:
    return message.rpartition("id: ")[2].strip()


def title_of(message: str) -> str:
    found = re.search(r'hx-target="head &gt; title"[^>]*>([^<]*)<', message)
    return found[1] if found else ""


def until_line(messages: Iterator[str], last: int) -> tuple[list[int], str]:
    """The lines up to the first match, and the id of the message that contains it."""
    found: list[int] = []
    for message in messages:
        found += map(int, LINE.findall(message))
        if found and found[-1] >= last:
            return found, parse_cursor(message)
    raise AssertionError(f"the stream ended with {found}")


def test_a_stream_resumes_after_the_last_received_message(live: LiveRun) -> None:
    run, lease = live.begin()
    live.say(lease, *(f"line {n}" for n in range(250)))
    path = f"/runs/{run}/live?tab=log&place=0"
    first, place = until_line(live.messages(path), 200)
    assert first == [*range(1, 201)]
    assert place == "200.running.0"
    rest, place = until_line(live.messages(path, place), 250)
    assert rest == [*range(201, 251)]
    live.server.do(live.server.app.end(lease))
    end = list(live.messages(path, place))
    assert end[-1] == "event: end\ndata: end"
    assert not any(LINE.search(message) for message in end)
    assert any("Succeeded" in message for message in end)


def test_a_client_that_is_too_far_behind_skips_lines_with_a_notice(live: LiveRun) -> None:
    run, lease = live.begin()
    live.flood(lease, 9_000)
    messages = live.messages(f"/runs/{run}/live?tab=log&place=10")
    gap = next(messages)
    assert "Lines 11 to 8,800 were skipped" in gap
    assert parse_cursor(gap) == "8800.-.0"
    found, _ = until_line(messages, 9_000)
    assert found == [*range(8_801, 9_001)]


def test_a_search_applies_to_new_lines_and_a_long_line_is_cut(live: LiveRun) -> None:
    run, lease = live.begin()
    live.say(lease, "other", "WANTED " + "\x1b[31mx\x1b[0m" * 200_000, "other")
    messages = live.messages(f"/runs/{run}/live?tab=log&place=0&search=wanted")
    text = ""
    while "l-2" not in text:
        text = next(messages)
    assert LINE.findall(text) == ["2"]
    assert len(text) < 60_000 and "ansi-red" in text and "\x1b" not in text


def test_the_deletion_of_a_run_is_reported_and_ends_the_stream(live: LiveRun) -> None:
    run, lease = live.begin()
    messages = live.messages(f"/runs/{run}/live?tab=output&seen=1&sort=n")
    assert "run-figures" in next(messages)
    live.server.do(live.server.app.push(lease, [{"n": 1}, {"n": 2}, {"n": 3}]))
    assert "2 new rows" in next(messages)
    live.server.do(live.server.app.services.runs.remove(run))
    rest = list(messages)
    assert "This run was deleted" in rest[-2]
    assert rest[-1] == "event: end\ndata: end"
    gone = live.http.get(f"/runs/{run}/live", headers={"hx-request": "true"})
    assert gone.status_code == 404


def test_rows_are_added_while_the_page_is_not_full(
    live: LiveRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_rows, "SIZES", (4,))
    run, lease = live.begin()
    push, app = live.server.do, live.server.app
    path = f"/runs/{run}/live?tab=output&seen=0&form=record"
    messages = live.messages(path)
    first = next(messages)
    assert 'hx-target="#run-rows"' not in first, "there is no row yet"
    assert 'hx-target="#run-facts"' in first and "started" in first
    push(app.push(lease, [{"n": 1}, {"n": 2}]))
    shown = next(one for one in messages if 'hx-target="#run-rows"' in one)
    assert 'id="r-1"' in shown and 'id="r-2"' in shown
    assert "row-record" in shown, "in the form that the page's address asks for"
    assert 'hx-target="#run-tally" hx-swap="innerHTML">2<' in shown
    assert not ANNOUNCED.search(shown)
    assert parse_cursor(shown) == "0.running.2"
    push(app.push(lease, [{"n": 3}]))
    later = next(one for one in messages if 'hx-target="#rows-new"' in one)
    assert ROW.findall(later) == ["3"] and "1 to 3 of 3 rows" in later
    assert 'hx-target="#run-rows"' not in later and not ANNOUNCED.search(later)
    # a browser that reconnects already has its rows
    back = next(live.messages(path, parse_cursor(later)))
    assert not ROW.findall(back)
    push(app.push(lease, [{"n": 4}, {"n": 5}]))
    full = next(one for one in messages if 'hx-target="#rows-new"' in one)
    assert ROW.findall(full) == ["4"] and "1 to 4 of 5 rows" in full
    push(app.push(lease, [{"n": 6}]))
    beyond = next(one for one in messages if 'hx-target="#pager-new"' in one)
    assert not ROW.findall(beyond) and "1 to 4 of 6 rows" in beyond and "page=2" in beyond
    push(app.end(lease))
    end = list(messages)
    assert any("<output-reload>" in message for message in end)


def test_a_new_column_is_shown_and_sorted_rows_are_announced(live: LiveRun) -> None:
    run, lease = live.begin()
    push, app = live.server.do, live.server.app
    push(app.push(lease, [{"n": 1}]))
    messages = live.messages(f"/runs/{run}/live?tab=output&seen=1")
    ordered = live.messages(f"/runs/{run}/live?tab=output&seen=1&sort=n")
    next(messages), next(ordered)
    push(app.push(lease, [{"n": 2, "extra": 3}]))
    wider = next(one for one in messages if 'id="r-2"' in one)
    assert 'hx-target="#run-rows" hx-swap="innerMorph"' in wider and "extra" in wider
    announced = next(one for one in ordered if ANNOUNCED.search(one))
    assert not ROW.findall(announced)
    push(app.end(lease))


def test_the_title_follows_the_state(live: LiveRun) -> None:
    run, lease = live.begin()
    messages = live.messages(f"/runs/{run}/live?tab=log")
    assert title_of(next(messages)).startswith("Running · ")
    live.server.do(live.server.app.end(lease))
    titles = [title_of(message) for message in messages]
    assert [title for title in titles if title][-1].startswith("Succeeded · ")
    page = live.http.get(f"/runs/{run}", headers={"accept": "text/html"}).text
    assert f"<title>{[title for title in titles if title][-1]}</title>" in page


def test_rows_stored_at_the_end_of_the_run_are_shown(live: LiveRun) -> None:
    run, lease = live.begin()
    messages = live.messages(f"/runs/{run}/live?tab=output&seen=0")
    next(messages)
    app = live.server.app
    live.server.do(app.push(lease, [{"n": 1}]))
    live.server.do(app.end(lease))
    text = "".join(messages)
    assert 'id="r-1"' in text and "<output-reload>" in text


def test_sites_are_updated_during_the_run_in_the_selected_order(
    live: LiveRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_live, "USAGE_SECONDS", 0.0)
    run, lease = live.begin()
    app = live.server.app
    live.say(lease, "one")
    messages = live.messages(f"/runs/{run}/live?tab=traffic&sort=site")
    first = next(one for one in messages if 'hx-target="#traffic"' in one)
    assert "No site yet" in first
    sites = (SiteTraffic("b.example", 1, 2, 3), SiteTraffic("a.example", refused=2))
    live.server.do(
        app.attempts.report([AttemptReport(lease.attempt.key, AttemptUsage(), sites)], 60_000)
    )
    live.say(lease, "two")
    update = next(one for one in messages if "b.example" in one)
    assert update.index("a.example") < update.index("b.example")
    assert 'aria-sort="ascending"' in update and "refused:" in update
    messages.close()  # type: ignore[attr-defined]  # a generator
    live.server.do(app.end(lease))


def test_what_the_browser_does_is_updated_during_the_run(
    live: LiveRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_live, "USAGE_SECONDS", 0.0)
    run, lease = live.begin()
    app = live.server.app
    live.say(lease, "one")
    messages = live.messages(f"/runs/{run}/live?tab=browser")
    first = next(one for one in messages if 'hx-target="#browser"' in one)
    assert "has had a browser so far" in first
    done = BrowserReport(BrowserActivity({"image": 4321}), starts=1, is_open=True)
    live.server.do(
        app.attempts.report(
            [AttemptReport(lease.attempt.key, AttemptUsage(), browser=done)], 60_000
        )
    )
    live.say(lease, "two")
    update = next(one for one in messages if "4,321" in one)
    assert "Images" in update and "Running" in update
    messages.close()  # type: ignore[attr-defined]  # a generator
    live.server.do(app.end(lease))


def test_the_usage_is_updated_during_the_run(
    live: LiveRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_live, "USAGE_SECONDS", 0.0)
    run, lease = live.begin()
    app = live.server.app
    report = AttemptReport(
        lease.attempt.key, AttemptUsage(traffic_bytes=5_000_000, cpu_ms=1200, memory_bytes=7)
    )
    live.server.do(app.attempts.report([report], 60_000))
    live.say(lease, "one")
    messages = live.messages(f"/runs/{run}/live?tab=usage")
    update = next(one for one in messages if 'hx-target="#use"' in one)
    assert "5 MB" in update and "Quantities" in update
    messages.close()  # type: ignore[attr-defined]  # a generator
    live.server.do(app.end(lease))
