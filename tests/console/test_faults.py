"""Error pages: each has an explanation, a status and a next step, and a form keeps its values."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.errors import Unavailable
from fyke.storage.sql.state.storage import SqlStorage
from support.app import App
from support.pages import Visitor

BUSY = "Fyke is busy or starting"


@pytest.fixture
def down(monkeypatch: pytest.MonkeyPatch, owner: Visitor) -> None:
    """Make the database unavailable."""

    async def refused(*_: Any, **__: Any) -> Any:
        raise Unavailable("The database cannot be reached or is full; nothing was changed")

    monkeypatch.setattr(SqlStorage, "read", refused)
    monkeypatch.setattr(SqlStorage, "write", refused)


@pytest.mark.usefixtures("down")
async def test_a_page_that_needs_a_busy_database_reloads_automatically(owner: Visitor) -> None:
    for path in ("/", "/runs", "/store", "/tasks", "/settings/account"):
        page = await owner.get(path, status=503)
        heading = page.one("//h1")
        assert heading.text_content() == BUSY and int(heading.get("data-reload")) > 0
        assert "This page retries automatically." in page.text
        again = page.one("//main//a[normalize-space()='Try again']")
        assert again.get("href") == path, "it must work without JavaScript too"
        assert not page.all("//main//a[@href='/login']"), (
            "it is not known whether the user is signed in"
        )
        assert "database" not in page.text, "the cause belongs in the log only"


@pytest.mark.usefixtures("down")
async def test_a_failed_part_of_a_page_has_a_retry_button_in_its_place(owner: Visitor) -> None:
    panel = await owner.get("/store?q=maps", part=True, status=503)
    assert panel.one("//a[normalize-space()='Try again']").get("href") == "/store?q=maps"
    assert not panel.all("//*[@data-reload]"), "the page around it stays"
    assert "Wait a moment and try again." in panel.text


async def test_a_failed_form_keeps_its_values(
    app: App, owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of a form is shown beside it and does not replace it."""
    await app.publish("reader")

    async def refused(*_: Any, **__: Any) -> Any:
        raise Unavailable("The database cannot be reached or is full; nothing was changed")

    monkeypatch.setattr(app.services.forms, "open", refused)
    for path in ("/w/owner/reader", "/w/owner/reader/outlook"):
        note = await owner.post(path, {"do": "start"}, part=True, status=503)
        assert note.answer.headers["hx-retarget"] == "#notices"
        assert note.one("//h2").text_content() == BUSY
        assert "Wait a moment and try again." in note.text
    page = await owner.post("/w/owner/reader", {"do": "start"}, status=503)
    assert not page.all("//*[@data-reload]"), "a form is never sent again automatically"


async def test_a_database_that_is_available_again_is_used_at_once(
    owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: Any, **__: Any) -> Any:
        raise Unavailable("The database cannot be reached or is full; nothing was changed")

    with monkeypatch.context() as broken:
        broken.setattr(SqlStorage, "read", refused)
        await owner.get("/runs", status=503)
    await owner.get("/runs")


async def test_what_is_not_found_leads_to_the_list_that_it_would_be_in(
    owner: Visitor, guest: Visitor
) -> None:
    lists = {"/tasks/absent": "/tasks", "/runs/absent": "/runs", "/w/a/b": "/store"}
    for path, target in lists.items():
        page = await owner.get(path, status=404)
        links = page.all("//main//p[@class='row']/a/@href")
        assert links == [target, "/find", "/"], path
    page = await owner.get("/workers", status=404)
    assert page.one("//h1").text == "There is no such page" and "deleted" not in page.text
    part = await guest.get("/runs", part=True, status=401)
    assert "Updates of this page have stopped." in part.text and "input" not in part.text
    part = await guest.post("/settings/account/preferences", part=True, status=401)
    assert "Your input is kept." in part.text
