"""Declared sites and builds of a version on every page that shows them, and the builds switch."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.app import SCHEMA, App, open_app
from support.pages import FROM_OUR_PAGE, Page, Visitor, visitor
from support.projects import python_project

MAIN = "from sdk import CoreSDK\n"
EVERYWHERE = "This version declares no sites: it can connect to all public sites."
BUILDING = {"egress": ["a.example", "*.b.example"], "install": "build"}


@pytest.fixture
async def app(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates, review=True) as app:
        yield app


@pytest.fixture
async def other(app: App) -> AsyncIterator[Visitor]:
    """A user who is not the operator."""
    async with visitor(app, app.other.user_id) as someone:
        yield someone


def project(declared: dict[str, Any] | None) -> bytes:
    files = {} if declared is None else {"fyke.json": json.dumps(declared)}
    return python_project(MAIN, schema=SCHEMA, **files)


async def publish(app: App, *declared: dict[str, Any] | None, public: bool = True) -> None:
    for item in declared:
        await app.services.workers.publish(
            app.other, project(item), name="prices", title="Prices", public=public
        )


def domains(page: Page, place: str = "//main") -> list[str]:
    return [code.text or "" for code in page.all(f"{place}//code[@class='breaks']")]


async def test_an_upload_shows_its_declarations(app: App, other: Visitor) -> None:
    for declared, seen in ((None, []), (BUILDING, ["a.example", "*.b.example"])):
        answer = await other.http.post(
            "/dev/upload/zip",
            files={"scraper_file": ("prices.zip", project(declared), "application/zip")},
            headers={"accept": "text/html", **FROM_OUR_PAGE},
        )
        address = str(answer.headers["location"])
        async for _ in app.services.uploads.follow(app.other, address.rpartition("/")[2]):
            pass
        page = await other.get(address)
        assert domains(page) == seen
        assert (EVERYWHERE in page.text) is (declared is None)
        assert ("needs approval" in page.text) is bool(declared)
        if declared:
            assert (
                "2 domains, asks for builds" in page.one("//li[@id='step-declared']").text_content()
            )


async def test_the_pages_of_a_worker_show_and_compare_its_declarations(
    app: App, other: Visitor
) -> None:
    await publish(app, None, BUILDING, {"egress": []}, public=False)
    page = await other.get("/w/other/prices/versions")
    assert "connects to no sites" in page.one("//ul[@class='worker-facts']").text_content()
    assert page.text.count(EVERYWHERE) == 1 and "declares that it connects to no sites" in page.text
    assert domains(page) == ["a.example", "*.b.example"]

    async def changes(before: int, after: int) -> str:
        at = f"/w/other/prices/compare?before=v1.0.{before}&after=v1.0.{after}"
        section = (await other.get(at)).one("//section[@aria-labelledby='declared']")
        return " ".join(section.text_content().split())

    closed = await changes(1, 2)
    assert "Can now connect only to *.b.example, a.example instead" in closed
    assert "run code during installation more access" in closed
    assert "Can no longer connect to a.example" in await changes(2, 3)
    assert "No longer declares sites and can connect to all public sites more access" in (
        await changes(3, 1)
    )
    assert "Unchanged." in await changes(1, 1)


async def test_a_reviewer_sees_wider_permissions_and_can_allow_builds(
    app: App, owner: Visitor, other: Visitor
) -> None:
    await publish(app, {"egress": ["a.example"]})
    _, [first] = await app.services.reviews.page(app.owner, waiting=True, offset=0, limit=5)
    page = await owner.get(f"/admin/review/{first.submission.id}")
    assert domains(page) == ["a.example"] and not page.all("//section[@id='builds']")
    await app.services.reviews.approve(app.owner, first.submission.id)
    await publish(app, BUILDING)
    _, [second] = await app.services.reviews.page(app.owner, waiting=True, offset=0, limit=5)
    address = f"/admin/review/{second.submission.id}"
    page = await owner.get(address)
    assert "Can now connect to *.b.example" in page.text and "more access" in page.text

    assert "not allowed" in page.one("//section[@id='builds']").text_content()
    seen = await other.get("/w/other/prices/versions")
    assert "Until the operator of this server allows builds" in seen.text
    assert not seen.all("//form[contains(@action, '/builds')]")
    await other.post("/w/other/prices/builds", {"allowed": "1"}, status=403)

    form = {"allowed": "1", "back": address}
    assert (await owner.post("/w/other/prices/builds", form)).location == address
    assert (await app.services.workers.find(app.other, "other/prices")).builds_allowed
    page = await owner.get("/w/other/prices/versions")
    assert "Dependency builds of other/prices are now allowed." in page.text
    await owner.post("/w/other/prices/builds", {"allowed": "", "back": "//evil.example"})
    assert not (await app.services.workers.find(app.other, "other/prices")).builds_allowed
