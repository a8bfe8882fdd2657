"""The live picture of a run's browser: its stream and pictures, and who may take it over."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fyke.console.pages import run_browser_live
from fyke.contracts.state import Transaction
from fyke.domain.runs import browser_views
from fyke.domain.runs.browser_views import RunBrowserViews
from fyke.model.account import Role
from fyke.model.audit import AuditAction
from fyke.model.runner import NODE_PLACE
from fyke.model.user import Purpose
from support.app import App
from support.browser_views import NODE
from support.jpegs import jpeg
from support.live_browser_run import LiveBrowserRun, live_browser_run

PRESS = {"kind": "pointer", "action": "press", "x": 0.5, "y": 0.5, "button": "left", "clicks": 1}


@pytest.fixture
def live(
    tmp_path: Path, templates: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LiveBrowserRun]:
    monkeypatch.setattr(run_browser_live, "WAIT_SECONDS", 0.02)
    with live_browser_run(tmp_path, templates) as live:
        yield live


def events(http: httpx2.Client, path: str) -> Iterator[tuple[str, Any]]:
    """Kind and data of the events of a stream."""
    with http.stream("GET", path) as answer:
        assert answer.status_code == 200
        kind = ""
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield kind, value if kind == "end" else json.loads(value)


def from_our_page(http: httpx2.Client) -> dict[str, str]:
    return {"sec-fetch-site": "same-origin", "origin": str(http.base_url).rstrip("/")}


def first(stream: Iterator[tuple[str, Any]], wanted: str) -> Any:
    return next(data for kind, data in stream if kind == wanted)


def audited(live: LiveBrowserRun) -> list[tuple[AuditAction, str]]:
    entries = live.server.do(
        live.server.app.storage.read(
            lambda tx: tx.audit.page(
                live.server.app.owner.account_id, before=0, limit=50, action=""
            )
        )
    )
    taken = (AuditAction.BROWSER_TAKEN, AuditAction.BROWSER_GIVEN_BACK)
    return [(entry.action, entry.target) for entry in entries if entry.action in taken]


def test_the_stream_waits_for_a_browser_and_shows_it_until_the_run_ends(
    live: LiveBrowserRun,
) -> None:
    with live.client() as http:
        stream = events(http, f"{live.at}/live")
        assert "appears when one is opened" in first(stream, "notice")["text"]
        live.open_browser()
        while not (state := first(stream, "state"))["pages"]:
            pass
        assert state["pages"] == [{"id": "0.T1", "title": "One", "url": "https://a.example/1"}]
        assert (state["shown"], state["taken_by"], state["yours"]) == ("0.T1", "", False)
        assert (state["attempt"], state["attempts"]) == (live.attempt, [[live.attempt, "1"]])
        picture = first(stream, "picture")
        assert picture.pop("number") > 0
        assert picture == {"page": "0.T1", "jpeg": base64.b64encode(jpeg("first")).decode()}
        live.server.do(live.server.app.end(live.lease))
        live.server.loop.call_soon_threadsafe(
            lambda: live.place.gateway.close(live.attempt, final=True)
        )
        assert [kind for kind, _ in stream][-1] == "end"


def test_one_picture_needs_no_script(live: LiveBrowserRun) -> None:
    with live.client() as http:
        assert http.get(f"{live.at}/picture").status_code == 400
        assert "noscript" not in http.get(live.at).text.partition("live-browser")[2][:3000]
        live.open_browser()
        page = http.get(live.at)
        assert f'<noscript><div class="live-stage"><img src="{live.at}/picture"' in page.text
        answer = http.get(f"{live.at}/picture")
        assert answer.content == jpeg("first")
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        live.server.do(live.server.app.end(live.lease))
        assert "live-browser" not in http.get(live.at).text


def test_another_machine_is_named(live: LiveBrowserRun) -> None:
    live.open_browser()
    (live.folder / "node").write_text("another")
    live.server.loop.call_soon_threadsafe(
        lambda: live.place.gateway.close(live.attempt, final=True)
    )
    with live.client() as http:
        stream = events(http, f"{live.at}/live")
        assert f"runs on the machine {NODE}" in first(stream, "notice")["text"]
        assert http.get(f"{live.at}/picture").status_code in (400, 409, 422)


def test_a_node_that_does_not_answer_is_said(live: LiveBrowserRun) -> None:
    live.open_browser()
    app = live.server.app
    live.server.do(app.register_runner(place=f"{NODE_PLACE}{NODE}"))
    with live.client() as http:
        stream = events(http, f"{live.at}/live")
        assert first(stream, "notice")["text"].startswith("The node, or the process")
        assert http.get(f"{live.at}/picture").status_code == 503
        assert http.get(live.at).status_code == 200


def test_an_owner_takes_over_acts_and_gives_back(live: LiveBrowserRun) -> None:
    live.open_browser()
    form = {"attempt": live.attempt}
    body = {"attempt": live.attempt, "page": "0.T1", "picture": 0, "inputs": [PRESS]}
    with live.client() as http:
        assert 'action="' + live.at + '/take-over"' in http.get(live.at).text
        stream = events(http, f"{live.at}/live")
        body["picture"] = first(stream, "picture")["number"]
        refused = http.post(f"{live.at}/input", json=body, headers=from_our_page(http))
        assert refused.status_code >= 400
        chosen = form | {"page": "0.T1"}
        taken = http.post(f"{live.at}/take-over", data=chosen, headers=from_our_page(http))
        assert taken.status_code == 303
        query = f"attempt={live.attempt}&page=0.T1"
        assert taken.headers["location"] == f"{live.at}?{query}#live-browser"
        while not (state := first(stream, "state"))["yours"]:
            pass
        assert state["taken_by"] == "owner"
        sent = http.post(f"{live.at}/input", json=body, headers=from_our_page(http))
        assert (sent.status_code, sent.content) == (204, b"")
        old = http.post(f"{live.at}/input", json=body | {"picture": 0}, headers=from_our_page(http))
        assert old.status_code == 409
        given = http.post(f"{live.at}/give-back", data=form, headers=from_our_page(http))
        assert given.status_code == 303
        while first(stream, "state")["taken_by"]:
            pass
    [viewing] = live.place.viewing
    [(session, event)] = viewing.sent("Input.dispatchMouseEvent")
    assert (session, event["type"], event["x"]) == ("S-T1", "mousePressed", 400)
    # what waits for the end has written it
    live.server.do(live.server.app.services.browser_views.close())
    assert sorted(audited(live)) == [
        (AuditAction.BROWSER_GIVEN_BACK, live.run),
        (AuditAction.BROWSER_TAKEN, live.run),
    ]
    assert [line.split(" has ")[0] for line in live.place.log] == ["owner", "owner"]


def test_input_from_another_site_is_refused(live: LiveBrowserRun) -> None:
    live.open_browser()
    body = {"attempt": live.attempt, "page": "0.T1", "picture": 1, "inputs": [PRESS]}
    with live.client() as http:
        headers = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
        assert http.post(f"{live.at}/input", json=body, headers=headers).status_code == 403
        headers["content-type"] = "application/x-www-form-urlencoded"
        taken = http.post(f"{live.at}/take-over", data={"attempt": live.attempt}, headers=headers)
        assert taken.status_code == 403
    assert not live.place.log


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"attempt": "A", "page": "P", "inputs": []}',
        b'{"attempt": "A", "page": "P", "picture": 1, "inputs": [{"kind": "script"}]}',
        b'{"attempt": "A", "page": "P", "picture": 1, "inputs": [{"kind": "pointer", "x": 2}]}',
        b'{"attempt": "A", "page": "P", "picture": 1, "inputs": [{"kind": "text", "text": ""}]}',
        json.dumps({"attempt": "A", "page": "P", "picture": 1, "inputs": [PRESS] * 101}).encode(),
    ],
)
def test_what_is_no_input_is_refused(live: LiveBrowserRun, body: bytes) -> None:
    with live.client() as http:
        answer = http.post(f"{live.at}/input", content=body, headers=from_our_page(http))
        assert answer.status_code == 400
        large = http.post(f"{live.at}/input", content=b" " * 50_000, headers=from_our_page(http))
        assert large.status_code == 413


def test_viewers_and_members_watch_but_do_not_take_over(live: LiveBrowserRun) -> None:
    live.open_browser()
    app = live.server.app
    for name, role in (("vic", "viewer"), ("may", "member")):
        user_id = live.server.do(_invited(app, name, role))
        with live.client(user_id) as http:
            page = http.get(live.at)
            assert "<live-browser" in page.text and "take-over" not in page.text
            assert http.get(f"{live.at}/picture").status_code == 200
            form = {"attempt": live.attempt}
            for path in ("take-over", "give-back"):
                answer = http.post(f"{live.at}/{path}", data=form, headers=from_our_page(http))
                assert answer.status_code == 403
            body = {"attempt": live.attempt, "page": "0.T1", "picture": 1, "inputs": [PRESS]}
            answer = http.post(f"{live.at}/input", json=body, headers=from_our_page(http))
            assert answer.status_code == 403
    assert not live.place.log


async def _invited(app: App, name: str, role: str) -> str:
    user, link = await app.services.users.invite(app.owner, name, role)
    await app.services.links.use(
        Purpose.INVITE, link.token, "a long enough secret", "a test", "127.0.0.1"
    )
    return user.id


@pytest.mark.parametrize("change", ["demoted", "signed out"])
def test_a_browser_is_given_back_when_its_user_may_not_act_any_more(
    live: LiveBrowserRun, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(browser_views, "CHECK_SECONDS", 0.05)
    live.open_browser()
    app = live.server.app
    user_id = live.server.do(_invited(app, "eve", "owner"))
    body = {"attempt": live.attempt, "page": "0.T1", "picture": 1, "inputs": [PRESS]}
    with live.client(user_id) as http:
        stream = events(http, f"{live.at}/live")
        body["picture"] = first(stream, "picture")["number"]
        form = {"attempt": live.attempt}
        http.post(f"{live.at}/take-over", data=form, headers=from_our_page(http))
        while not first(stream, "state")["yours"]:
            pass
        if change == "demoted":
            live.server.do(app.storage.write(lambda tx: _demote(tx, user_id)))
            while first(stream, "state")["taken_by"]:
                pass
        else:
            live.server.do(app.storage.write(lambda tx: tx.sessions.end(user_id, tx.now)))
            assert [kind for kind, _ in stream if kind == "end"] == []  # it ends, and not the run
        answer = http.post(f"{live.at}/input", json=body, headers=from_our_page(http))
        assert answer.status_code in (401, 403)
    assert [line.split(" has ")[1][:5] for line in live.place.log] == ["taken", "given"]
    assert live.place.log[1].endswith("they may not act any more.")
    live.server.do(app.services.browser_views.close())  # what waits for the end has written it
    assert [action for action, _ in audited(live)] == [
        AuditAction.BROWSER_TAKEN,
        AuditAction.BROWSER_GIVEN_BACK,
    ][::-1]


def _demote(tx: Transaction, user_id: str) -> None:
    user = tx.accounts.user(user_id)
    assert user is not None
    tx.accounts.change_user(replace(user, role=Role.MEMBER))


def test_watches_that_end_at_once_are_not_made_all_the_time(
    live: LiveBrowserRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.open_browser()
    watched = asyncio.Semaphore(0)

    class Ended:
        async def next(self, seconds: float) -> None:
            return None

        def close(self) -> None:
            pass

    async def watch(*_: object) -> Ended:
        watched.release()
        return Ended()

    monkeypatch.setattr(run_browser_live, "WAIT_SECONDS", 3600.0)
    monkeypatch.setattr(RunBrowserViews, "watch", watch)
    with live.client() as http, http.stream("GET", f"{live.at}/live"):
        live.server.do(watched.acquire())
        for _ in range(5):
            assert http.get("/healthz").status_code == 200  # the server had time for another one
        assert watched.locked()


def test_other_accounts_see_nothing(live: LiveBrowserRun) -> None:
    live.open_browser()
    with live.client(live.server.app.other.user_id) as http:
        for path in ("live", "picture"):
            assert http.get(f"{live.at}/{path}").status_code == 404
        form = {"attempt": live.attempt}
        assert (
            http.post(f"{live.at}/take-over", data=form, headers=from_our_page(http)).status_code
            == 404
        )


def test_the_password_is_asked_for_again(live: LiveBrowserRun) -> None:
    live.open_browser()
    with live.client() as http:
        live.server.do(_forget_confirmations(live.server.app))
        form = {"attempt": live.attempt}
        answer = http.post(f"{live.at}/take-over", data=form, headers=from_our_page(http))
        assert answer.status_code == 403
        assert 'name="password"' in answer.text
        assert f"{live.at}/take-over" in answer.text  # the form comes back afterwards
    assert not live.place.log


async def _forget_confirmations(app: App) -> None:
    def work(tx: Transaction) -> None:
        for session in tx.sessions.of_user(app.owner.user_id):
            tx.sessions.verify(session.id, session.digest, 1)

    await app.storage.write(work)
    app.services.sessions.forget()
