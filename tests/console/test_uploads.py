"""Uploading a project in the console: checks, findings, a test run, publishing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fyke.errors import Refused
from fyke.kit.ids import new_ulid
from fyke.model.account import Caller, Role, User
from fyke.model.upload import Upload, UploadState
from support.app import SCHEMA, App, open_app
from support.pages import FROM_OUR_PAGE, Page, Visitor, visitor
from support.projects import python_project
from support.task_pages import INPUT

GOOD = python_project(
    "from sdk import CoreSDK\n",
    schema=SCHEMA,
    output=[{"name": "price", "type": "number", "description": "Price"}],
)
BAD = python_project("x = (\n", schema={"properties": [{"type": "string"}]})

pytestmark = pytest.mark.needs("git")  # the page shows whether git is installed


@pytest.fixture
async def app(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates, review=True) as app:
        yield app


@pytest.fixture
async def other(app: App) -> AsyncIterator[Visitor]:
    """A user who is not the operator."""
    async with visitor(app, app.other.user_id) as someone:
        yield someone


async def send(who: Visitor, data: bytes, name: str = "prices.zip", **more: Any) -> Any:
    return await who.http.post(
        "/dev/upload/zip",
        files={"scraper_file": (name, data, "application/zip")},
        headers={"accept": "text/html", "accept-language": "en", **FROM_OUR_PAGE, **more},
    )


async def brought(app: App, who: Visitor, data: bytes = GOOD, caller: Any = None) -> str:
    """The address of an upload whose checks have ended."""
    answer = await send(who, data)
    assert answer.status_code == 303, answer.text[-2000:]
    address = str(answer.headers["location"])
    await ended(app, address, caller)
    return address


async def ended(app: App, address: str, caller: Any = None) -> Upload:
    ref = address.rpartition("/")[2]
    async for seen in app.services.uploads.follow(caller or app.other, ref):
        last = seen
    return last


def form_of(page: Page) -> dict[str, str]:
    found = {}
    for control in page.all("//form[@id='run-form']//*[@name]"):
        ticked = control.get("type") not in ("checkbox", "radio") or control.get("checked")
        if control.tag != "button" and control.get("type") != "file" and ticked is not None:
            found[control.get("name")] = page.value(control.get("name"))
    return found


async def test_a_zip_and_a_repository_can_be_uploaded(other: Visitor) -> None:
    page = await other.get("/dev/upload")
    assert page.one("//input[@type='file']").get("accept") == ".zip,application/zip"
    assert "fyke worker new my-worker" in page.text
    empty = await other.http.post(
        "/dev/upload/zip",
        headers={**FROM_OUR_PAGE, "accept": "text/html"},
        files={"scraper_file": ("a.zip", b"")},
    )
    assert empty.status_code == 422
    assert "Is empty; choose the ZIP of the project" in empty.text
    answer = await other.http.post("/dev/upload/zip", headers=FROM_OUR_PAGE, files={"x": b""})
    assert answer.status_code == 422
    assert "Choose a ZIP file of the project" in answer.text
    page = await other.post(
        "/dev/upload/git", {"url": "git@github.com:a/b", "ref": "main"}, status=422
    )
    assert "SSH is not supported" in page.text
    assert (page.value("url"), page.value("ref")) == ("git@github.com:a/b", "main")
    page = await other.post(
        "/dev/upload/git", {"url": "https://x.example/a", "ref": "a b"}, status=422
    )
    assert page.one("//*[@id='faults']//a").get("href") == "#f-ref"


async def test_a_checked_upload_shows_its_form_and_columns_and_is_published(
    app: App, other: Visitor
) -> None:
    address = await brought(app, other)
    page = await other.get(address)
    assert "ready to publish" in page.text
    titles = [str(each) for each in page.all("//*[@id='upload']//h2/@id")]
    assert titles[:2] == ["checks-title", "publish-title"]
    assert page.all("//section[@aria-labelledby='checks-title']//details//ol/li")
    steps = [" ".join(item.text_content().split()) for item in page.all("//ol[@class='checks']/li")]
    assert steps[0].startswith("passed Archive and size")
    assert "passed Entry file main.py" in steps
    assert page.one("//td[.='price']/following-sibling::td[1]").text_content() == "Price"
    assert page.all("//form[@id='run-form']//*[contains(@name,'urls')]")
    assert page.one("//input[@value='new']").get("checked") is not None, "there is no Worker yet"
    new = {"target": "new", "title": "T"}
    bad = await other.post(f"{address}/publish", {**new, "name": "Not/allowed"}, status=422)
    assert bad.value("name") == "Not/allowed"
    assert bad.one("//*[@id='faults']//a").get("href") == "#f-name"
    long = {"name": "Not/allowed", "title": "t" * 201}
    bad = await other.post(f"{address}/publish", {**new, **long}, status=422)
    faults = bad.one("//*[@id='faults']").text_content()
    assert "Must be 1 to 63 of a-z" in faults and "Must be at most 200 characters" in faults
    done = await other.post(
        f"{address}/publish",
        {**new, "name": "prices", "title": "Prices", "public": "on", "note": "Hi"},
    )
    assert done.location == "/w/other/prices"
    assert "is waiting for review" in (await other.get(done.location)).text
    assert "Published as version v1.0.1" in (await other.get(address)).text
    assert "published" in (await other.get("/dev/upload")).text


async def test_the_target_of_an_upload_is_chosen_and_never_renamed(
    app: App, other: Visitor
) -> None:
    worker = await app.publish("greeter", caller=app.other)
    versions = await other.get(f"/w/{worker.path}/versions")
    start = versions.one("//a[normalize-space()='Upload a new version']").get("href")
    page = await other.get(start)
    assert "next version of other/greeter" in page.text
    assert "New version" in (await other.get("/dev/workers")).text
    ref = page.value("worker")
    sent = await other.http.post(
        "/dev/upload/zip",
        data={"worker": ref},
        files={"scraper_file": ("second.zip", GOOD, "application/zip")},
        headers=FROM_OUR_PAGE,
    )
    address = str(sent.headers["location"])
    await ended(app, address)
    page = await other.get(address)
    assert page.one("//input[@value='version']").get("checked") is not None
    assert page.value("worker") == worker.id
    done = await other.post(f"{address}/publish", {"target": "version", "worker": ref})
    assert done.location == "/w/other/greeter"
    found = await app.services.workers.find(app.other, worker.id)
    assert (found.title, found.latest) == (worker.title, "v1.0.2")


async def test_a_version_is_published_and_another_one_stays_current(
    app: App, other: Visitor
) -> None:
    worker = await app.publish("greeter", caller=app.other)
    address = await brought(app, other)
    assert (await other.get(address)).one("//button[@name='keep']").get("value") == "1"
    target = {"target": "version", "worker": worker.id, "keep": "1"}
    done = await other.post(f"{address}/publish", target)
    assert done.location == "/w/other/greeter/versions/v1.0.2/promote"
    page = await other.get(done.location)
    assert "v1.0.2 is published. v1.0.1 is still the current version." in page.text
    assert "v1.0.1 → v1.0.2" in page.text
    page = await other.get("/w/other/greeter/versions")
    assert page.one("//a[contains(., 'Make current')]").get("href").endswith("v1.0.2/promote")


async def test_a_version_that_would_refuse_saved_inputs_is_not_current_without_a_look(
    app: App, other: Visitor
) -> None:
    worker = await app.publish("greeter", caller=app.other)
    create = app.services.tasks.create
    await create(app.other, worker.id, "Prices", INPUT, None)
    fixed = await create(app.other, worker.id, "Fixed", INPUT, "v1.0.1")
    target = {"target": "version", "worker": worker.id}
    address = await brought(app, other)
    done = await other.post(f"{address}/publish", target)
    assert done.location == "/w/other/greeter", "all saved inputs fit"
    needed = {"name": "currency", "title": "Currency", "type": "string", "required": True}
    address = await brought(app, other, python_project("x = 1\n", schema={"properties": [needed]}))
    done = await other.post(f"{address}/publish", target)
    assert done.location == "/w/other/greeter/versions/v1.0.3/promote"
    page = await other.get(done.location)
    assert "v1.0.3 is published, but v1.0.2 is still the current version: one task" in page.text
    assert "would be refused: Currency" in page.text and fixed.title not in page.text
    found = await app.services.workers.find(app.other, worker.id)
    assert found.latest == "v1.0.2"


class Clicks:
    """Someone who uses only the links and buttons of the page, from ``start`` on."""

    def __init__(self, app: App, who: Visitor, start: Page) -> None:
        self.app, self.who, self.page = app, who, start
        self.count = 0

    async def link(self, text: str) -> None:
        self.count += 1
        found = self.page.all(f"//main//a[normalize-space()={text!r}]")
        self.page = await self.who.get(found[0].get("href"))

    async def button(self, text: str, file: bytes = b"") -> None:
        self.count += 1
        form = self.page.one(f"//main//button[normalize-space()={text!r}]/ancestor::form")
        answer = await self.who.http.post(
            form.get("action"),
            data=_chosen(form),
            files={"scraper_file": ("new.zip", file, "application/zip")} if file else None,
            headers={"accept": "text/html", "accept-language": "en", **FROM_OUR_PAGE},
        )
        assert answer.status_code == 303, answer.text[-2000:]
        address = str(answer.headers["location"])
        if file:
            await ended(self.app, address)  # the page follows the checks by itself
        self.page = await self.who.get(address)


def _chosen(form: Any) -> dict[str, str]:
    """What a form sends if nothing is changed."""
    sent = {}
    for control in form.xpath(".//*[@name and not(@type='file') and not(self::button)]"):
        if control.tag == "select":
            [sent[control.get("name")]] = control.xpath("option[@selected]/@value")
        elif control.get("type") not in ("radio", "checkbox") or control.get("checked") is not None:
            sent[control.get("name")] = control.get("value") or ""
    return sent


async def test_a_version_is_made_current_and_rolled_back_in_six_clicks(
    app: App, other: Visitor
) -> None:
    worker = await app.publish("greeter", caller=app.other)

    async def current() -> str:
        return (await app.services.workers.find(app.other, worker.id)).latest

    clicks = Clicks(app, other, await other.get(f"/w/{worker.path}/versions"))
    await clicks.link("Upload a new version")
    await clicks.button("Upload and check", GOOD)
    await clicks.button("Publish this version")
    assert await current() == "v1.0.2"
    await clicks.link("Versions")
    await clicks.link("Make current v1.0.1")
    assert "v1.0.2 → v1.0.1" in clicks.page.text and "Inputs and columns" in clicks.page.text
    await clicks.button("Make v1.0.1 current")
    assert await current() == "v1.0.1"
    assert clicks.count == 6


async def test_without_a_choice_nothing_is_published(app: App, other: Visitor) -> None:
    worker = await app.publish("greeter", caller=app.other)
    address = await brought(app, other)
    page = await other.get(address)
    assert page.all("//input[@name='target' and @checked]") == []
    for given, field in (
        ({"name": "x"}, "f-target"),
        ({"target": "version", "worker": ""}, "f-worker"),
        ({"target": "new", "name": ""}, "f-name"),
        ({"target": "new", "name": "Greeter"}, "f-name"),
    ):
        page = await other.post(f"{address}/publish", given, status=422)
        assert page.one("//*[@id='faults']//a").get("href") == f"#{field}"
        assert page.all(f"//*[@id='{field}']")
    own = await app.publish("not-theirs")
    wrong = {"target": "version", "worker": own.id}
    await other.post(f"{address}/publish", wrong, status=403)
    await other.get(f"/dev/upload?worker={own.path}", status=403)
    [found] = (await app.services.workers.own_page(app.other, "", offset=0, limit=9))[1]
    assert (found.id, found.latest) == (worker.id, "v1.0.1")


async def test_a_refusal_is_at_a_visible_field_and_in_words_of_the_page(
    app: App, other: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await app.publish("greeter", caller=app.other)
    address = await brought(app, other)
    uploads, publish = app.services.uploads, app.services.uploads.publish

    async def refused(*_: Any, **__: Any) -> Any:
        raise Refused("the upload is being checked")

    async def raced(caller: Caller, upload_id: str, **options: Any) -> Any:
        await app.publish("prices", caller=app.other)  # by another tab
        return await publish(caller, upload_id, **options)

    version, new = {"target": "version", "worker": worker.id}, {"target": "new", "name": "prices"}
    for given, method, field, text in (
        (version, refused, "f-worker", "The upload is being checked"),
        (new, refused, "f-name", "The upload is being checked"),
        (new, raced, "f-name", "You have a Worker with this name"),
    ):
        monkeypatch.setattr(uploads, "publish", method)
        page = await other.post(f"{address}/publish", given, status=422)
        fault = page.one("//*[@id='faults']//a")
        assert (fault.get("href"), text in page.text) == (f"#{field}", True)
        assert page.all(f"//*[@id='{field}']") and "/api/" not in page.one("//main").text_content()


async def test_findings_have_file_line_rule_and_remedy(app: App, other: Visitor) -> None:
    address = await brought(app, other, BAD)
    page = await other.get(address)
    assert "needs fixes" in page.text
    [syntax] = [
        e for e in page.all("//ul[@class='findings']/li") if "python_syntax" in e.text_content()
    ]
    words = " ".join(syntax.text_content().split())
    assert "main.py:1" in words and "Fix: correct the Python syntax" in words
    assert page.all("//form[contains(@action,'/publish')]") == []
    again = await other.post(f"{address}/again")
    assert (await ended(app, again.location)).state is UploadState.FAULTY


async def test_a_test_run_can_be_started_from_the_form(app: App, other: Visitor) -> None:
    address = await brought(app, other)
    page = await other.get(address)
    refused = await other.post(f"{address}/test", form_of(page) | {"do": "start"}, status=422)
    assert "is not valid" in refused.text  # a required field is empty
    page = await other.post(f"{address}/test", form_of(page) | {"do": "json"}, status=200)
    sent = form_of(page) | {"json_text": '{"urls": [{"url": "https://a.example/"}]}'}
    started = await other.post(f"{address}/test", sent | {"do": "start"})
    assert started.location.startswith("/runs/")
    await app.execute([{"price": 1}])
    page = await other.get(address)
    assert "Last test run" in page.text and "Succeeded" in page.text
    assert (await app.services.workers.own_page(app.other, "", offset=0, limit=5))[1][
        0
    ].latest == ""


async def test_the_stream_reports_every_check_and_then_ends(app: App, other: Visitor) -> None:
    answer = await send(other, GOOD)
    address = answer.headers["location"]
    async with other.http.stream("GET", f"{address}/live") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        text = "".join([part async for part in stream.aiter_text()])
    assert "ready to publish" in text
    [head] = text.split('hx-target="#upload-head"')[1:]
    title = (await other.get(address)).one("//h1").text_content()
    assert f"<h1>{title}</h1>" in head and "Check again" in head, "once, when the checks have ended"
    assert text.endswith("event: end\ndata: end\n\n")


async def test_an_upload_is_visible_to_its_account_only_and_can_be_removed(
    app: App, other: Visitor, owner: Visitor
) -> None:
    address = await brought(app, other)
    await owner.get(address, status=404)
    await owner.get(f"{address}/live", status=404)
    viewer = User(new_ulid(), app.other.account_id, "vera", Role.VIEWER, False, "", 1)
    await app.storage.write(lambda tx: tx.accounts.add_user(viewer))
    async with visitor(app, viewer.id) as someone:
        assert (await someone.get("/dev/upload")).all("//main//form") == []
        page = await someone.get(address)
        assert page.all("//main//button[normalize-space()='Test run']") == []
        await someone.post(f"{address}/remove", status=403)
    await other.post(f"{address}/remove")
    await other.get(address, status=404)


async def test_markup_in_a_name_is_shown_as_text(app: App, other: Visitor) -> None:
    answer = await send(other, BAD, "<img src=x onerror=alert(1)>.zip")
    await ended(app, answer.headers["location"])
    for address in ("/dev/upload", answer.headers["location"]):
        page = await other.get(address)
        assert page.all("//main//img") == []
        assert "<img src=x" in page.text
